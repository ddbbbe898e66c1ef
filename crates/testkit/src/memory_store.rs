//! A store in memory for simulations: exact, deterministic, and faulty by script.
//!
//! The tables are shared by any number of processes, each with a handle of its own
//! ([`MemoryStore::process`]) and a script that says what becomes of each of its
//! operations: a time-out that did apply, half an apply, a write that lands when its
//! process is long gone, a death in the middle. All time is tokio's, so a paused
//! clock makes a run repeatable.

mod fate;
mod landing;
mod tables;

use std::{
    marker::PhantomData,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use hubbub_store::{Error, Rows, Store};
use hubbub_tables::{Attempts, Build, Change, Frontiers, Stored, Table};
use tokio::sync::watch;

pub use fate::{Answer, Fate, Kind, Operation, Script};
pub use landing::{Breakage, Landing, Witness};
pub use tables::{Export, Exported, KeyedRow, differences};

use landing::Ground;
use tables::Tables;

/// One process's handle on tables in memory.
#[derive(Clone)]
pub struct MemoryStore {
    tables: Arc<Mutex<Tables>>,
    ground: Arc<Ground>,
    process: Arc<Process>,
}

struct Process {
    script: Script,
    operations: AtomicU64,
    died: watch::Sender<bool>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// Empty tables, and the handle of a process that has no faults.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Ground::default())
    }

    /// Empty tables that somebody watches, and that may be broken.
    #[must_use]
    pub fn watched(breakage: Option<Breakage>, witness: Witness) -> Self {
        Self::on(Ground { breakage, witness: Some(witness) })
    }

    fn on(ground: Ground) -> Self {
        let process = Process::new(Box::new(|_| Fate::done()));
        Self { tables: Arc::default(), ground: Arc::new(ground), process }
    }

    /// Another process's handle on the same tables.
    #[must_use]
    pub fn process(&self, script: impl Fn(&Operation) -> Fate + Send + Sync + 'static) -> Self {
        Self {
            tables: Arc::clone(&self.tables),
            ground: Arc::clone(&self.ground),
            process: Process::new(Box::new(script)),
        }
    }

    /// The operations that this process began.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.process.operations.load(Ordering::Relaxed)
    }

    /// Waits until this process gets an [`Answer::Never`].
    pub async fn died(&self) {
        let mut died = self.process.died.subscribe();
        // The sender lives as long as this handle.
        let _ = died.wait_for(|died| *died).await;
    }

    /// All that follows from the log, for comparison: how often it was begun to be folded does not.
    #[must_use]
    pub fn export(&self) -> Export {
        let export = self.lock().export().into_iter();
        export.filter(|(key, _)| !key.starts_with(Attempts::NAME)).collect()
    }

    /// A table's heads, in the order of their keys.
    #[must_use]
    pub fn heads_of<T: Table>(&self, build: Build) -> Vec<(T::Partition, Stored<T::Head>)> {
        self.lock().get::<T>(build).all_heads()
    }

    /// A table's rows, in the order of their keys.
    #[must_use]
    pub fn rows_of<T: Table>(&self, build: Build) -> Vec<KeyedRow<T>> {
        self.lock().get::<T>(build).all_rows()
    }

    /// Writes at once and without faults, as a simulation's own hand.
    pub fn put<T: Table>(&self, build: Build, change: Change<T>) {
        self.lock().get::<T>(build).apply(change);
    }

    /// Writes what another store holds, as a process would that had it all on its way:
    /// of each table those partitions, numbered in their order, that `takes` answers.
    pub fn absorb(&self, other: &Self, takes: impl Fn(&'static str, usize) -> bool) {
        let changes = other.lock().copies();
        self.lock().absorb(changes, takes);
    }

    /// A store of its own with all that this one holds now.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        let copy = Self::new();
        copy.absorb(self, |_, _| true);
        copy
    }

    /// Drops a table of a build.
    pub fn drop_table<T: Table>(&self, build: Build) {
        self.lock().drop_table(T::NAME, build);
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        lock(&self.tables)
    }
}

impl Process {
    fn new(script: Script) -> Arc<Self> {
        Arc::new(Self { script, operations: AtomicU64::new(0), died: watch::Sender::new(false) })
    }
}

/// Even what takes no time lets others go first, without waiting for a timer.
async fn pass(time: Duration) {
    match time.is_zero() {
        true => tokio::task::yield_now().await,
        false => tokio::time::sleep(time).await,
    }
}

