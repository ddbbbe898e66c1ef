//! The format of one write: what is written and synced at once.
//!
//! Little-endian. A header: magic 8 bytes, version u16, shares u16, length of the
//! records u32, sequence u64, CRC-32C u32 of the header before it and of the
//! directory. The directory, a share per partition: topic u16, partition u16, records
//! u32, first offset i64, length u32, CRC-32C u32 of its records. Then the records,
//! share by share.
//!
//! A checksum per share lets a reader keep what is whole of a damaged unit, and say
//! exactly what is lost.

use bytes::{Buf, BufMut, Bytes};
use hubbub_events::Offset;

use super::topics::{Slot, Topics};

/// Not UTF-8, so that no text a client sends can hold it.
const MAGIC: [u8; 8] = *b"\xFFhubunit";
const VERSION: u16 = 1;
const HEADER: usize = 28;
const CHECKED: usize = 24;
const ENTRY: usize = 24;

/// A partition's records of one unit.
#[derive(Debug, Clone)]
pub(super) struct Share {
    /// The partition.
    pub slot: Slot,
    /// Where its unit begins in the segment.
    pub at: u64,
    /// The offset of its first record.
    pub first: Offset,
    /// How many records it has.
    pub count: u32,
    /// The records; none where they are damaged.
    pub records: Option<Bytes>,
}

impl Share {
    /// The offset after its last record.
    pub fn end(&self) -> Offset {
        self.first.saturating_add(i64::from(self.count))
    }
}

/// A unit whose directory is whole.
#[derive(Debug)]
pub(super) struct Unit {
    /// Where it begins in the segment.
    pub at: u64,
    /// Its number in the log.
    pub sequence: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Whether all of its shares are.
    pub whole: bool,
    /// The shares of the partitions that this log has.
    pub shares: Vec<Share>,
}

/// What bytes turned out to be.
#[derive(Debug)]
pub(super) enum Parsed {
    /// A unit; its length says where the next begins.
    Unit(Unit),
    /// The beginning of a unit: this many bytes are needed to go on.
    Short(usize),
    /// No unit.
    Bad(String),
}

/// Reads the unit that the bytes begin with, and that lies at `at` in its segment.
pub(super) fn parse(bytes: &Bytes, at: u64, topics: &Topics) -> Parsed {
    if bytes.len() < HEADER {
        return Parsed::Short(HEADER);
    }
    let mut header = bytes.slice(MAGIC.len()..HEADER);
    if bytes[..MAGIC.len()] != MAGIC {
        return Parsed::Bad("no unit begins here".to_owned());
    }
    let version = header.get_u16_le();
    let entries = usize::from(header.get_u16_le());
    let records_length = header.get_u32_le() as usize;
    let sequence = header.get_u64_le();
    let checksum = header.get_u32_le();
    let records_at = HEADER + entries * ENTRY;
    if bytes.len() < records_at {
        return Parsed::Short(records_at);
    }
    let found =
        crc32c::crc32c_append(crc32c::crc32c(&bytes[..CHECKED]), &bytes[HEADER..records_at]);
    if found != checksum {
        return Parsed::Bad("the checksum of its header and directory differs".to_owned());
    }
    if version != VERSION {
        return Parsed::Bad(format!("its format is {version}, and this build reads {VERSION}"));
    }
    let end = records_at + records_length;
    if bytes.len() < end {
        return Parsed::Short(end);
    }
    let mut unit =
        Unit { at, sequence, length: end as u64, whole: true, shares: Vec::with_capacity(entries) };
    let mut directory = bytes.slice(HEADER..records_at);
    let mut rest = bytes.slice(records_at..end);
    while directory.has_remaining() {
        let (topic, partition) = (directory.get_u16_le(), directory.get_u16_le());
        let count = directory.get_u32_le();
        let first = directory.get_i64_le();
        let length = directory.get_u32_le() as usize;
        let checksum = directory.get_u32_le();
        if length > rest.len() {
            return Parsed::Bad("its directory says more than it holds".to_owned());
        }
        let records = rest.split_to(length);
        let whole = crc32c::crc32c(&records) == checksum;
        unit.whole &= whole;
        if let Some(slot) = topics.slot_of(topic, partition) {
            unit.shares.push(Share { slot, at, first, count, records: whole.then_some(records) });
        }
    }
    Parsed::Unit(unit)
}

/// Where the next bytes that may begin a unit are, from `from` on. A place among the
/// last bytes may be none that more bytes would deny.
pub(super) fn find(bytes: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len()).find(|&at| {
        let length = MAGIC.len().min(bytes.len() - at);
        bytes[at] == MAGIC[0] && bytes[at..at + length] == MAGIC[..length]
    })
}

/// A share that is about to be written: the bytes of its records, in pieces.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    /// The partition.
    pub slot: Slot,
    /// The offset of its first record.
    pub first: Offset,
    /// The records, encoded, in order.
    pub records: &'a [&'a [u8]],
}

impl Draft<'_> {
    fn length(&self) -> usize {
        self.records.iter().map(|record| record.len()).sum()
    }
}

/// How many bytes a unit of these shares takes.
pub(super) fn encoded_len(drafts: &[Draft<'_>]) -> u64 {
    let records: usize = drafts.iter().map(Draft::length).sum();
    (HEADER + drafts.len() * ENTRY + records) as u64
}

/// The bytes of a unit, and its shares as slices of them.
pub(super) fn encode(
    sequence: u64,
    at: u64,
    drafts: &[Draft<'_>],
    topics: &Topics,
) -> (Bytes, Vec<Share>) {
    let records_length: usize = drafts.iter().map(Draft::length).sum();
    let records_at = HEADER + drafts.len() * ENTRY;
    let mut bytes = Vec::with_capacity(records_at + records_length);
    bytes.put_slice(&MAGIC);
    bytes.put_u16_le(VERSION);
    bytes.put_u16_le(drafts.len() as u16);
    bytes.put_u32_le(records_length as u32);
    bytes.put_u64_le(sequence);
    bytes.resize(records_at, 0);
    for (index, draft) in drafts.iter().enumerate() {
        let begin = bytes.len();
        for record in draft.records {
            bytes.put_slice(record);
        }
        let checksum = crc32c::crc32c(&bytes[begin..]);
        let length = bytes.len() - begin;
        let (topic, partition) = topics.numbers(draft.slot);
        let mut entry = &mut bytes[HEADER + index * ENTRY..][..ENTRY];
        entry.put_u16_le(topic);
        entry.put_u16_le(partition);
        entry.put_u32_le(draft.records.len() as u32);
        entry.put_i64_le(draft.first);
        entry.put_u32_le(length as u32);
        entry.put_u32_le(checksum);
    }
    let checksum =
        crc32c::crc32c_append(crc32c::crc32c(&bytes[..CHECKED]), &bytes[HEADER..records_at]);
    bytes[CHECKED..HEADER].copy_from_slice(&checksum.to_le_bytes());

    let bytes = Bytes::from(bytes);
    let mut begin = records_at;
    let shares = drafts
        .iter()
        .map(|draft| {
            let end = begin + draft.length();
            let records = bytes.slice(begin..end);
            begin = end;
            Share {
                slot: draft.slot,
                at,
                first: draft.first,
                count: draft.records.len() as u32,
                records: Some(records),
            }
        })
        .collect();
    (bytes, shares)
}
