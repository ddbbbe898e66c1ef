//! What a log's folder holds when it is opened, and what of it is damaged.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hubbub_events::{Offset, TopicPartition};

use super::SegmentsSettings;
use super::catalog::{Segment, write_index};
use super::committer::Writer;
use super::disk::{Disk, DiskFile};
use super::index::{Entries, IndexFile, Summary};
use super::scan::{self, Damage, Lost, Scanned};
use super::segment::{self, FileKind, FoundHeader, Header};
use super::topics::Topics;
use crate::Error;

/// A log as it was found.
pub(super) struct Recovered {
    pub topics: Arc<Topics>,
    pub segments: Vec<Segment>,
    /// Per slot, the next offset.
    pub ends: Vec<Offset>,
    /// Per slot, the offset after the highest floor that the log no longer has; or 0.
    pub lost_to: Vec<Offset>,
    /// What goes on with it, or why it takes no more records.
    pub writer: Result<Writer, String>,
}

/// What opening a log needs.
pub(super) struct Recovery<'a> {
    pub settings: &'a SegmentsSettings,
    pub folder: PathBuf,
    pub identity: String,
    pub floors: &'a HashMap<TopicPartition, Offset>,
    pub disk: Arc<dyn Disk>,
}

/// The log as far as it has been looked through.
struct Found {
    topics: Arc<Topics>,
    segments: Vec<Segment>,
    ends: Vec<Offset>,
    /// Of the next unit.
    next_sequence: u64,
    damage: Vec<String>,
}

/// The newest segment.
struct Newest {
    number: u64,
    file: Box<dyn DiskFile>,
    header: FoundHeader,
    /// Its length as a file.
    length: u64,
    scanned: Scanned,
}

impl Newest {
    fn into_segment(self) -> Segment {
        let Scanned { summary, entries, .. } = self.scanned;
        Segment { summary, entries: Some(entries) }
    }
}

