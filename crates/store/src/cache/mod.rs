//! What is kept in front of the store.

mod memory;

use hubbub_events::{Offset, Stamp};

pub use memory::MemoryCache;

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

impl<V> Cached<V> {
    /// Whether this may take the place of another value under the same key. At an
    /// equal rank both hold the same, and this one was read later.
    fn replaces(&self, other: &Self) -> bool {
        (self.stamp, self.as_of) >= (other.stamp, other.as_of)
    }

    /// Whether a reader who must see everything up to `floor` may be given this.
    fn serves(&self, floor: Option<Offset>) -> bool {
        floor.is_none_or(|floor| self.as_of >= floor)
    }
}
