//! A store that counts how often each table is read, and can be told to fail or to lag.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use hubbub_store::{EmbeddedStore, Error, Rows, Store};
use hubbub_tables::{Build, Change, Stored, Table};
use tokio::sync::Semaphore;

#[derive(Clone)]
pub struct Probe {
    inner: EmbeddedStore,
    pub control: Arc<Control>,
}

pub struct Control {
    reads: Mutex<HashMap<&'static str, usize>>,
    pub fails: AtomicBool,
    /// How many reads of rows by key are answered as if none were there.
    pub hides_rows: AtomicUsize,
    /// Reads of heads need a permit.
    pub gate: Semaphore,
}

impl Probe {
    pub fn new(inner: EmbeddedStore) -> Self {
        let control = Control {
            reads: Mutex::default(),
            fails: AtomicBool::new(false),
            hides_rows: AtomicUsize::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        };
        Self { inner, control: Arc::new(control) }
    }
}

impl Control {
    /// How often heads, rows or pages of a table were read.
    pub fn reads<T: Table>(&self) -> usize {
        self.reads.lock().unwrap().get(T::NAME).copied().unwrap_or(0)
    }

    fn read(&self, table: &'static str) -> Result<(), Error> {
        *self.reads.lock().unwrap().entry(table).or_default() += 1;
        match self.fails.load(Ordering::Relaxed) {
            true => Err(Error::Transient("the test says so".to_owned())),
            false => Ok(()),
        }
    }
}

impl Store for Probe {
    fn table<T: Table>(&self, build: Build) -> Result<Arc<dyn Rows<T>>, Error> {
        let inner = self.inner.table::<T>(build)?;
        Ok(Arc::new(Probed { inner, control: Arc::clone(&self.control) }))
    }

    async fn make_build(&self, tables: &[&'static str], build: Build) -> Result<(), Error> {
        self.inner.make_build(tables, build).await
    }

    async fn open_build(&self, tables: &[&'static str], build: Build) -> Result<(), Error> {
        self.inner.open_build(tables, build).await
    }

    async fn drop_build(
        &self,
        projection: &'static str,
        tables: &[&'static str],
        build: Build,
    ) -> Result<(), Error> {
        self.inner.drop_build(projection, tables, build).await
    }
}

struct Probed<T: Table> {
    inner: Arc<dyn Rows<T>>,
    control: Arc<Control>,
}

#[async_trait]
impl<T: Table> Rows<T> for Probed<T> {
    async fn heads(&self, of: &[T::Partition]) -> Result<Vec<Option<Stored<T::Head>>>, Error> {
        self.control.read(T::NAME)?;
        let _permit = self.control.gate.acquire().await.unwrap();
        self.inner.heads(of).await
    }

    async fn rows(
        &self,
        at: &[(T::Partition, T::Clustering)],
    ) -> Result<Vec<Option<Stored<T::Row>>>, Error> {
        self.control.read(T::NAME)?;
        let hides = |left: usize| left.checked_sub(1);
        let hidden = &self.control.hides_rows;
        if hidden.fetch_update(Ordering::Relaxed, Ordering::Relaxed, hides).is_ok() {
            return Ok(at.iter().map(|_| None).collect());
        }
        self.inner.rows(at).await
    }

    async fn scan(
        &self,
        of: &T::Partition,
        after: Option<&T::Clustering>,
        limit: usize,
    ) -> Result<Vec<(T::Clustering, Stored<T::Row>)>, Error> {
        self.control.read(T::NAME)?;
        self.inner.scan(of, after, limit).await
    }

    async fn partitions(
        &self,
        after: Option<&T::Partition>,
        limit: usize,
    ) -> Result<Vec<T::Partition>, Error> {
        self.control.read(T::NAME)?;
        self.inner.partitions(after, limit).await
    }

    async fn apply(&self, changes: Vec<Change<T>>) -> Result<(), Error> {
        self.inner.apply(changes).await
    }
}
