//! Where in a segment the offsets of a partition lie: sparse in memory, and kept in a
//! file beside each segment that is left for the next.
//!
//! The file, little-endian: magic 8 bytes, version u32, number of slots u32, number of
//! the segment u64, its length u64, the sequences of its first unit and of the one
//! after its last u64; per partition topic u16, partition u16, entries u32, first
//! offset i64, offset after the last i64; CRC-32C u32 of all that. Then the entries of
//! each partition, offset i64 and place u32, and their CRC-32C u32.

use std::io;
use std::ops::Range;
use std::path::Path;

use bytes::{Buf, BufMut};
use hubbub_events::Offset;

use super::disk::{Disk, DiskFile};
use super::segment;
use super::topics::{Slot, Topics};

const MAGIC: [u8; 8] = *b"\xFFhubindx";
const VERSION: u32 = 1;
const FIXED: usize = 48;
const ROW: usize = 24;
const ENTRY: usize = 12;
const CHECKSUM: usize = 4;

/// How far into a segment a partition's next entry is from its last.
const SPACING: u32 = 64 * 1024;

/// What is known of a segment without looking into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    /// The segment's number.
    pub number: u64,
    /// Its length in bytes, as far as it may be read.
    pub length: u64,
    /// The sequences of its units.
    pub sequences: Range<u64>,
    /// Per slot, the next offset when it began.
    pub begins: Vec<Offset>,
    /// Per slot, the next offset at its end.
    pub ends: Vec<Offset>,
}

/// Per slot, offsets and the places of the units that hold them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entries {
    slots: Vec<Vec<(Offset, u32)>>,
}

impl Entries {
    /// Notes that a unit at a place begins with this offset of a slot, unless the last
    /// entry is near.
    pub fn note(&mut self, slot: Slot, first: Offset, at: u64) {
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, Vec::new);
        }
        let entries = &mut self.slots[slot];
        // A segment is at most 1 GiB and a write longer than its last.
        let at = at as u32;
        if entries.last().is_none_or(|(_, last)| at - last >= SPACING) {
            entries.push((first, at));
        }
    }

    /// Where to begin to look for an offset; none where it lies before the first.
    pub fn find(&self, slot: Slot, offset: Offset) -> Option<u64> {
        let entries = self.slots.get(slot)?;
        let after = entries.partition_point(|(first, _)| *first <= offset);
        let (_, at) = entries.get(after.checked_sub(1)?)?;
        Some(u64::from(*at))
    }

    /// What it weighs in memory, in bytes.
    pub fn weight(&self) -> usize {
        self.slots.iter().map(|entries| 24 + entries.len() * 16).sum()
    }

    fn of(&self, slot: Slot) -> &[(Offset, u32)] {
        self.slots.get(slot).map_or(&[], Vec::as_slice)
    }
}

/// Writes the file of an index. It is not synced: a file that is not whole is seen by
/// its checksums, and made again from the segment.
pub(super) fn write(
    disk: &dyn Disk,
    folder: &Path,
    topics: &Topics,
    summary: &Summary,
    entries: &Entries,
) -> io::Result<()> {
    let path = folder.join(segment::index_name(summary.number));
    let file = match disk.create(&path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let file = disk.open(&path)?;
            file.truncate(0)?;
            file
        }
        created => created?,
    };
    file.write_at(&encode(topics, summary, entries), 0)
}

fn encode(topics: &Topics, summary: &Summary, entries: &Entries) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_slice(&MAGIC);
    bytes.put_u32_le(VERSION);
    bytes.put_u32_le(summary.ends.len() as u32);
    bytes.put_u64_le(summary.number);
    bytes.put_u64_le(summary.length);
    bytes.put_u64_le(summary.sequences.start);
    bytes.put_u64_le(summary.sequences.end);
    for (slot, (begin, end)) in summary.begins.iter().zip(&summary.ends).enumerate() {
        let (topic, partition) = topics.numbers(slot);
        bytes.put_u16_le(topic);
        bytes.put_u16_le(partition);
        bytes.put_u32_le(entries.of(slot).len() as u32);
        bytes.put_i64_le(*begin);
        bytes.put_i64_le(*end);
    }
    bytes.put_u32_le(crc32c::crc32c(&bytes));
    let entries_at = bytes.len();
    for slot in 0..summary.ends.len() {
        for (offset, at) in entries.of(slot) {
            bytes.put_i64_le(*offset);
            bytes.put_u32_le(*at);
        }
    }
    bytes.put_u32_le(crc32c::crc32c(&bytes[entries_at..]));
    bytes
}

/// The file of an index, opened; its summary is whole.
pub(super) struct IndexFile {
    file: Box<dyn DiskFile>,
    /// Per row of the file, its slot and number of entries.
    rows: Vec<(Slot, usize)>,
    entries_at: u64,
    /// What it says of its segment.
    pub summary: Summary,
}

impl IndexFile {
    /// Opens the index of a segment; none where it is missing, not whole, or of
    /// something else than `length` bytes of that segment.
    pub fn open(
        disk: &dyn Disk,
        folder: &Path,
        topics: &Topics,
        number: u64,
        length: u64,
    ) -> Option<Self> {
        let file = disk.open(&folder.join(segment::index_name(number))).ok()?;
        let file_length = file.length().ok()?;
        let mut fixed = [0; FIXED];
        file.read_at(&mut fixed, 0).ok()?;
        let mut head = fixed.get(MAGIC.len()..)?;
        if fixed[..MAGIC.len()] != MAGIC || head.get_u32_le() != VERSION {
            return None;
        }
        let count = head.get_u32_le() as usize;
        if (head.get_u64_le(), head.get_u64_le()) != (number, length) || count > topics.slots() {
            return None;
        }
        let sequences = head.get_u64_le()..head.get_u64_le();
        let mut bytes = vec![0; FIXED + count * ROW + CHECKSUM];
        file.read_at(&mut bytes, 0).ok()?;
        let (checked, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        if crc32c::crc32c(checked).to_le_bytes() != checksum {
            return None;
        }
        // A slot without a row is of a topic that came later.
        let mut begins = vec![0; topics.slots()];
        let mut ends = begins.clone();
        let mut rows = Vec::with_capacity(count);
        let mut rest = &checked[FIXED..];
        while rest.has_remaining() {
            let slot = topics.slot_of(rest.get_u16_le(), rest.get_u16_le())?;
            rows.push((slot, rest.get_u32_le() as usize));
            begins[slot] = rest.get_i64_le();
            ends[slot] = rest.get_i64_le();
        }
        let entries_at = bytes.len() as u64;
        let entries: usize = rows.iter().map(|(_, entries)| entries * ENTRY).sum();
        if entries_at + (entries + CHECKSUM) as u64 != file_length {
            return None;
        }
        Some(Self {
            file,
            rows,
            entries_at,
            summary: Summary { number, length, sequences, begins, ends },
        })
    }

    /// Its entries; none where they are not whole.
    pub fn entries(&self) -> Option<Entries> {
        let count: usize = self.rows.iter().map(|(_, entries)| entries).sum();
        let mut bytes = vec![0; count * ENTRY + CHECKSUM];
        self.file.read_at(&mut bytes, self.entries_at).ok()?;
        let (checked, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        if crc32c::crc32c(checked).to_le_bytes() != checksum {
            return None;
        }
        let mut rest = checked;
        let mut slots = vec![Vec::new(); self.summary.ends.len()];
        for (slot, count) in &self.rows {
            slots[*slot] = (0..*count).map(|_| (rest.get_i64_le(), rest.get_u32_le())).collect();
        }
        Some(Entries { slots })
    }
}