fn lock(tables: &Mutex<Tables>) -> MutexGuard<'_, Tables> {
    tables.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for MemoryStore {
    fn table<T: Table>(&self, build: Build) -> Result<Arc<dyn Rows<T>>, Error> {
        Ok(Arc::new(MemoryRows { store: self.clone(), build, table: PhantomData }))
    }

    async fn make_build(&self, _: &[&'static str], _: Build) -> Result<(), Error> {
        Ok(())
    }

    async fn open_build(&self, _: &[&'static str], _: Build) -> Result<(), Error> {
        Ok(())
    }

    async fn drop_build(
        &self,
        projection: &'static str,
        tables: &[&'static str],
        build: Build,
    ) -> Result<(), Error> {
        let mut all = self.lock();
        tables.iter().for_each(|table| all.drop_table(table, build));
        let of = (projection.to_owned(), build);
        all.get::<Frontiers>(Frontiers::BUILD).drop_partition(&of);
        all.get::<Attempts>(Attempts::BUILD).drop_partition(&of);
        Ok(())
    }
}

struct MemoryRows<T> {
    store: MemoryStore,
    build: Build,
    table: PhantomData<fn() -> T>,
}

impl<T: Table> MemoryRows<T> {
    fn fate(&self, kind: Kind, items: usize) -> Fate {
        let number = self.store.process.operations.fetch_add(1, Ordering::Relaxed);
        (self.store.process.script)(&Operation { number, kind, table: T::NAME, items })
    }

    /// Reads when the request has arrived; the answer may be old when it is there.
    async fn read<R>(
        &self,
        kind: Kind,
        items: usize,
        read: impl FnOnce(&mut tables::MemoryTable<T>) -> R + Send,
    ) -> Result<R, Error> {
        let fate = self.fate(kind, items);
        pass(fate.before).await;
        let found = read(self.store.lock().get::<T>(self.build));
        pass(fate.after).await;
        self.answer(fate.answer).await.map(|()| found)
    }

    async fn answer(&self, answer: Answer) -> Result<(), Error> {
        match answer {
            Answer::Done => Ok(()),
            Answer::Transient => Err(Error::Transient("a simulated time-out".to_owned())),
            Answer::Permanent => Err(Error::Permanent("a simulated refusal".to_owned())),
            Answer::Never => {
                self.store.process.died.send_replace(true);
                std::future::pending().await
            }
        }
    }
}

#[async_trait]
impl<T: Table> Rows<T> for MemoryRows<T> {
    async fn heads(&self, of: &[T::Partition]) -> Result<Vec<Option<Stored<T::Head>>>, Error> {
        let ground = &self.store.ground;
        let read = |table: &mut tables::MemoryTable<T>| {
            of.iter().map(|key| ground.shown(table.head(key))).collect()
        };
        self.read(Kind::Heads, of.len(), read).await
    }

    async fn rows(
        &self,
        at: &[(T::Partition, T::Clustering)],
    ) -> Result<Vec<Option<Stored<T::Row>>>, Error> {
        let ground = &self.store.ground;
        let read = |table: &mut tables::MemoryTable<T>| {
            at.iter().map(|(partition, key)| ground.shown(table.row(partition, key))).collect()
        };
        self.read(Kind::Rows, at.len(), read).await
    }

    async fn scan(
        &self,
        of: &T::Partition,
        after: Option<&T::Clustering>,
        limit: usize,
    ) -> Result<Vec<(T::Clustering, Stored<T::Row>)>, Error> {
        self.read(Kind::Scan, 1, |table| table.scan(of, after, limit)).await
    }

    async fn partitions(
        &self,
        after: Option<&T::Partition>,
        limit: usize,
    ) -> Result<Vec<T::Partition>, Error> {
        self.read(Kind::Partitions, 1, |table| table.partitions(after, limit)).await
    }

    async fn apply(&self, changes: Vec<Change<T>>) -> Result<(), Error> {
        let fate = self.fate(Kind::Apply, changes.len());
        let changes: Vec<_> = changes
            .into_iter()
            .enumerate()
            .filter_map(|(index, change)| fate.applies(index).then_some(change))
            .collect();
        let (tables, build) = (Arc::clone(&self.store.tables), self.build);
        let ground = Arc::clone(&self.store.ground);
        let early = ground.early(T::NAME);
        let landing = async move {
            pass(fate.before + early.unwrap_or_default()).await;
            for change in changes {
                ground.land(lock(&tables).get::<T>(build), build, change);
                pass(fate.between).await;
            }
        };
        // What is on its way lands, whether or not somebody still waits for it.
        let landing = tokio::spawn(landing);
        if early.is_none() {
            landing.await.map_err(|failed| Error::Permanent(failed.to_string()))?;
        }
        pass(fate.after).await;
        self.answer(fate.answer).await
    }
}
