//! The store that is part of the process: tables in [`fjall`], on local disk.

mod catalog;
mod expiry;
mod key;
mod layout;
mod readers;
mod table;
mod writer;

use std::{
    any::Any,
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, compaction::Leveled};
use hubbub_events::Timestamp;
use hubbub_tables::{Attempts, Build, Frontiers, Table};

use self::{
    catalog::Catalog,
    expiry::Expiry,
    readers::Readers,
    table::TableHandle,
    writer::{Dropped, Space, Writer},
};
use crate::{EmbeddedSettings, Error, Rows, Store};

/// The bound that fjall holds its sealed journals to, and the least that it takes: a
/// start after a crash replays no more than these and the open one.
const JOURNALS: u64 = 64 << 20;
/// Files that stay open for reads.
const OPEN_FILES: usize = 256;
/// Memtables that are merged into the files of a table at a time, for tables made from then on, …
const MERGED: u8 = 8;
/// … and the most that a file has. Small memtables want small files: the first level of a table may have as many of them as
/// are merged at a time, and a merge reads and writes all of that level.
const FILE: u64 = 64 << 20;
/// Threads that flush and compact: one that flushes must not wait for a compaction.
const MAINTENANCE_THREADS: usize = 2;

/// Tells the time to what expires.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Keeps tables in a folder of its own. Dropping the last clone, and the last handle
/// on a table, closes it.
#[derive(Clone)]
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    tables: Arc<Tables>,
}

/// What handles on tables need. They must not hold [`Tables`], which hold them.
struct Shared {
    // Dropped, and thereby stopped, before the database that it writes to.
    writer: Writer,
    readers: Readers,
    clock: Clock,
    db: Database,
}

struct Tables {
    folder: PathBuf,
    memtable_size: u64,
    catalog: Catalog,
    open: RwLock<OpenTables>,
}

/// An `Arc<dyn Rows<T>>` for each table and build.
type OpenTables = HashMap<(&'static str, Build), Box<dyn Any + Send + Sync>>;

impl EmbeddedStore {
    /// Opens the store in a folder, or makes a new one there. Blocks: after a crash
    /// until the journal is replayed.
    ///
    /// # Errors
    /// Where another process uses the folder, or it cannot be read or written.
    pub fn open(settings: &EmbeddedSettings, folder: &Path) -> Result<Self, Error> {
        Self::open_with_clock(settings, folder, Arc::new(Timestamp::now))
    }

    /// The same with a clock of one's own, by which records expire.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`].
    pub fn open_with_clock(
        settings: &EmbeddedSettings,
        folder: &Path,
        clock: Clock,
    ) -> Result<Self, Error> {
        let db = Database::builder(folder)
            .cache_size(settings.cache_size.as_u64())
            .max_journaling_size(JOURNALS)
            .worker_threads(MAINTENANCE_THREADS)
            .max_cached_files(Some(OPEN_FILES))
            .open()
            .map_err(|error| cannot_open(folder, &error))?;
        let queue_size = settings.queue_size.as_u64();
        let writer = Writer::spawn(db.clone(), Arc::clone(&clock), queue_size)?;
        let tables = Tables {
            folder: folder.to_owned(),
            memtable_size: settings.memtable_size.as_u64(),
            catalog: Catalog::open(&db)?,
            open: RwLock::default(),
        };
        Ok(Self {
            shared: Arc::new(Shared { writer, readers: Readers::new(), clock, db }),
            tables: Arc::new(tables),
        })
    }

    fn open_table<T: Table>(&self, build: Build) -> Result<Arc<dyn Rows<T>>, Error> {
        let name = catalog::keyspace_name(T::NAME, build);
        let records = self.keyspace(&name)?;
        // After the keyspace: one without a fingerprint is new, or was never written to.
        self.tables.catalog.check::<T>(build, &self.tables.folder)?;
        let mut space = Space { records, expiry: None };
        if let Some(time_to_live) = T::TIME_TO_LIVE {
            let index = self.keyspace(&expiry_of(&name))?;
            space.expiry = Some(Expiry { time_to_live, index });
            self.shared.writer.sweep(space.clone())?;
        }
        Ok(Arc::new(TableHandle::new(Arc::clone(&self.shared), space)))
    }

    fn keyspace(&self, name: &str) -> Result<Keyspace, Error> {
        let memtable_size = self.tables.memtable_size;
        let options = || {
            let compaction = Leveled::default()
                .with_l0_threshold(MERGED)
                .with_table_target_size((u64::from(MERGED) * memtable_size).min(FILE));
            KeyspaceCreateOptions::default()
                .max_memtable_size(memtable_size)
                .compaction_strategy(Arc::new(compaction))
        };
        self.shared.db.keyspace(name, options).map_err(|error| unusable(&error))
    }
}

impl Store for EmbeddedStore {
    fn table<T: Table>(&self, build: Build) -> Result<Arc<dyn Rows<T>>, Error> {
        let key = (T::NAME, build);
        let opened =
            |open: &OpenTables| open.get(&key)?.downcast_ref::<Arc<dyn Rows<T>>>().cloned();
        if let Some(rows) = opened(&self.tables.open.read().unwrap_or_else(PoisonError::into_inner))
        {
            return Ok(rows);
        }
        let mut open = self.tables.open.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(rows) = opened(&open) {
            return Ok(rows);
        }
        let rows = self.open_table::<T>(build)?;
        open.insert(key, Box::new(Arc::clone(&rows)));
        Ok(rows)
    }

    /// Tables are made where they are first opened.
    async fn make_build(&self, tables: &[&'static str], build: Build) -> Result<(), Error> {
        self.open_build(tables, build).await
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
        let of = (projection.to_owned(), build);
        let frontiers = self.keyspace(Frontiers::NAME)?;
        let attempts = self.keyspace(Attempts::NAME)?;
        let ranges = vec![
            (frontiers, layout::whole_partition::<Frontiers>(&of)),
            (attempts, layout::whole_partition::<Attempts>(&of)),
        ];
        let names: Vec<_> =
            tables.iter().map(|table| catalog::keyspace_name(table, build)).collect();
        self.tables.close(tables, build);
        let mut keyspaces = Vec::new();
        for name in names.iter().flat_map(|name| [name.clone(), expiry_of(name)]) {
            if self.shared.db.keyspace_exists(&name) {
                keyspaces.push(self.keyspace(&name)?);
            }
        }
        self.shared.writer.drop(Dropped { keyspaces, ranges }).await?;
        names.iter().try_for_each(|name| self.tables.catalog.forget(name))
    }
}

impl Tables {
    fn close(&self, tables: &[&'static str], build: Build) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(table, of), _| *of != build || !tables.contains(table));
    }
}

/// The keyspace with the times at which a table's records expire.
fn expiry_of(table: &str) -> String {
    format!("{table}.expiry")
}

fn cannot_open(folder: &Path, error: &fjall::Error) -> Error {
    let folder = folder.display();
    Error::Permanent(match error {
        fjall::Error::Locked => format!("{folder} is in use by another process"),
        error => format!("{folder} cannot be opened: {error}"),
    })
}

/// Every failure of fjall comes from the disk or from what lies on it: waiting mends
/// neither.
fn unusable(error: &fjall::Error) -> Error {
    Error::Permanent(error.to_string())
}
