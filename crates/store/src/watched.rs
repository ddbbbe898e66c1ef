//! A store whose writes somebody is told of: whoever keeps copies of what is written.

use std::sync::Arc;

use async_trait::async_trait;
use hubbub_tables::{Build, Change, Stored, Table};

use crate::{Error, Rows, Store};

/// Is told of changes to tables whose partitions are cached.
pub trait Watcher: Clone + Send + Sync + 'static {
    /// What it keeps of changes that are being written.
    type Note: Send;

    /// Takes down what it needs of changes before they are written.
    fn note<T: Table>(&self, build: Build, changes: &[Change<T>]) -> Self::Note;

    /// The changes are durable. Must return at once.
    fn written(&self, note: Self::Note);
}

/// Nobody, or somebody.
impl<W: Watcher> Watcher for Option<W> {
    type Note = Option<W::Note>;

    fn note<T: Table>(&self, build: Build, changes: &[Change<T>]) -> Self::Note {
        self.as_ref().map(|watcher| watcher.note(build, changes))
    }

    fn written(&self, note: Self::Note) {
        if let (Some(watcher), Some(note)) = (self, note) {
            watcher.written(note);
        }
    }
}

/// A store that tells a watcher of each write, once it is durable. What failed, and may
/// have been applied, is told when it is written again.
#[derive(Clone)]
pub struct Watched<S, W> {
    store: S,
    watcher: W,
}

impl<S: Store, W: Watcher> Watched<S, W> {
    /// A store and who is told of what is written by this handle on it.
    pub fn new(store: S, watcher: W) -> Self {
        Self { store, watcher }
    }
}

impl<S: Store, W: Watcher> Store for Watched<S, W> {
    fn table<T: Table>(&self, build: Build) -> Result<Arc<dyn Rows<T>>, Error> {
        let rows = self.store.table::<T>(build)?;
        if !T::IS_CACHED {
            return Ok(rows);
        }
        Ok(Arc::new(WatchedRows { rows, build, watcher: self.watcher.clone() }))
    }

    async fn make_build(&self, tables: &[&'static str], build: Build) -> Result<(), Error> {
        self.store.make_build(tables, build).await
    }

    async fn open_build(&self, tables: &[&'static str], build: Build) -> Result<(), Error> {
        self.store.open_build(tables, build).await
    }

    async fn drop_build(
        &self,
        projection: &'static str,
        tables: &[&'static str],
        build: Build,
    ) -> Result<(), Error> {
        self.store.drop_build(projection, tables, build).await
    }
}

struct WatchedRows<T: Table, W> {
    rows: Arc<dyn Rows<T>>,
    build: Build,
    watcher: W,
}

#[async_trait]
impl<T: Table, W: Watcher> Rows<T> for WatchedRows<T, W> {
    async fn heads(&self, of: &[T::Partition]) -> Result<Vec<Option<Stored<T::Head>>>, Error> {
        self.rows.heads(of).await
    }

    async fn rows(
        &self,
        at: &[(T::Partition, T::Clustering)],
    ) -> Result<Vec<Option<Stored<T::Row>>>, Error> {
        self.rows.rows(at).await
    }

    async fn scan(
        &self,
        of: &T::Partition,
        after: Option<&T::Clustering>,
        limit: usize,
    ) -> Result<Vec<(T::Clustering, Stored<T::Row>)>, Error> {
        self.rows.scan(of, after, limit).await
    }

    async fn partitions(
        &self,
        after: Option<&T::Partition>,
        limit: usize,
    ) -> Result<Vec<T::Partition>, Error> {
        self.rows.partitions(after, limit).await
    }

    async fn apply(&self, changes: Vec<Change<T>>) -> Result<(), Error> {
        let note = self.watcher.note(self.build, &changes);
        self.rows.apply(changes).await?;
        self.watcher.written(note);
        Ok(())
    }
}