impl Recovery<'_> {
    /// Looks through the folder, mends what a crash leaves behind, reports damage.
    pub fn run(self) -> Result<Recovered, Error> {
        self.disk.create_folder(&self.folder).map_err(|error| unusable(&self.folder, &error))?;
        let (lengths, indexes) = self.list()?;
        let topics = self.topics(&lengths)?;
        let mut found = Found {
            segments: Vec::new(),
            ends: vec![0; topics.slots()],
            next_sequence: 0,
            damage: Vec::new(),
            topics: Arc::new(topics),
        };
        let last = lengths.keys().chain(&indexes).max().copied().unwrap_or(0);
        let mut newest = None;
        for number in 1..=last {
            match lengths.get(&number) {
                None => found.damage.push(format!("segment {number} is missing")),
                Some(&length) if number < last => self.sealed(number, length, &mut found)?,
                Some(&length) => newest = Some(self.newest(number, length, &mut found)?),
            }
        }
        let torn = newest.as_ref().and_then(|newest| newest.scanned.torn.as_ref());
        let lost_to = self.check_floors(torn, &mut found)?;
        let writer = if found.damage.is_empty() {
            self.go_on(newest, &mut found).map_err(|error| {
                found.damage.push(format!("what a crash left cannot be mended: {error}"));
            })
        } else {
            found.segments.extend(newest.map(Newest::into_segment));
            Err(())
        };
        for damage in &found.damage {
            tracing::error!("the event log takes no more records: {damage}");
        }
        Ok(Recovered {
            writer: writer.map_err(|()| found.damage.swap_remove(0)),
            topics: found.topics,
            segments: found.segments,
            ends: found.ends,
            lost_to,
        })
    }

    /// The lengths of the segment files by number, and the numbers of the index files.
    fn list(&self) -> Result<(BTreeMap<u64, u64>, BTreeSet<u64>), Error> {
        let files = self.disk.list(&self.folder).map_err(|error| unusable(&self.folder, &error))?;
        let mut lengths = BTreeMap::new();
        let mut indexes = BTreeSet::new();
        for (name, length) in files {
            match FileKind::of(&name) {
                Some(FileKind::Segment(number)) => {
                    lengths.insert(number, length);
                }
                Some(FileKind::Index(number)) => {
                    indexes.insert(number);
                }
                None => {}
            }
        }
        Ok((lengths, indexes))
    }

    /// The topics by the newest header that can be read: each has all those before it.
    fn topics(&self, lengths: &BTreeMap<u64, u64>) -> Result<Topics, Error> {
        let partitions = self.settings.partitions;
        for (&number, &length) in lengths.iter().rev() {
            let path = self.path(number);
            let found = self
                .disk
                .open(&path)
                .and_then(|file| Header::read(&*file, length))
                .map_err(|error| unusable(&path, &error))?;
            match found {
                FoundHeader::Whole(header, _) if header.identity != self.identity => {
                    return Err(Error::Recreated(format!(
                        "{} belongs to the log {}, and the data folder is of the log {}",
                        path.display(),
                        header.identity,
                        self.identity
                    )));
                }
                FoundHeader::Whole(header, _) => return header.topics.completed(partitions),
                FoundHeader::Newer(version) => {
                    return Err(Error::Permanent(format!(
                        "{} has format {version}, and this build reads format {}",
                        path.display(),
                        segment::VERSION
                    )));
                }
                FoundHeader::Bad => {}
            }
        }
        Ok(Topics::with_partitions(partitions))
    }

    /// Takes a segment that was left for the next, by its index where that is whole.
    fn sealed(&self, number: u64, length: u64, found: &mut Found) -> Result<(), Error> {
        let index = IndexFile::open(&*self.disk, &self.folder, &found.topics, number, length);
        if let Some(index) = index
            && found.continues_at(&index.summary)
        {
            found.push(index.summary, None);
            return Ok(());
        }
        let (_, header, scanned) = self.scan(number, length, found)?;
        let Scanned { mut summary, entries, mut damage, torn, .. } = scanned;
        if matches!(header, FoundHeader::Bad) {
            damage.insert(0, bad_header(number));
        }
        damage.extend(torn);
        // What follows the last whole unit stays readable as a gap.
        summary.length = length;
        let entries = if damage.is_empty() {
            write_index(&*self.disk, &self.folder, &found.topics, &summary, entries)
        } else {
            Some(entries)
        };
        found.report(&damage);
        found.push(summary, entries);
        Ok(())
    }

    /// Looks through the segment that was written last.
    fn newest(&self, number: u64, length: u64, found: &mut Found) -> Result<Newest, Error> {
        let (file, header, scanned) = self.scan(number, length, found)?;
        found.report(&scanned.damage);
        found.ends.clone_from(&scanned.summary.ends);
        // A header is synced before the first unit is written: a bad one with bytes
        // behind it was whole once.
        let whole_header = self.header(number, &found.topics, 0).encode().len() as u64;
        if matches!(header, FoundHeader::Bad) && length > whole_header {
            found.report(&[bad_header(number)]);
        }
        Ok(Newest { number, file, header, length, scanned })
    }

    fn scan(
        &self,
        number: u64,
        length: u64,
        found: &mut Found,
    ) -> Result<(Box<dyn DiskFile>, FoundHeader, Scanned), Error> {
        let path = self.path(number);
        let read = || -> io::Result<_> {
            let file = self.disk.open(&path)?;
            let header = Header::read(&*file, length)?;
            let start = match &header {
                FoundHeader::Whole(_, start) => *start,
                FoundHeader::Newer(_) | FoundHeader::Bad => 0,
            };
            let (units, sequence) = (start..length, found.next_sequence);
            let scanned = scan::scan(&*file, number, units, &found.topics, &found.ends, sequence)?;
            Ok((file, header, scanned))
        };
        let (file, header, scanned) = read().map_err(|error| unusable(&path, &error))?;
        if let FoundHeader::Whole(header, _) = &header {
            let (begins, expected) = (header.first_sequence, found.next_sequence);
            if (header.number, begins) != (number, expected) {
                found.damage.push(format!(
                    "segment {number} begins as segment {} with unit {begins}, and unit \
                     {expected} is expected",
                    header.number
                ));
            }
        }
        Ok((file, header, scanned))
    }

    /// The log must have every floor: what is torn at its end is damage where it has not.
    fn check_floors(&self, torn: Option<&Damage>, found: &mut Found) -> Result<Vec<Offset>, Error> {
        let mut lost_to = vec![0; found.ends.len()];
        let mut lost = Vec::new();
        for (of, floor) in self.floors {
            let slot = found.topics.slot(*of).ok_or_else(|| {
                Error::Recreated(format!("offset {floor} of {of} was read, and there is no {of}"))
            })?;
            let end = found.ends[slot];
            if *floor >= end {
                lost_to[slot] = floor + 1;
                lost.push((slot, end..floor + 1));
            }
        }
        lost.sort_unstable_by_key(|(slot, _)| *slot);
        if !lost.is_empty() {
            if let Some(torn) = torn {
                found.report(std::slice::from_ref(torn));
            }
            let lost = Lost(&lost, &found.topics);
            found.damage.push(format!("the log has lost its end; lost: {lost}"));
        }
        Ok(lost_to)
    }

    /// Goes on with a log that is not damaged, without what a crash left at its end.
    fn go_on(&self, newest: Option<Newest>, found: &mut Found) -> io::Result<Writer> {
        let (number, file, header) = match newest {
            Some(Newest {
                header: FoundHeader::Whole(header, _),
                number,
                file,
                length,
                scanned,
            }) => {
                let settled = settle(&*file, length, &scanned);
                found.push(scanned.summary, Some(scanned.entries));
                settled?;
                (number, file, header)
            }
            // The crash came while the segment was being made.
            Some(newest) => self.begin(newest.number, Some(newest.file), found)?,
            None => self.begin(1, None, found)?,
        };
        Ok(Writer {
            disk: Arc::clone(&self.disk),
            folder: self.folder.clone(),
            identity: self.identity.clone(),
            segment_size: self.settings.segment_size.as_u64(),
            file,
            number,
            length: found.segments.last().map_or(0, |newest| newest.summary.length),
            first_sequence: header.first_sequence,
            complete: header.topics == *found.topics,
            next_sequence: found.next_sequence,
            ends: found.ends.clone(),
        })
    }

    /// Makes a segment without units, in the place of a file that is none yet.
    fn begin(
        &self,
        number: u64,
        file: Option<Box<dyn DiskFile>>,
        found: &mut Found,
    ) -> io::Result<(u64, Box<dyn DiskFile>, Header)> {
        let sequence = found.next_sequence;
        let header = self.header(number, &found.topics, sequence);
        let bytes = header.encode();
        let file = match file {
            Some(file) => {
                file.truncate(0)?;
                file
            }
            None => self.disk.create(&self.path(number))?,
        };
        file.write_at(&bytes, 0)?;
        file.sync()?;
        self.disk.sync_folder(&self.folder)?;
        let summary = Summary {
            number,
            length: bytes.len() as u64,
            sequences: sequence..sequence,
            begins: found.ends.clone(),
            ends: found.ends.clone(),
        };
        found.push(summary, Some(Entries::default()));
        Ok((number, file, header))
    }

    fn header(&self, number: u64, topics: &Topics, first_sequence: u64) -> Header {
        Header { number, first_sequence, identity: self.identity.clone(), topics: topics.clone() }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(segment::file_name(number))
    }
}

