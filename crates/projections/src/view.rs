//! The view that a fold reads and writes: what is in memory of one table.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap, btree_map},
};

use hubbub_events::Stamp;
use hubbub_tables::{Change, Stored, Table, weight};

/// Why a fold cannot go on with a record now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupt {
    /// Something it reads is not in memory. It was noted, to be loaded.
    Miss,
    /// A row is at or past the record: the store is ahead of what is in memory.
    Ahead,
    /// The deciding head has the record already: it is skipped whole.
    Reflected,
}

/// How the view treats reads and puts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Rows at or past the record interrupt with [`Interrupt::Ahead`].
    #[default]
    Folding,
    /// Everything was loaded anew since a row ahead was met, so such rows are right.
    Replaying,
    /// Puts do nothing, and misses are all that counts.
    Probing,
}

/// Which part the table plays in its projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Deciding,
    Derived,
}

/// One table, as far as a log partition's fold has loaded or changed it.
///
/// A fold makes all its reads before its first put, and asks for all it needs before
/// it acts on the first miss: so one round of loading serves a whole batch.
#[derive(Debug)]
pub struct View<T: Table> {
    role: Role,
    mode: Mode,
    now: Stamp,
    partitions: HashMap<T::Partition, Partition<T>>,
    /// What of which partitions is to be written.
    unwritten: BTreeMap<T::Partition, Unwritten<T::Clustering>>,
    largest_change: usize,
    missing: RefCell<Missing<T>>,
    weight: usize,
}

#[derive(Debug)]
struct Partition<T: Table> {
    head: Option<Slot<T::Head>>,
    rows: BTreeMap<T::Clustering, Slot<T::Row>>,
}

/// A head or row whose presence or absence is known.
#[derive(Debug)]
struct Slot<R> {
    stored: Option<Stored<R>>,
}

/// What of a partition is to be written.
#[derive(Debug)]
struct Unwritten<C> {
    head: bool,
    rows: BTreeSet<C>,
    /// Of all that was put, in bytes.
    weight: usize,
}

/// What a fold asked for in vain.
#[derive(Debug)]
pub struct Missing<T: Table> {
    /// The partitions whose heads are wanted.
    pub heads: BTreeSet<T::Partition>,
    /// The keys of the rows that are wanted.
    pub rows: BTreeSet<(T::Partition, T::Clustering)>,
}

impl<T: Table> Default for Missing<T> {
    fn default() -> Self {
        Self { heads: BTreeSet::new(), rows: BTreeSet::new() }
    }
}

impl<T: Table> Missing<T> {
    /// Whether nothing is missing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.rows.is_empty()
    }
}

impl<T: Table> Default for Partition<T> {
    fn default() -> Self {
        Self { head: None, rows: BTreeMap::new() }
    }
}

impl<C> Default for Unwritten<C> {
    fn default() -> Self {
        Self { head: false, rows: BTreeSet::new(), weight: 0 }
    }
}

/// For folds.
impl<T: Table> View<T> {
    /// An empty view of the table that judges.
    #[must_use]
    pub fn deciding() -> Self {
        Self::new(Role::Deciding)
    }

    /// An empty view of a table that follows.
    #[must_use]
    pub fn derived() -> Self {
        Self::new(Role::Derived)
    }

    fn new(role: Role) -> Self {
        Self {
            role,
            mode: Mode::default(),
            now: Stamp::default(),
            partitions: HashMap::new(),
            unwritten: BTreeMap::new(),
            largest_change: 0,
            missing: RefCell::default(),
            weight: 0,
        }
    }

    /// A partition's head; `None` where it has none.
    ///
    /// # Errors
    /// An interrupt, to be passed on.
    pub fn head(&self, partition: &T::Partition) -> Result<Option<&T::Head>, Interrupt> {
        let slot = self.partitions.get(partition).and_then(|found| found.head.as_ref());
        let Some(slot) = slot else {
            self.missing.borrow_mut().heads.insert(partition.clone());
            return Err(Interrupt::Miss);
        };
        self.judge_position(slot)
    }

    /// A row; `None` where there is none at the key.
    ///
    /// # Errors
    /// An interrupt, to be passed on.
    pub fn row(
        &self,
        partition: &T::Partition,
        key: &T::Clustering,
    ) -> Result<Option<&T::Row>, Interrupt> {
        let slot = self.partitions.get(partition).and_then(|found| found.rows.get(key));
        let Some(slot) = slot else {
            let key = (partition.clone(), key.clone());
            self.missing.borrow_mut().rows.insert(key);
            return Err(Interrupt::Miss);
        };
        self.judge_position(slot)
    }

