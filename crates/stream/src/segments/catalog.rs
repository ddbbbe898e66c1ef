//! The segments of the log, and where in them an offset is to be looked for.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use hubbub_events::Offset;

use super::disk::Disk;
use super::index::{self, Entries, IndexFile, Summary};
use super::recent::Recent;
use super::scan;
use super::segment::{self, FoundHeader, Header};
use super::topics::{Slot, Topics};
use super::unit::Share;
use crate::sync::{read, write};

/// How much of the indexes of old segments is kept in memory, in bytes.
const INDEXES: usize = 4 * 1024 * 1024;

/// A segment, and its index where that is in memory: the newest segment's always is,
/// and that of a damaged one, which has no file.
#[derive(Debug)]
pub(super) struct Segment {
    pub summary: Summary,
    pub entries: Option<Entries>,
}

/// Where to look for an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The segment.
    pub segment: u64,
    /// Where a unit begins at or before the one sought.
    pub at: u64,
    /// Where the readable part of the segment ends.
    pub limit: u64,
}

/// All segments of a log. Summaries are kept of all of them, indexes of few.
pub(super) struct Catalog {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    topics: Arc<Topics>,
    /// Oldest first; the last is the one that is written to.
    segments: RwLock<Vec<Segment>>,
    indexes: Recent<(u64, Entries)>,
}

impl Catalog {
    pub fn new(
        disk: Arc<dyn Disk>,
        folder: PathBuf,
        topics: Arc<Topics>,
        segments: Vec<Segment>,
    ) -> Self {
        Self {
            disk,
            folder,
            topics,
            segments: RwLock::new(segments),
            indexes: Recent::new(INDEXES),
        }
    }

    pub fn topics(&self) -> &Topics {
        &self.topics
    }

    /// Opens a segment's file.
    pub fn open(&self, number: u64) -> io::Result<Box<dyn super::disk::DiskFile>> {
        self.disk.open(&self.folder.join(segment::file_name(number)))
    }

    /// Adds what was written to the newest segment, now `length` bytes long.
    pub fn written(&self, shares: &[Share], sequence: u64, length: u64) {
        let mut segments = write(&self.segments);
        let Some(newest) = segments.last_mut() else {
            return;
        };
        newest.summary.length = length;
        newest.summary.sequences.end = sequence + 1;
        for share in shares {
            newest.summary.ends[share.slot] = share.end();
            if let Some(entries) = &mut newest.entries {
                entries.note(share.slot, share.first, share.at);
            }
        }
    }

    /// Leaves the newest segment for the next, which has no units yet.
    pub fn leave(&self, next: u64, header_length: u64) {
        let mut segments = write(&self.segments);
        let Some(newest) = segments.last_mut() else {
            return;
        };
        if let Some(entries) = newest.entries.take() {
            newest.entries =
                write_index(&*self.disk, &self.folder, &self.topics, &newest.summary, entries);
        }
        let (sequence, ends) = (newest.summary.sequences.end, newest.summary.ends.clone());
        segments.push(Segment {
            summary: Summary {
                number: next,
                length: header_length,
                sequences: sequence..sequence,
                begins: ends.clone(),
                ends,
            },
            entries: Some(Entries::default()),
        });
    }

    /// Where an offset is to be looked for; none where the log does not have it.
    pub fn locate(&self, slot: Slot, offset: Offset) -> io::Result<Option<Place>> {
        let summary = {
            let segments = read(&self.segments);
            let at = segments.partition_point(|segment| segment.summary.ends[slot] <= offset);
            let Some(segment) = segments.get(at) else {
                return Ok(None);
            };
            if let Some(entries) = &segment.entries {
                return Ok(place(&segment.summary, entries.find(slot, offset)));
            }
            segment.summary.clone()
        };
        let index = match self.indexes.find(|(number, _)| *number == summary.number) {
            Some(index) => index,
            None => {
                let entries = self.load(&summary)?;
                let weight = entries.weight();
                let index = Arc::new((summary.number, entries));
                self.indexes.keep(Arc::clone(&index), weight);
                index
            }
        };
        Ok(place(&summary, index.1.find(slot, offset)))
    }

    /// The index of an old segment, from its file, or else from the segment itself.
    fn load(&self, summary: &Summary) -> io::Result<Entries> {
        let Summary { number, length, .. } = *summary;
        let index = IndexFile::open(&*self.disk, &self.folder, &self.topics, number, length);
        if let Some(entries) = index.and_then(|index| index.entries()) {
            return Ok(entries);
        }
        tracing::warn!(segment = number, "the index of a segment is unreadable: made again");
        let file = self.open(number)?;
        let start = match Header::read(&*file, length)? {
            FoundHeader::Whole(_, start) => start,
            FoundHeader::Newer(_) | FoundHeader::Bad => 0,
        };
        let sequence = summary.sequences.start;
        let scanned =
            scan::scan(&*file, number, start..length, &self.topics, &summary.begins, sequence)?;
        for damage in scanned.damage.iter().chain(&scanned.torn) {
            tracing::error!("{}", damage.describe(&self.topics));
        }
        Ok(scanned.entries)
    }
}

/// Writes the index of a segment. Gives the entries back to be kept in memory where
/// that fails: the log can do without the file, and the next start tries again.
pub(super) fn write_index(
    disk: &dyn Disk,
    folder: &Path,
    topics: &Topics,
    summary: &Summary,
    entries: Entries,
) -> Option<Entries> {
    let error = index::write(disk, folder, topics, summary, &entries).err()?;
    tracing::warn!(segment = summary.number, %error, "the index of a segment was not written");
    Some(entries)
}

fn place(summary: &Summary, at: Option<u64>) -> Option<Place> {
    Some(Place { segment: summary.number, at: at?, limit: summary.length })
}
