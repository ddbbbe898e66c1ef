//! What is kept in front of the store.

mod memory;
mod partitions;
mod redis;

use hubbub_events::{Offset, Stamp};
use hubbub_tables::Table;

pub use self::redis::{RedisCache, RedisSettings};
pub use memory::MemoryCache;
pub use partitions::{Partitions, Read, Wanted, read_both};

/// What readers want of a partition: its head, and the row that belongs to it.
#[derive(Debug, PartialEq)]
pub struct Snapshot<T: Table> {
    /// The head.
    pub head: T::Head,
    /// The row that the table says belongs to it.
    pub row: Option<T::Row>,
}

/// Written out, as a derived one would ask the table itself to be `Clone`.
impl<T: Table> Clone for Snapshot<T> {
    fn clone(&self) -> Self {
        Self { head: self.head.clone(), row: self.row.clone() }
    }
}

/// A value, and what it is known to reflect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cached<V> {
    /// What was read.
    pub value: V,
    /// The position that it reflects.
    pub stamp: Stamp,
    /// The projection's frontier, read before the value was: the value lacks nothing
    /// up to there. −1: nothing is known.
    pub as_of: Offset,
}