impl Found {
    /// Whether a segment begins where the one before it ended.
    fn continues_at(&self, next: &Summary) -> bool {
        self.next_sequence == next.sequences.start && self.ends == next.begins
    }

    fn push(&mut self, summary: Summary, entries: Option<Entries>) {
        self.next_sequence = summary.sequences.end;
        self.ends.clone_from(&summary.ends);
        self.segments.push(Segment { summary, entries });
    }

    fn report(&mut self, damage: &[Damage]) {
        let described = damage.iter().map(|damage| damage.describe(&self.topics));
        self.damage.extend(described);
    }
}

/// Makes the segment end with its last whole unit, durably. That unit may have been
/// written and never synced, or a sync of it may have failed, after which a system may
/// hold its pages for clean: so it is written again before anyone sees it.
fn settle(file: &dyn DiskFile, length: u64, scanned: &Scanned) -> io::Result<()> {
    let whole = scanned.summary.length;
    if let Some(torn) = &scanned.torn {
        tracing::warn!(
            segment = torn.segment,
            at = whole,
            bytes = length - whole,
            "the last write was not whole, and is cut: {}",
            torn.why
        );
        file.truncate(whole)?;
    }
    let mut last_unit = vec![0; (whole - scanned.last_at) as usize];
    file.read_at(&mut last_unit, scanned.last_at)?;
    file.write_at(&last_unit, scanned.last_at)?;
    file.sync()
}

fn bad_header(number: u64) -> Damage {
    Damage {
        segment: number,
        at: 0,
        why: "the checksum of its header differs".to_owned(),
        lost: Vec::new(),
    }
}

fn unusable(path: &Path, error: &io::Error) -> Error {
    Error::Permanent(format!("cannot use {}: {error}", path.display()))
}
