//! Heads and rows of two sides, side by side.

use std::cmp::Ordering;

use hubbub_events::{Offset, Stamp};
use hubbub_tables::{Record, Stored, Table};

use super::Extent;

/// A head or row, of any type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) stamp: Stamp,
    pub(super) says: String,
}

/// A head or row of both sides.
pub(super) struct Pair<T: Table> {
    pub(super) partition: T::Partition,
    /// `None`: the head.
    pub(super) row: Option<T::Clustering>,
    pub(super) left: Option<Entry>,
    pub(super) right: Option<Entry>,
    /// What either side said before, for rows that move on and on.
    pub(super) seen: [Vec<Entry>; 2],
}

/// What two sides of some partitions came to.
pub(super) struct Looked<T: Table> {
    pub(super) extent: Extent,
    pub(super) rows: u64,
    pub(super) checksum: u32,
    pub(super) different: Vec<Pair<T>>,
}

pub(super) fn entry<R: Record>(stored: Stored<R>) -> Entry {
    Entry { stamp: stored.stamp, says: format!("{:?}", stored.record) }
}

impl<T: Table> Pair<T> {
    pub(super) fn key(&self) -> String {
        let row = self.row.as_ref().map(|row| format!(" {row:?}")).unwrap_or_default();
        format!("{:?}{row}", self.partition)
    }

    /// Takes what the sides say by now; whether that decides.
    pub(super) fn decide(&mut self, left: Option<Entry>, right: Option<Entry>) -> bool {
        let stands = (&left, &right) == (&self.left, &self.right);
        for (seen, said) in self.seen.iter_mut().zip([&mut self.left, &mut self.right]) {
            seen.extend(said.take());
        }
        (self.left, self.right) = (left, right);
        if self.left == self.right || stands {
            return true;
        }
        // A row follows from its position: where both sides were at one, that is enough.
        let [lefts, rights] = &self.seen;
        let lefts = lefts.iter().chain(&self.left);
        let mut met = lefts.filter_map(|left| {
            let mut rights = rights.iter().chain(&self.right);
            Some((left.clone(), rights.find(|right| right.stamp == left.stamp)?.clone()))
        });
        let met = met.next_back();
        let is_met = met.is_some();
        if let Some((left, right)) = met {
            (self.left, self.right) = (Some(left), Some(right));
        }
        is_met
    }

    /// The last offset that either side reflects.
    pub(super) fn last(&self) -> Option<Offset> {
        let sides = [&self.left, &self.right].into_iter().flatten();
        sides.map(|entry| entry.stamp.offset()).max()
    }

    pub(super) fn checksum(&self, side: Option<&Entry>) -> u32 {
        let Some(Entry { stamp, says }) = side else {
            return 0;
        };
        let sum = crc32c::crc32c(self.key().as_bytes());
        let sum = crc32c::crc32c_append(sum, &stamp.0.to_be_bytes());
        crc32c::crc32c_append(sum, says.as_bytes())
    }
}

impl<T: Table> Looked<T> {
    pub(super) fn of(extent: Extent) -> Self {
        Self { extent, rows: 0, checksum: 0, different: Vec::new() }
    }

    /// Counts a pair that is alike, and keeps one that is not.
    pub(super) fn note(&mut self, pair: Pair<T>) {
        match (&pair.left, &pair.right) {
            (None, None) => {}
            (None, Some(_)) if self.extent == Extent::Left => {}
            (left, right) if left == right => {
                self.rows += 1;
                self.checksum ^= pair.checksum(left.as_ref());
            }
            _ => self.different.push(pair),
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.checksum ^= other.checksum;
        self.different.extend(other.different);
    }

    /// Pairs the rows of two sides, both in the table's order.
    pub(super) fn pair(
        &mut self,
        partition: &T::Partition,
        left: Vec<(T::Clustering, Stored<T::Row>)>,
        right: Vec<(T::Clustering, Stored<T::Row>)>,
    ) {
        let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((left, _)), Some((right, _))) => table_order::<T>(left, right),
            };
            let left = if order.is_le() { left.next() } else { None };
            let right = if order.is_ge() { right.next() } else { None };
            let key = left.as_ref().or(right.as_ref()).map(|(key, _)| key.clone());
            let [left, right] = [left, right].map(|side| side.map(|(_, row)| entry(row)));
            self.note(Pair {
                partition: partition.clone(),
                row: key,
                left,
                right,
                seen: Default::default(),
            });
        }
    }
}

/// The order that a table keeps its rows in.
pub(super) fn table_order<T: Table>(a: &T::Clustering, b: &T::Clustering) -> Ordering {
    if T::DESCENDING { b.cmp(a) } else { a.cmp(b) }
}
