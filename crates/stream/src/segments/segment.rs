//! A segment file: its name, its header, and the units in it.

use std::io;

use bytes::{Buf, BufMut, Bytes};

use super::disk::DiskFile;
use super::topics::Topics;
use super::unit::{self, Parsed, Share, Unit};

const MAGIC: [u8; 8] = *b"\xFFhubsegm";
pub(super) const VERSION: u32 = 1;
const CHECKSUM: usize = 4;
/// No header is longer: what a damaged length may make a reader allocate.
const HEADER_LIMIT: u64 = 64 * 1024;

/// How much of a segment is read at once, unless a single unit is longer.
const WINDOW: u64 = 1024 * 1024;

/// The name of a segment's file.
pub(super) fn file_name(number: u64) -> String {
    format!("{number:020}.log")
}

/// The name of the file with a segment's index.
pub(super) fn index_name(number: u64) -> String {
    format!("{number:020}.index")
}

/// What the files of a log's folder are; none for a file of someone else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    /// The segment of this number.
    Segment(u64),
    /// The index of the segment of this number.
    Index(u64),
}

impl FileKind {
    pub fn of(name: &str) -> Option<Self> {
        let (number, extension) = name.split_once('.')?;
        let number = number.parse().ok().filter(|_| number.len() == 20)?;
        match extension {
            "log" => Some(Self::Segment(number)),
            "index" => Some(Self::Index(number)),
            _ => None,
        }
    }
}

/// What a segment says of itself.
///
/// Little-endian: magic 8 bytes, version u32, length of the header u32, number u64,
/// sequence of its first unit u64, identity as length u16 and text, number of topics
/// u16, per topic partitions u16 and name as length u16 and text; CRC-32C u32 of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub number: u64,
    pub first_sequence: u64,
    pub identity: String,
    pub topics: Topics,
}

/// What stands where a header is expected.
#[derive(Debug)]
pub(super) enum FoundHeader {
    /// A header, and where the units begin.
    Whole(Header, u64),
    /// A header of a format that this build cannot read.
    Newer(u32),
    /// None.
    Bad,
}

impl Header {
    pub fn encode(&self) -> Vec<u8> {
        let put_text = |text: &str, into: &mut Vec<u8>| {
            into.put_u16_le(text.len() as u16);
            into.put_slice(text.as_bytes());
        };
        let mut rest = Vec::new();
        rest.put_u64_le(self.number);
        rest.put_u64_le(self.first_sequence);
        put_text(&self.identity, &mut rest);
        rest.put_u16_le(self.topics.iter().len() as u16);
        for (name, partitions) in self.topics.iter() {
            rest.put_u16_le(partitions);
            put_text(name, &mut rest);
        }
        let mut bytes = Vec::new();
        bytes.put_slice(&MAGIC);
        bytes.put_u32_le(VERSION);
        bytes.put_u32_le((MAGIC.len() + 8 + rest.len() + CHECKSUM) as u32);
        bytes.put_slice(&rest);
        bytes.put_u32_le(crc32c::crc32c(&bytes));
        bytes
    }

    pub fn read(file: &dyn DiskFile, length: u64) -> io::Result<FoundHeader> {
        let mut fixed = [0; 16];
        if length < fixed.len() as u64 {
            return Ok(FoundHeader::Bad);
        }
        file.read_at(&mut fixed, 0)?;
        let header_length = u64::from((&fixed[12..]).get_u32_le());
        let plausible = fixed.len() as u64 + CHECKSUM as u64..=length.min(HEADER_LIMIT);
        if fixed[..8] != MAGIC || !plausible.contains(&header_length) {
            return Ok(FoundHeader::Bad);
        }
        let mut bytes = vec![0; header_length as usize];
        file.read_at(&mut bytes, 0)?;
        let (checked, checksum) = bytes.split_at(bytes.len() - CHECKSUM);
        if crc32c::crc32c(checked).to_le_bytes() != checksum {
            return Ok(FoundHeader::Bad);
        }
        let version = (&fixed[8..]).get_u32_le();
        if version != VERSION {
            return Ok(FoundHeader::Newer(version));
        }
        Ok(match Self::decode(&checked[16..]) {
            Some(header) => FoundHeader::Whole(header, header_length),
            None => FoundHeader::Bad,
        })
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        fn text(bytes: &mut &[u8]) -> Option<String> {
            let length = usize::from(bytes.try_get_u16_le().ok()?);
            let text = std::str::from_utf8(bytes.get(..length)?).ok()?.to_owned();
            bytes.advance(length);
            Some(text)
        }
        let number = bytes.try_get_u64_le().ok()?;
        let first_sequence = bytes.try_get_u64_le().ok()?;
        let identity = text(&mut bytes)?;
        let count = bytes.try_get_u16_le().ok()?;
        let mut topics = Vec::new();
        for _ in 0..count {
            let partitions = bytes.try_get_u16_le().ok()?;
            topics.push((text(&mut bytes)?, partitions));
        }
        Some(Self { number, first_sequence, identity, topics: Topics::new(topics) })
    }
}

