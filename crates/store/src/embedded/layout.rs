//! How heads and rows lie in a keyspace.
//!
//! A key is the partition's, a mark, and for rows the clustering key: a partition lies
//! together, its head first. A value is the stamp, the time of writing where the table
//! lets records expire, and the record in postcard.

use std::{
    ops::{Bound, Range},
    time::Duration,
};

use hubbub_events::{Stamp, Timestamp};
use hubbub_tables::{Record, Stored, Table};

use super::key::{self, Order};
use crate::Error;

/// Goes into every fingerprint: tables kept in another layout are not misread.
pub(super) const VERSION: u32 = 1;

/// The longest key that fjall takes; it panics at longer ones. Ids are far shorter.
pub(super) const MAX_KEY: usize = u16::MAX as usize;

const HEAD: u8 = 0;
const ROWS: u8 = 1;
const PAST_ROWS: u8 = 2;

const fn order<T: Table>() -> Order {
    if T::DESCENDING { Order::Descending } else { Order::Ascending }
}

fn partition_and<T: Table>(partition: &T::Partition, mark: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    key::encode(partition, Order::Ascending, &mut bytes);
    bytes.push(mark);
    bytes
}

pub(super) fn head_key<T: Table>(partition: &T::Partition) -> Vec<u8> {
    partition_and::<T>(partition, HEAD)
}

pub(super) fn row_key<T: Table>(partition: &T::Partition, row: &T::Clustering) -> Vec<u8> {
    let mut bytes = partition_and::<T>(partition, ROWS);
    key::encode(row, order::<T>(), &mut bytes);
    bytes
}

/// Where the partitions behind one begin.
pub(super) fn behind_partition<T: Table>(after: Option<&T::Partition>) -> Vec<u8> {
    after.map_or_else(Vec::new, |after| partition_and::<T>(after, PAST_ROWS))
}

/// All that a partition holds.
pub(super) fn whole_partition<T: Table>(partition: &T::Partition) -> Range<Vec<u8>> {
    partition_and::<T>(partition, HEAD)..partition_and::<T>(partition, PAST_ROWS)
}

/// The partition that a head or row is of.
pub(super) fn partition_of<T: Table>(key: &[u8]) -> Result<T::Partition, Error> {
    key::decode_first(key).map(|(partition, _)| partition).ok_or_else(|| damaged::<T>("a key"))
}

/// The rows of one partition behind a key, and what they are read off with.
pub(super) struct RowRange {
    pub(super) bounds: (Bound<Vec<u8>>, Bound<Vec<u8>>),
    prefix_len: usize,
}

impl RowRange {
    /// `None` where the partition's key is too long for there to be rows.
    pub(super) fn behind<T: Table>(
        partition: &T::Partition,
        after: Option<&T::Clustering>,
    ) -> Option<Self> {
        let first = partition_and::<T>(partition, ROWS);
        let prefix_len = first.len();
        if prefix_len >= MAX_KEY {
            return None;
        }
        let start = match after {
            Some(after) => {
                let mut key = row_key::<T>(partition, after);
                // No kept key lies between the cut one and the whole one.
                key.truncate(MAX_KEY);
                Bound::Excluded(key)
            }
            None => Bound::Included(first),
        };
        let end = Bound::Excluded(partition_and::<T>(partition, PAST_ROWS));
        Some(Self { bounds: (start, end), prefix_len })
    }

    /// The clustering key of a row in the range.
    pub(super) fn clustering<T: Table>(&self, key: &[u8]) -> Result<T::Clustering, Error> {
        key.get(self.prefix_len..)
            .and_then(|bytes| key::decode(bytes, order::<T>()))
            .ok_or_else(|| damaged::<T>("a row's key"))
    }
}

/// When a record was written, in seconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct WrittenAt(u64);

impl WrittenAt {
    pub(super) fn from_clock(now: Timestamp) -> Self {
        Self(u64::try_from(now.0 / 1000).unwrap_or(0))
    }

    /// Whether a record of this age is past its time.
    pub(super) const fn is_expired(self, time_to_live: Duration, now: Self) -> bool {
        now.0.saturating_sub(self.0) >= time_to_live.as_secs()
    }

    pub(super) const fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    pub(super) const fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }
}

/// A value; with the time of writing in tables with a time to live, and only there.
pub(super) fn encode_value<T: Table, R: Record>(
    stored: &Stored<R>,
    written_at: Option<WrittenAt>,
) -> Result<Vec<u8>, Error> {
    let mut bytes = stored.stamp.0.to_be_bytes().to_vec();
    bytes.extend(written_at.map(WrittenAt::to_bytes).into_iter().flatten());
    postcard::to_extend(&stored.record, bytes)
        .map_err(|error| Error::Permanent(format!("a record of {} has no bytes: {error}", T::NAME)))
}

/// The stamp of a value.
pub(super) fn stamp(value: &[u8]) -> Option<Stamp> {
    let bytes = value.first_chunk()?;
    Some(Stamp(i64::from_be_bytes(*bytes)))
}

/// The time of writing of a value in a table with a time to live.
pub(super) fn written_at(value: &[u8]) -> Option<WrittenAt> {
    let bytes = value.get(8..)?.first_chunk()?;
    Some(WrittenAt::from_bytes(*bytes))
}

/// Whether a value is past its time.
pub(super) fn is_expired<T: Table>(value: &[u8], now: Option<WrittenAt>) -> Result<bool, Error> {
    let (Some(time_to_live), Some(now)) = (T::TIME_TO_LIVE, now) else {
        return Ok(false);
    };
    match written_at(value) {
        Some(written_at) => Ok(written_at.is_expired(time_to_live, now)),
        None => Err(damaged::<T>("a record's time of writing")),
    }
}

/// What a value holds; `None` where it has expired.
pub(super) fn decode_value<T: Table, R: Record>(
    value: &[u8],
    now: Option<WrittenAt>,
) -> Result<Option<Stored<R>>, Error> {
    let Some(stamp) = stamp(value) else {
        return Err(damaged::<T>("a record's position"));
    };
    if is_expired::<T>(value, now)? {
        return Ok(None);
    }
    let record = &value[if T::TIME_TO_LIVE.is_some() { 16 } else { 8 }..];
    match postcard::from_bytes(record) {
        Ok(record) => Ok(Some(Stored { stamp, record })),
        Err(_) => Err(damaged::<T>("a record")),
    }
}

fn damaged<T: Table>(what: &str) -> Error {
    Error::Permanent(format!("{what} in table {} cannot be read back: it is damaged", T::NAME))
}
