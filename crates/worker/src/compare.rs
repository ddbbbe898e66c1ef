//! Holds two builds of a projection against each other, while both are folded.
//!
//! Two builds are hardly ever at the same record. So a row that differs is read again once
//! both builds have passed whatever either of them reflects: if both sides still say what
//! they said, it differs for good; if not, it has moved on, and is held against the other
//! side anew.

mod pair;
mod settle;

use std::sync::Arc;

use futures::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, TryStreamExt},
    try_join,
};
use hubbub_projections::{Projection, Tables, View, Visitor};
use hubbub_store::{Error, Rows, Store};
use hubbub_stream::Log;
use hubbub_tables::{Build, Table};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use self::{
    pair::{Entry, Looked, Pair, entry, table_order},
    settle::{Settle, patiently},
};

/// Partitions looked at before those that differ are settled.
const RANGE: usize = 256;
/// Partitions whose rows are read at a time.
const AT_ONCE: usize = 16;
/// Rows of a partition read at a time.
const PAGE: usize = 1000;
/// How often what moves on is read again.
const ROUNDS: usize = 50;

/// A build, and where it is kept.
#[derive(Debug, Clone)]
pub struct Side<S> {
    /// The store.
    pub store: S,
    /// The build.
    pub build: Build,
}

/// How far a table was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// The table.
    pub table: String,
    /// The partitions that were held against each other.
    pub partitions: u64,
    /// The heads and rows in them.
    pub rows: u64,
    /// The ranges that the partitions were taken in.
    pub ranges: u64,
    /// CRC-32C of each head and row of the left side, with keys and positions, added up by
    /// exclusive or: the order does not matter.
    pub left_checksum: u32,
    /// The same of the right side.
    pub right_checksum: u32,
    /// How many heads and rows differ.
    pub differing: u64,
    /// How many changed too often to be compared.
    pub moving: u64,
    /// Those that were found to differ since this was told before.
    pub differences: Vec<Difference>,
    /// The ranges that they are in.
    pub differing_ranges: Vec<DifferingRange>,
    /// Whether this is all of the table.
    pub is_done: bool,
}

/// A head or row that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Its key.
    pub key: String,
    /// What the left side says, with the offset that it reflects.
    pub left: Option<String>,
    /// What the right side says.
    pub right: Option<String>,
}

/// Partitions that a table keeps one after the other, whose checksums differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferingRange {
    /// The key of the first one.
    pub first: String,
    /// The key of the last one.
    pub last: String,
    /// The checksum of what the left side has of them.
    pub left_checksum: u32,
    /// The same of the right side.
    pub right_checksum: u32,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All that either side has.
    Both,
    /// What the left side has; it is folded from a part of the log.
    Left,
}

/// Compares the tables of two builds of a projection, one after the other; how far it is is
/// told after each range of partitions. Tables whose records expire are left out.
///
/// # Errors
/// Where a store or the log does not answer, or a build stands still.
pub async fn compare<P: Projection, L: Store, R: Store>(
    log: &dyn Log,
    left: &Side<L>,
    right: &Side<R>,
    extent: Extent,
    tell: &mpsc::Sender<Compared>,
) -> Result<(), Error> {
    let settle = Settle { log, projection: P::NAME, left, right, extent };
    let mut comparison = Comparison { settle, tell, tables: Vec::new() };
    P::Tables::default().visit(&mut comparison);
    for table in comparison.tables {
        table?.await?;
    }
    Ok(())
}

struct Comparison<'a, L, R> {
    settle: Settle<'a, L, R>,
    tell: &'a mpsc::Sender<Compared>,
    tables: Vec<Result<BoxFuture<'a, Result<(), Error>>, Error>>,
}

impl<'a, L: Store, R: Store> Comparison<'a, L, R> {
    fn add<T: Table>(&mut self) {
        if T::TIME_TO_LIVE.is_some() {
            return;
        }
        let (settle, tell) = (self.settle.clone(), self.tell);
        let Settle { left, right, .. } = settle;
        let opened = left.store.table::<T>(left.build).and_then(|left| {
            let right = right.store.table::<T>(right.build)?;
            let table = TwoTables { left, right, settle, done: begun(T::NAME), tell };
            Ok(table.compare().boxed())
        });
        self.tables.push(opened);
    }
}