/// A stretch of a segment: whole units, or a place where no unit can be read.
#[derive(Debug)]
pub(super) struct Window {
    /// Where it begins.
    pub start: u64,
    /// Where the next begins.
    pub end: u64,
    /// What lies between, in order.
    pub content: Content,
}

/// What a window turned out to hold.
#[derive(Debug)]
pub(super) enum Content {
    /// Units with whole directories.
    Units(Vec<Unit>),
    /// Bytes that are none, and why.
    Gap(String),
}

impl Window {
    /// Reads the window that begins at `start`, of the bytes before `limit`.
    pub fn read(file: &dyn DiskFile, start: u64, limit: u64, topics: &Topics) -> io::Result<Self> {
        let mut wanted = WINDOW.min(limit - start);
        let gap = loop {
            let bytes = read(file, start, wanted)?;
            let (units, read_to, then) = parse_all(&bytes, start, topics);
            if !units.is_empty() {
                return Ok(Self {
                    start,
                    end: start + read_to as u64,
                    content: Content::Units(units),
                });
            }
            match then {
                Parsed::Short(needed) if start + needed as u64 <= limit => wanted = needed as u64,
                Parsed::Bad(why) => break why,
                Parsed::Short(_) | Parsed::Unit(_) => {
                    break "the file ends inside this unit".to_owned();
                }
            }
        };
        Ok(Self {
            start,
            end: next_unit(file, start + 1, limit, topics)?.unwrap_or(limit),
            content: Content::Gap(gap),
        })
    }

    /// The shares of its units, in order.
    pub fn shares(&self) -> impl Iterator<Item = &Share> {
        let units = match &self.content {
            Content::Units(units) => units.as_slice(),
            Content::Gap(_) => &[],
        };
        units.iter().flat_map(|unit| &unit.shares)
    }
}

fn read(file: &dyn DiskFile, start: u64, length: u64) -> io::Result<Bytes> {
    let mut bytes = vec![0; length as usize];
    file.read_at(&mut bytes, start)?;
    Ok(bytes.into())
}

/// The units that the bytes begin with, where they end, and what follows them.
fn parse_all(bytes: &Bytes, start: u64, topics: &Topics) -> (Vec<Unit>, usize, Parsed) {
    let mut units = Vec::new();
    let mut at = 0;
    loop {
        match unit::parse(&bytes.slice(at..), start + at as u64, topics) {
            Parsed::Unit(unit) => {
                at += unit.length as usize;
                units.push(unit);
            }
            other => return (units, at, other),
        }
    }
}

/// Where the next unit with a whole directory begins, from `from` on.
fn next_unit(
    file: &dyn DiskFile,
    mut from: u64,
    limit: u64,
    topics: &Topics,
) -> io::Result<Option<u64>> {
    while from < limit {
        let bytes = read(file, from, WINDOW.min(limit - from))?;
        match unit::find(&bytes, 0) {
            None => from += bytes.len() as u64,
            Some(at) => {
                from += at as u64;
                if is_unit(file, from, limit, topics)? {
                    return Ok(Some(from));
                }
                from += 1;
            }
        }
    }
    Ok(None)
}

fn is_unit(file: &dyn DiskFile, at: u64, limit: u64, topics: &Topics) -> io::Result<bool> {
    let mut wanted = 0;
    loop {
        match unit::parse(&read(file, at, wanted)?, at, topics) {
            Parsed::Unit(_) => return Ok(true),
            Parsed::Short(needed) if at + needed as u64 <= limit => wanted = needed as u64,
            Parsed::Short(_) | Parsed::Bad(_) => return Ok(false),
        }
    }
}