    fn judge_position<'s, R>(&self, slot: &'s Slot<R>) -> Result<Option<&'s R>, Interrupt> {
        let Some(stored) = &slot.stored else {
            return Ok(None);
        };
        let is_ahead = stored.stamp >= self.now;
        match (self.mode, self.role) {
            (Mode::Folding, _) if is_ahead => Err(Interrupt::Ahead),
            (Mode::Replaying, Role::Deciding) if is_ahead => Err(Interrupt::Reflected),
            _ => Ok(Some(&stored.record)),
        }
    }

    /// Puts a head, as of the record being folded.
    pub fn put_head(&mut self, partition: T::Partition, head: T::Head) {
        if self.mode == Mode::Probing {
            return;
        }
        let found = self.partitions.entry(partition.clone()).or_default();
        let slot = found.head.get_or_insert_with(Slot::unknown);
        if let Some(weight) = slot.put(self.now, head) {
            self.note_put(partition, weight).head = true;
        }
    }

    /// Puts a row, as of the record being folded. It need not have been read.
    pub fn put_row(&mut self, partition: T::Partition, key: T::Clustering, row: T::Row) {
        if self.mode == Mode::Probing {
            return;
        }
        let found = self.partitions.entry(partition.clone()).or_default();
        let slot = found.rows.entry(key.clone()).or_insert_with(Slot::unknown);
        if let Some(weight) = slot.put(self.now, row) {
            self.note_put(partition, weight).rows.insert(key);
        }
    }

    fn note_put(
        &mut self,
        partition: T::Partition,
        weight: usize,
    ) -> &mut Unwritten<T::Clustering> {
        self.weight += weight;
        let unwritten = self.unwritten.entry(partition).or_default();
        unwritten.weight += weight;
        self.largest_change = self.largest_change.max(unwritten.weight);
        unwritten
    }
}

/// For whoever drives folds.
impl<T: Table> View<T> {
    /// The record that is folded next, and how.
    pub fn begin(&mut self, now: Stamp, mode: Mode) {
        self.now = now;
        self.mode = mode;
    }

    /// Takes what folds asked for in vain.
    pub fn take_missing(&mut self) -> Missing<T> {
        std::mem::take(self.missing.get_mut())
    }

    /// Notes a head that was loaded. What the fold has put since stays.
    pub fn loaded_head(&mut self, partition: T::Partition, stored: Option<Stored<T::Head>>) {
        self.weight += stored.as_ref().map_or(64, |stored| weight(&stored.record));
        let found = self.partitions.entry(partition).or_default();
        found.head.get_or_insert(Slot { stored });
    }

    /// Notes a row that was loaded. What the fold has put since stays.
    pub fn loaded_row(
        &mut self,
        partition: T::Partition,
        key: T::Clustering,
        stored: Option<Stored<T::Row>>,
    ) {
        self.weight += stored.as_ref().map_or(64, |stored| weight(&stored.record));
        let found = self.partitions.entry(partition).or_default();
        if let btree_map::Entry::Vacant(vacant) = found.rows.entry(key) {
            vacant.insert(Slot { stored });
        }
    }

    /// The stamp of a head in memory.
    #[must_use]
    pub fn head_stamp(&self, partition: &T::Partition) -> Option<Stamp> {
        let head = self.partitions.get(partition)?.head.as_ref()?;
        head.stored.as_ref().map(|stored| stored.stamp)
    }

    /// What is to be written, in the order of the partitions' keys. It stays to be
    /// written until [`View::written`].
    #[must_use]
    pub fn changes(&self) -> Vec<Change<T>> {
        let unwritten = self.unwritten.iter();
        unwritten.filter_map(|(partition, what)| self.change_of(partition, what)).collect()
    }

    fn change_of(
        &self,
        partition: &T::Partition,
        what: &Unwritten<T::Clustering>,
    ) -> Option<Change<T>> {
        let found = self.partitions.get(partition)?;
        let head = found.head.as_ref().filter(|_| what.head);
        let rows = what.rows.iter().filter_map(|key| {
            let stored = found.rows.get(key)?.stored.clone()?;
            Some((key.clone(), stored))
        });
        Some(Change {
            partition: partition.clone(),
            head: head.and_then(|slot| slot.stored.clone()),
            rows: rows.collect(),
        })
    }

    /// Notes that all changes are durable.
    pub fn written(&mut self) {
        self.largest_change = 0;
        self.unwritten.clear();
    }

    /// Forgets everything, unwritten changes included.
    pub fn clear(&mut self) {
        *self = Self::new(self.role);
    }

    /// About what it holds, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The weight of the partition with the largest unwritten change, in bytes.
    #[must_use]
    pub fn largest_change(&self) -> usize {
        self.largest_change
    }
}

impl<R: hubbub_tables::Record> Slot<R> {
    const fn unknown() -> Self {
        Self { stored: None }
    }

    /// The one place that ignores what is at or below a row's own position. Returns
    /// the weight of what was put.
    fn put(&mut self, now: Stamp, record: R) -> Option<usize> {
        if self.stored.as_ref().is_some_and(|stored| stored.stamp >= now) {
            return None;
        }
        let weight = weight(&record);
        self.stored = Some(Stored { stamp: now, record });
        Some(weight)
    }
}