impl<'a, L: Store, R: Store> Visitor<'_> for Comparison<'a, L, R> {
    fn deciding<T: Table>(&mut self, _: &mut View<T>) {
        self.add::<T>();
    }

    fn derived<T: Table>(&mut self, _: &mut View<T>) {
        self.add::<T>();
    }
}

fn begun(table: &str) -> Compared {
    Compared {
        table: table.to_owned(),
        partitions: 0,
        rows: 0,
        ranges: 0,
        left_checksum: 0,
        right_checksum: 0,
        differing: 0,
        moving: 0,
        differences: Vec::new(),
        differing_ranges: Vec::new(),
        is_done: false,
    }
}

/// One table in both builds.
struct TwoTables<'a, T: Table, L, R> {
    left: Arc<dyn Rows<T>>,
    right: Arc<dyn Rows<T>>,
    settle: Settle<'a, L, R>,
    done: Compared,
    tell: &'a mpsc::Sender<Compared>,
}

impl<T: Table, L: Store, R: Store> TwoTables<'_, T, L, R> {
    async fn compare(mut self) -> Result<(), Error> {
        let (left, right) = (Arc::clone(&self.left), Arc::clone(&self.right));
        self.go_through(&*left, None).await?;
        if self.settle.extent == Extent::Both {
            self.go_through(&*right, Some(&*left)).await?;
        }
        self.done.is_done = true;
        self.tell().await
    }

    /// Compares all partitions that one side has, and another one has not.
    async fn go_through(
        &mut self,
        side: &dyn Rows<T>,
        but: Option<&dyn Rows<T>>,
    ) -> Result<(), Error> {
        let mut after = None;
        loop {
            let mut range = patiently(|| side.partitions(after.as_ref(), RANGE)).await?;
            let is_last = range.len() < RANGE;
            after = range.last().cloned();
            if let Some(other) = but {
                range = unknown_to(other, range).await?;
            }
            self.compare_range(&range).await?;
            self.tell().await?;
            if is_last {
                return Ok(());
            }
        }
    }

    async fn compare_range(&mut self, range: &[T::Partition]) -> Result<(), Error> {
        let (Some(first), Some(last)) = (range.first(), range.last()) else {
            return Ok(());
        };
        let before = (self.done.left_checksum, self.done.right_checksum);
        let heads =
            try_join!(patiently(|| self.left.heads(range)), patiently(|| self.right.heads(range)))?;
        let heads = range.iter().zip(heads.0.into_iter().zip(heads.1));
        let mut looked = Looked::of(self.settle.extent);
        for (partition, (left, right)) in heads {
            let (left, right) = (left.map(entry), right.map(entry));
            looked.note(Pair {
                partition: partition.clone(),
                row: None,
                left,
                right,
                seen: Default::default(),
            });
        }
        let rows = stream::iter(range.to_vec()).map(|partition| self.look_at_rows(partition));
        let rows: Vec<_> = rows.buffer_unordered(AT_ONCE).try_collect().await?;
        rows.into_iter().for_each(|rows| looked.add(rows));
        self.done.partitions += range.len() as u64;
        self.done.rows += looked.rows;
        self.done.left_checksum ^= looked.checksum;
        self.done.right_checksum ^= looked.checksum;
        self.settle_all(looked.different).await?;
        self.done.ranges += 1;
        let left_checksum = self.done.left_checksum ^ before.0;
        let right_checksum = self.done.right_checksum ^ before.1;
        if left_checksum != right_checksum {
            let (first, last) = (format!("{first:?}"), format!("{last:?}"));
            let range = DifferingRange { first, last, left_checksum, right_checksum };
            self.done.differing_ranges.push(range);
        }
        Ok(())
    }

    /// Compares the rows of a partition, page by page.
    async fn look_at_rows(&self, partition: T::Partition) -> Result<Looked<T>, Error> {
        let mut looked = Looked::of(self.settle.extent);
        let mut after = None;
        while !T::CLUSTERING.is_empty() {
            let (mut left, mut right) = try_join!(
                patiently(|| self.left.scan(&partition, after.as_ref(), PAGE)),
                patiently(|| self.right.scan(&partition, after.as_ref(), PAGE)),
            )?;
            // No further than both pages go.
            let ends = [&left, &right].into_iter().filter(|page| page.len() == PAGE);
            let ends = ends.filter_map(|page| page.last().map(|(key, _)| key.clone()));
            let end = ends.min_by(table_order::<T>);
            if let Some(end) = &end {
                let is_within = |(key, _): &(T::Clustering, _)| table_order::<T>(key, end).is_le();
                left.retain(is_within);
                right.retain(is_within);
            }
            looked.pair(&partition, left, right);
            match end {
                Some(end) => after = Some(end),
                None => break,
            }
        }
        Ok(looked)
    }

    /// Reads what differs again until it is alike, differs for good, or has moved too often.
    async fn settle_all(&mut self, mut open: Vec<Pair<T>>) -> Result<(), Error> {
        for _ in 0..ROUNDS {
            let Some(last) = open.iter().filter_map(Pair::last).max() else {
                return Ok(());
            };
            self.settle.until_passed(last).await?;
            let again = try_join!(read(&*self.left, &open), read(&*self.right, &open))?;
            let mut moved = Vec::new();
            for (mut pair, (left, right)) in open.into_iter().zip(again.0.into_iter().zip(again.1))
            {
                match pair.decide(left, right) {
                    true => self.note(&pair),
                    false => moved.push(pair),
                }
            }
            open = moved;
        }
        self.done.moving += open.len() as u64;
        Ok(())
    }

    /// A pair that is alike, or differs for good.
    fn note(&mut self, pair: &Pair<T>) {
        self.done.rows += 1;
        self.done.left_checksum ^= pair.checksum(pair.left.as_ref());
        self.done.right_checksum ^= pair.checksum(pair.right.as_ref());
        if pair.left == pair.right {
            return;
        }
        self.done.differing += 1;
        let says = |side: &Option<Entry>| {
            let Entry { stamp, says } = side.as_ref()?;
            Some(format!("{says} (offset {})", stamp.offset()))
        };
        let (left, right) = (says(&pair.left), says(&pair.right));
        self.done.differences.push(Difference { key: pair.key(), left, right });
    }

    async fn tell(&mut self) -> Result<(), Error> {
        let gone = |_| Error::Permanent("nobody waits for the comparison any more".to_owned());
        self.tell.send(self.done.clone()).await.map_err(gone)?;
        self.done.differences.clear();
        self.done.differing_ranges.clear();
        Ok(())
    }
}

