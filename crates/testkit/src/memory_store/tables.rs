//! The tables of a simulated store.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    fmt::Debug,
    ops::Bound,
};

use hubbub_events::Stamp;
use hubbub_tables::{Build, Change, Stored, Table};

/// Every head and row, by the text of its table and keys.
pub type Export = BTreeMap<String, Exported>;

/// A head or row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The position that it reflects.
    pub stamp: Stamp,
    /// What it holds.
    pub record: String,
}

/// The heads and rows in which two exports differ, one a line.
#[must_use]
pub fn differences(left: &Export, right: &Export) -> String {
    let mut lines = String::new();
    let keys: BTreeSet<_> = left.keys().chain(right.keys()).collect();
    for key in keys {
        let (left, right) = (left.get(key), right.get(key));
        if left != right {
            lines += &format!("{key}: {} | {}\n", text(left), text(right));
        }
    }
    lines
}

fn text(side: Option<&Exported>) -> String {
    side.map_or("absent".to_owned(), |found| format!("@{} {}", found.stamp.offset(), found.record))
}

/// A row and its keys.
pub type KeyedRow<T> =
    (<T as Table>::Partition, <T as Table>::Clustering, Stored<<T as Table>::Row>);

/// All tables, by name and build.
#[derive(Default)]
pub(super) struct Tables(BTreeMap<(&'static str, Build), Box<dyn Anything>>);

/// A table of whatever type.
pub(super) trait Anything: Any + Send {
    fn copy(&self) -> Box<dyn Anything>;
    fn empty(&self) -> Box<dyn Anything>;
    /// Writes what a table of the same type holds.
    fn absorb(&mut self, other: Box<dyn Anything>, takes: &dyn Fn(usize) -> bool);
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
    fn export(&self, name: &str, to: &mut Export);
    fn as_any(&mut self) -> &mut dyn Any;
}

impl Tables {
    #[expect(clippy::expect_used, reason = "a table's name stands for its type")]
    pub fn get<T: Table>(&mut self, build: Build) -> &mut MemoryTable<T> {
        let table =
            self.0.entry((T::NAME, build)).or_insert_with(|| Box::new(MemoryTable::<T>::default()));
        table.as_any().downcast_mut().expect("two tables have one name")
    }

    pub fn drop_table(&mut self, table: &'static str, build: Build) {
        self.0.remove(&(table, build));
    }

    pub fn copies(&self) -> Copies {
        self.0.iter().map(|(key, table)| (*key, table.copy())).collect()
    }

    pub fn absorb(&mut self, other: Copies, takes: impl Fn(&'static str, usize) -> bool) {
        for (key, table) in other {
            match self.0.entry(key) {
                Entry::Occupied(mut here) => {
                    here.get_mut().absorb(table, &|index| takes(key.0, index))
                }
                Entry::Vacant(vacant) => {
                    vacant.insert(table.empty()).absorb(table, &|index| takes(key.0, index));
                }
            }
        }
    }

    pub fn export(&self) -> Export {
        let mut export = Export::new();
        for ((name, build), table) in &self.0 {
            table.export(&format!("{name}.b{build}"), &mut export);
        }
        export
    }
}

/// Tables taken out of a store.
pub(super) type Copies = Vec<((&'static str, Build), Box<dyn Anything>)>;

/// One table.
pub(super) struct MemoryTable<T: Table>(BTreeMap<T::Partition, Partition<T>>);

struct Partition<T: Table> {
    head: Option<Stored<T::Head>>,
    rows: BTreeMap<T::Clustering, Stored<T::Row>>,
}

impl<T: Table> Default for MemoryTable<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Table> Default for Partition<T> {
    fn default() -> Self {
        Self { head: None, rows: BTreeMap::new() }
    }
}

/// Written out, as derived ones would ask the table itself to be `Clone`.
impl<T: Table> Clone for MemoryTable<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Table> Clone for Partition<T> {
    fn clone(&self) -> Self {
        Self { head: self.head.clone(), rows: self.rows.clone() }
    }
}

impl<T: Table> MemoryTable<T> {
    pub fn head(&self, of: &T::Partition) -> Option<Stored<T::Head>> {
        self.0.get(of)?.head.clone()
    }

    pub fn row(&self, of: &T::Partition, at: &T::Clustering) -> Option<Stored<T::Row>> {
        self.0.get(of)?.rows.get(at).cloned()
    }

    pub fn scan(
        &self,
        of: &T::Partition,
        after: Option<&T::Clustering>,
        limit: usize,
    ) -> Vec<(T::Clustering, Stored<T::Row>)> {
        let Some(partition) = self.0.get(of) else {
            return Vec::new();
        };
        let bound = after.map_or(Bound::Unbounded, Bound::Excluded);
        let owned = |(key, row): (&T::Clustering, &Stored<T::Row>)| (key.clone(), row.clone());
        match T::DESCENDING {
            true => {
                let rows = partition.rows.range::<T::Clustering, _>((Bound::Unbounded, bound));
                rows.rev().take(limit).map(owned).collect()
            }
            false => {
                let rows = partition.rows.range::<T::Clustering, _>((bound, Bound::Unbounded));
                rows.take(limit).map(owned).collect()
            }
        }
    }

    pub fn partitions(&self, after: Option<&T::Partition>, limit: usize) -> Vec<T::Partition> {
        let behind = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = self.0.range::<T::Partition, _>((behind, Bound::Unbounded));
        found.take(limit).map(|(key, _)| key.clone()).collect()
    }

    pub fn drop_partition(&mut self, of: &T::Partition) {
        self.0.remove(of);
    }

    /// A head or row whose stamp is not above the stored one's is left as it is.
    pub fn apply(&mut self, change: Change<T>) {
        self.apply_where(change, |old, new| old < new);
    }

    /// Replaces what is stored where its stamp and the new one are as `wins` wants them.
    pub fn apply_where(&mut self, change: Change<T>, wins: impl Fn(Stamp, Stamp) -> bool) {
        let partition = self.0.entry(change.partition).or_default();
        if let Some(head) = change.head
            && partition.head.as_ref().is_none_or(|old| wins(old.stamp, head.stamp))
        {
            partition.head = Some(head);
        }
        for (key, row) in change.rows {
            if partition.rows.get(&key).is_none_or(|old| wins(old.stamp, row.stamp)) {
                partition.rows.insert(key, row);
            }
        }
    }

    pub fn all_heads(&self) -> Vec<(T::Partition, Stored<T::Head>)> {
        let heads =
            self.0.iter().filter_map(|(key, found)| Some((key.clone(), found.head.clone()?)));
        heads.collect()
    }

    pub fn all_rows(&self) -> Vec<KeyedRow<T>> {
        let partitions = self.0.iter();
        let rows = partitions.flat_map(|(partition, found)| {
            found.rows.iter().map(|(key, row)| (partition.clone(), key.clone(), row.clone()))
        });
        rows.collect()
    }
}

impl<T: Table> Anything for MemoryTable<T> {
    fn copy(&self) -> Box<dyn Anything> {
        Box::new(self.clone())
    }

    fn empty(&self) -> Box<dyn Anything> {
        Box::new(Self::default())
    }

    fn absorb(&mut self, other: Box<dyn Anything>, takes: &dyn Fn(usize) -> bool) {
        let Ok(other) = other.into_any().downcast::<Self>() else {
            return;
        };
        for (index, (partition, found)) in other.0.into_iter().enumerate() {
            if takes(index) {
                let rows = found.rows.into_iter().collect();
                self.apply(Change { partition, head: found.head, rows });
            }
        }
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }

    fn export(&self, name: &str, to: &mut Export) {
        for (partition, head) in self.all_heads() {
            to.insert(format!("{name} {partition:?} head"), exported(&head));
        }
        for (partition, key, row) in self.all_rows() {
            to.insert(format!("{name} {partition:?} {key:?}"), exported(&row));
        }
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

pub(super) fn exported<R: Debug>(stored: &Stored<R>) -> Exported {
    Exported { stamp: stored.stamp, record: format!("{:?}", stored.record) }
}
