//! What an entry is called, and how it is written.
//!
//! A key is readable, for whoever looks with redis-cli, and bounded. Its hash tag is the
//! partition's key, so that in a cluster all entries of one post have the same slot.
//!
//! A value is a header of digits, then the snapshot in postcard. The header is the form's
//! version, the rank (position, then as of), and a checksum over the key and all else.

use std::marker::PhantomData;

use hubbub_events::{LogIdentity, Offset, Stamp};
use hubbub_tables::{Build, Key, Part, Table, TableShape};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::{
    Error,
    cache::{Cached, Snapshot},
};

pub(super) const FORM: &str = "1";
/// Of one number; those of a rank sort as the numbers do.
const DIGITS: usize = 19;
/// The length of what entries are compared by.
pub(super) const RANK: usize = FORM.len() + 2 * DIGITS;
/// The length of the header.
pub(super) const HEADER: usize = RANK + 8;

/// The longest partition key that a key shows as it is.
const LONGEST: usize = 200;
/// What a partition key is shown with: above all no brace, which would end the hash tag.
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b':').remove(b'~');

/// The keys of one table's entries.
pub(super) struct Keys<T> {
    before: String,
    after: String,
    table: PhantomData<fn() -> T>,
}

impl<T: Table> Keys<T> {
    /// Entries of another log, build or set of columns have other keys: nobody who knows
    /// one of these reads what belongs to another.
    pub(super) fn new(prefix: &str, log: &LogIdentity, build: Build) -> Result<Self, Error> {
        let shape = TableShape::of::<T>().map_err(|error| Error::Permanent(error.to_string()))?;
        let shape = crc32c::crc32c(format!("{shape:?}").as_bytes());
        Ok(Self {
            before: format!("{prefix}{}:{{", digest(&log.0, 8)),
            after: format!("}}:{}.{build}.{shape:08x}", T::NAME),
            table: PhantomData,
        })
    }

    pub(super) fn of(&self, partition: &T::Partition) -> String {
        let mut tag = String::new();
        for part in partition.parts() {
            if !tag.is_empty() {
                tag.push('/');
            }
            match part {
                Part::Text(text) => tag.extend(utf8_percent_encode(&text, ESCAPED)),
                Part::Int(number) => tag.push_str(&number.to_string()),
                Part::BigInt(number) => tag.push_str(&number.to_string()),
                Part::Timestamp(time) => tag.push_str(&time.0.to_string()),
            }
        }
        if tag.len() > LONGEST {
            tag = format!("#{}", digest(&tag, 16));
        }
        format!("{}{tag}{}", self.before, self.after)
    }
}

/// The first bytes of the SHA-256, in hexadecimal.
fn digest(text: &str, bytes: usize) -> String {
    Sha256::digest(text).iter().take(bytes).map(|byte| format!("{byte:02x}")).collect()
}

/// The value of an entry; `None` where it cannot be written.
pub(super) fn seal<T: Table>(
    key: &str,
    stamp: Stamp,
    as_of: Offset,
    head: &T::Head,
    row: Option<&T::Row>,
) -> Option<Vec<u8>> {
    // As of −1, nothing is known, is written as 0.
    let rank = format!("{FORM}{:0DIGITS$}{:0DIGITS$}", stamp.0, as_of.checked_add(1)?);
    let mut value = Vec::with_capacity(HEADER + 256);
    value.extend_from_slice(rank.as_bytes());
    value.extend_from_slice(&[b'0'; HEADER - RANK]);
    let mut value = postcard::to_extend(&(head, row), value).ok()?;
    let checksum = checksum(key, &rank, &value[HEADER..]);
    value[RANK..HEADER].copy_from_slice(checksum.as_bytes());
    Some(value)
}

/// What an entry says; `None` where the value is not whole, or is that of another key.
pub(super) fn open<T: Table>(key: &str, value: &[u8]) -> Option<Cached<Snapshot<T>>> {
    let header = std::str::from_utf8(value.get(..HEADER)?).ok()?;
    let payload = &value[HEADER..];
    let (rank, sum) = header.split_at_checked(RANK)?;
    if sum != checksum(key, rank, payload) {
        return None;
    }
    let (stamp, as_of) = rank.strip_prefix(FORM)?.split_at_checked(DIGITS)?;
    let (snapshot, rest) = postcard::take_from_bytes::<(T::Head, Option<T::Row>)>(payload).ok()?;
    let (head, row) = snapshot;
    rest.is_empty().then_some(Cached {
        value: Snapshot { head, row },
        stamp: Stamp(stamp.parse().ok()?),
        as_of: as_of.parse::<Offset>().ok()? - 1,
    })
}

/// What tells a value from any other one that might come to stand in its place.
pub(super) fn header(value: &[u8]) -> &[u8] {
    &value[..value.len().min(HEADER)]
}

fn checksum(key: &str, rank: &str, payload: &[u8]) -> String {
    let sum = crc32c::crc32c_append(crc32c::crc32c(key.as_bytes()), rank.as_bytes());
    format!("{:08x}", crc32c::crc32c_append(sum, payload))
}
