//! What a table is: partitions, each a head and rows.

use std::{fmt::Debug, time::Duration};

use hubbub_events::Stamp;
use serde::{Serialize, de::DeserializeOwned};

use crate::Key;

/// The number of a projection's build: of the tables that one version of its fold
/// writes. The first one is 1.
pub type Build = i32;

/// A table of the read model.
///
/// A partition is a head and rows in the order of their clustering key. Its columns
/// are the fields of the records: in a wide-column store a head is the partition's
/// static columns. A table without clustering columns is head only; then the head's
/// columns are ordinary ones, and `Clustering` and `Row` are `()`. A table with
/// clustering columns whose `Head` is `()` has no heads at all, and none is written.
///
/// Beside its fields a record has a column `position`, a `bigint`, which holds its
/// stamp. Where heads and rows share a table the head's is named `head_position`.
pub trait Table: Send + Sync + 'static {
    /// The table's name, without the build.
    const NAME: &'static str;
    /// The names of the partition key's columns.
    const PARTITION: &'static [&'static str];
    /// The names of the clustering key's columns.
    const CLUSTERING: &'static [&'static str] = &[];
    /// Whether rows are kept, and scanned, from the greatest clustering key down.
    const DESCENDING: bool = false;
    /// How long a record is kept after it was written; `None`: for ever.
    const TIME_TO_LIVE: Option<Duration> = None;
    /// Whether partitions are kept in caches, each as its head and the row that belongs
    /// to it. What is so kept changes only where the head's position moves.
    const IS_CACHED: bool = false;

    /// The partition key.
    type Partition: Key;
    /// The clustering key: where one partition's rows differ.
    type Clustering: Key;
    /// What a partition holds once.
    type Head: Record;
    /// What it holds many times.
    type Row: Record;

    /// The row that belongs to a head, where there is one: who wants the head wants it.
    fn row_of(_head: &Self::Head) -> Option<Self::Clustering> {
        None
    }
}

/// A head or a row, without its keys and position. Its serde field names are the
/// names of the columns. No field is ever null: what is absent is '' or 0.
pub trait Record:
    Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync + 'static
{
}

impl<T> Record for T where
    T: Serialize + DeserializeOwned + Clone + PartialEq + Debug + Send + Sync + 'static
{
}

/// A record and the position that it reflects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored<R> {
    /// The position of the last event that changed it.
    pub stamp: Stamp,
    /// The head or the row.
    pub record: R,
}

/// What to write to one partition of a table, atomically.
#[derive(Debug, PartialEq)]
pub struct Change<T: Table> {
    /// Where.
    pub partition: T::Partition,
    /// The new head, if it changes.
    pub head: Option<Stored<T::Head>>,
    /// The new rows.
    pub rows: Vec<(T::Clustering, Stored<T::Row>)>,
}

/// Written out, as a derived one would ask the table itself to be `Clone`.
impl<T: Table> Clone for Change<T> {
    fn clone(&self) -> Self {
        Self { partition: self.partition.clone(), head: self.head.clone(), rows: self.rows.clone() }
    }
}

/// What a record weighs in memory and on the wire, about, in bytes.
#[must_use]
pub fn weight<R: Record>(record: &R) -> usize {
    64 + postcard::experimental::serialized_size(record).unwrap_or(0)
}
