//! The thread that writes: it gathers what waits, writes it once, syncs once, and
//! then tells all.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use hubbub_events::Offset;

use super::disk::{Disk, DiskFile};
use super::queue::{Piece, Queue};
use super::reader::Reader;
use super::room::Room;
use super::segment::{self, Header};
use super::unit::{self, Draft};
use crate::AppendError;

/// Up to what size pieces are gathered for one write, in bytes.
const GATHERED: usize = 4 * 1024 * 1024;

/// Where the next unit goes.
pub(super) struct Writer {
    pub disk: Arc<dyn Disk>,
    pub folder: PathBuf,
    pub identity: String,
    /// From what length on a segment is left for the next.
    pub segment_size: u64,
    /// The newest segment.
    pub file: Box<dyn DiskFile>,
    pub number: u64,
    pub length: u64,
    pub first_sequence: u64,
    /// Whether the newest segment's header has all topics, so that it can take units.
    pub complete: bool,
    pub next_sequence: u64,
    /// Per slot, the next offset.
    pub ends: Vec<Offset>,
}

/// What a write that did not succeed left behind.
enum WriteError {
    /// Nothing, and there is room for the next as soon as the disk has some.
    NoRoom(String),
    /// Nothing: the records are not in the log.
    NotStored(String),
    /// The records may be in the log.
    Unknown(String),
}

/// Writes until the queue is closed and empty, or a write fails for more than lack of room.
pub(super) fn run(mut writer: Writer, room: &Room, queue: &Queue, reader: &Reader) {
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let gathered = GATHERED.min(writer.segment_size as usize);
        while let Some(pieces) = queue.take(gathered) {
            if let Err(why) = commit(&mut writer, pieces, room, queue, reader) {
                return tracing::error!("no more records are taken until a restart: {why}");
            }
        }
    }));
    if ended.is_err() {
        tracing::error!("no more records are taken until a restart: the log's writer panicked");
        queue.fail(&AppendError::Storage("its writer panicked".to_owned()));
    }
    queue.finish();
}

/// Writes pieces as one unit, and answers them. `Err` is why the queue had to be stopped.
fn commit(
    writer: &mut Writer,
    pieces: Vec<Piece>,
    room: &Room,
    queue: &Queue,
    reader: &Reader,
) -> Result<(), String> {
    let weight = pieces.iter().map(Piece::weight).sum();
    let records: usize = pieces.iter().map(|piece| piece.records.len()).sum();
    let written = write(writer, &pieces, room, reader);
    queue.release(weight);
    match written {
        Ok(offsets) => {
            metrics::histogram!("hubbub_append_batch_records").record(records as f64);
            for (piece, offsets) in pieces.into_iter().zip(offsets) {
                piece.answer(Ok(offsets));
            }
            Ok(())
        }
        Err(error) => {
            let (fate, stopped) = match error {
                WriteError::NoRoom(why) => (AppendError::NoRoom(why), None),
                WriteError::NotStored(why) => (AppendError::Storage(why.clone()), Some(why)),
                WriteError::Unknown(why) => (AppendError::Unknown(why.clone()), Some(why)),
            };
            // Whoever hears of the failure must find the log stopped.
            if let Some(why) = &stopped {
                queue.fail(&AppendError::Storage(why.clone()));
            }
            for piece in pieces {
                piece.answer(Err(fate.clone()));
            }
            stopped.map_or(Ok(()), Err)
        }
    }
}

/// Writes and syncs pieces as one unit and shows it; answers their offsets.
fn write(
    writer: &mut Writer,
    pieces: &[Piece],
    room: &Room,
    reader: &Reader,
) -> Result<Vec<Vec<Offset>>, WriteError> {
    let mut slots: Vec<Vec<&[u8]>> = vec![Vec::new(); writer.ends.len()];
    let offsets = pieces
        .iter()
        .map(|piece| {
            let mut rest = piece.bytes.as_slice();
            piece
                .records
                .iter()
                .map(|(slot, length)| {
                    let (record, after) = rest.split_at(*length);
                    rest = after;
                    let records = &mut slots[*slot];
                    records.push(record);
                    writer.ends[*slot] + records.len() as i64 - 1
                })
                .collect()
        })
        .collect();
    let drafts: Vec<_> = slots
        .iter()
        .enumerate()
        .filter(|(_, records)| !records.is_empty())
        .map(|(slot, records)| Draft { slot, first: writer.ends[slot], records })
        .collect();
    let length = unit::encoded_len(&drafts);
    room.check(length).map_err(WriteError::NoRoom)?;
    writer
        .begin_segment_for(length, reader)
        .map_err(|why| WriteError::NotStored(format!("beginning a segment failed: {why}")))?;
    let sequence = writer.next_sequence;
    let (bytes, shares) = unit::encode(sequence, writer.length, &drafts, reader.topics());
    writer.append(&bytes)?;
    for share in &shares {
        writer.ends[share.slot] = share.end();
    }
    reader.committed(sequence, writer.length, shares);
    Ok(offsets)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Writer {
    /// Leaves the segment for the next where a unit of this length has no room in it.
    fn begin_segment_for(&mut self, length: u64, reader: &Reader) -> io::Result<()> {
        let empty = self.next_sequence == self.first_sequence;
        if self.complete && (empty || self.length + length <= self.segment_size) {
            return Ok(());
        }
        let next = self.number + 1;
        let header = Header {
            number: next,
            first_sequence: self.next_sequence,
            identity: self.identity.clone(),
            topics: reader.topics().clone(),
        };
        let bytes = header.encode();
        self.file = self.disk.create(&self.folder.join(segment::file_name(next)))?;
        self.file.write_at(&bytes, 0)?;
        self.file.sync()?;
        self.disk.sync_folder(&self.folder)?;
        self.number = next;
        self.length = bytes.len() as u64;
        self.first_sequence = self.next_sequence;
        self.complete = true;
        reader.catalog().leave(next, self.length);
        Ok(())
    }

    /// Writes a unit at the end of the segment and syncs it.
    fn append(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        let (number, length) = (self.number, self.length);
        let described = |did: &str, error: &io::Error| {
            format!("{did} segment {number} at byte {length} failed: {error}")
        };
        if let Err(error) = self.file.write_at(bytes, length) {
            let why = described("writing", &error);
            // Cut off, the bytes that did get there can never become a unit.
            let cut = self.file.truncate(length).and_then(|()| self.file.sync());
            return Err(match cut {
                Ok(()) if is_full(&error) => WriteError::NoRoom(why),
                Ok(()) => WriteError::NotStored(why),
                Err(error) => WriteError::Unknown(format!("{why}; so did cutting it: {error}")),
            });
        }
        if let Err(error) = self.file.sync() {
            return Err(WriteError::Unknown(described("syncing", &error)));
        }
        self.length += bytes.len() as u64;
        self.next_sequence += 1;
        Ok(())
    }
}