/// The partitions of a range of which a side has nothing.
async fn unknown_to<T: Table>(
    side: &dyn Rows<T>,
    range: Vec<T::Partition>,
) -> Result<Vec<T::Partition>, Error> {
    let heads = patiently(|| side.heads(&range)).await?;
    let headless = range.into_iter().zip(heads).filter(|(_, head)| head.is_none());
    let unknown = stream::iter(headless.map(|(partition, _)| partition)).map(|partition| async {
        let rows = match T::CLUSTERING.is_empty() {
            true => Vec::new(),
            false => patiently(|| side.scan(&partition, None, 1)).await?,
        };
        Ok::<_, Error>(rows.is_empty().then_some(partition))
    });
    let unknown: Vec<_> = unknown.buffered(AT_ONCE).try_collect().await?;
    Ok(unknown.into_iter().flatten().collect())
}

/// One side of pairs, as it is now.
async fn read<T: Table>(
    table: &dyn Rows<T>,
    pairs: &[Pair<T>],
) -> Result<Vec<Option<Entry>>, Error> {
    let of_head = pairs.iter().filter(|pair| pair.row.is_none());
    let heads: Vec<_> = of_head.map(|pair| pair.partition.clone()).collect();
    let of_row = pairs.iter().filter_map(|pair| Some((pair.partition.clone(), pair.row.clone()?)));
    let keys: Vec<_> = of_row.collect();
    let (heads, rows) =
        try_join!(patiently(|| table.heads(&heads)), patiently(|| table.rows(&keys)))?;
    let (mut heads, mut rows) = (heads.into_iter(), rows.into_iter());
    let found = pairs.iter().map(|pair| match pair.row {
        None => heads.next().flatten().map(entry),
        Some(_) => rows.next().flatten().map(entry),
    });
    Ok(found.collect())
}
