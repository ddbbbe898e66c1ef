//! Where a record lies in the log, and the number that tables keep of it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Topic;

/// The place of a record in its partition, from 0, without gaps of our own making.
pub type Offset = i64;

/// One partition of one topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicPartition {
    /// The topic, and with it its generation.
    pub topic: Topic,
    /// From 0.
    pub partition: i32,
}

impl TopicPartition {
    /// The position of an offset in this partition.
    #[must_use]
    pub const fn at(self, offset: Offset) -> Position {
        Position { topic: self.topic, partition: self.partition, offset }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// The place of a record in the log: topic with its generation, partition, offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The topic, and with it its generation.
    pub topic: Topic,
    /// From 0.
    pub partition: i32,
    /// From 0.
    pub offset: Offset,
}

impl Position {
    /// The partition it lies in.
    #[must_use]
    pub const fn topic_partition(self) -> TopicPartition {
        TopicPartition { topic: self.topic, partition: self.partition }
    }

    /// What a row that reflects this record carries.
    #[must_use]
    pub const fn stamp(self) -> Stamp {
        Stamp::new(self.topic.generation(), self.offset)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.topic_partition(), self.offset)
    }
}

/// A position among those of one partition, as one number:
/// `generation << 40 | (offset + 1)`.
///
/// It is both the `position` column of a row and the row's write timestamp in the
/// store. Being below 2^50 it is far below any wall clock in microseconds.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Stamp(pub i64);

impl Stamp {
    const OFFSET_BITS: u32 = 40;

    /// The stamp of an offset in a generation. An offset of −1 gives the stamp that
    /// comes before all of the generation's.
    #[must_use]
    pub const fn new(generation: i32, offset: Offset) -> Self {
        Self((generation as i64) << Self::OFFSET_BITS | (offset + 1))
    }

    /// The offset it was made of.
    #[must_use]
    pub const fn offset(self) -> Offset {
        (self.0 & ((1 << Self::OFFSET_BITS) - 1)) - 1
    }
}

/// Which log this is: another identity under the same name means that the topic was
/// recreated, and that no offset known of it holds any more.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LogIdentity(pub String);

impl fmt::Display for LogIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_order_as_generation_and_offset_and_stay_below_a_clock() {
        let stamps = [(1, -1), (1, 0), (1, 1), (1, (1 << 40) - 2), (2, -1), (2, 0), (511, 7)]
            .map(|(generation, offset)| Stamp::new(generation, offset));
        assert!(stamps.is_sorted_by(|a, b| a < b), "{stamps:?}");
        assert!(stamps.iter().all(|stamp| stamp.0 < 1 << 50));
        assert_eq!(Stamp::new(3, 41).offset(), 41);
    }
}
