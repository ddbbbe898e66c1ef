//! The store that the settings name.

use std::sync::Arc;

use hubbub_tables::{Build, Table};

use crate::{CassandraStore, EmbeddedStore, Error, Rows, Store, StoreSettings};

/// Any of the stores.
#[derive(Clone)]
pub enum Engine {
    /// In the process, on local disk.
    Embedded(EmbeddedStore),
    /// In Apache Cassandra.
    Cassandra(CassandraStore),
}

impl Engine {
    /// Opens the store that the settings name.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub async fn from_config(settings: StoreSettings) -> Result<Self, Error> {
        match settings {
            StoreSettings::Embedded { settings, folder } => {
                let open = move || EmbeddedStore::open(&settings, &folder);
                let opened = tokio::task::spawn_blocking(open).await;
                let opened = opened.map_err(|error| Error::Permanent(error.to_string()))?;
                opened.map(Self::Embedded)
            }
            StoreSettings::Cassandra(settings) => {
                CassandraStore::connect(&settings).await.map(Self::Cassandra)
            }
        }
    }
}

impl Store for Engine {
    fn table<T: Table>(&self, build: Build) -> Result<Arc<dyn Rows<T>>, Error> {
        match self {
            Self::Embedded(store) => store.table(build),
            Self::Cassandra(store) => store.table(build),
        }
    }

    async fn make_build(&self, tables: &[&'static str], build: Build) -> Result<(), Error> {
        match self {
            Self::Embedded(store) => store.make_build(tables, build).await,
            Self::Cassandra(store) => store.make_build(tables, build).await,
        }
    }

    async fn open_build(&self, tables: &[&'static str], build: Build) -> Result<(), Error> {
        match self {
            Self::Embedded(store) => store.open_build(tables, build).await,
            Self::Cassandra(store) => store.open_build(tables, build).await,
        }
    }

    async fn drop_build(
        &self,
        projection: &'static str,
        tables: &[&'static str],
        build: Build,
    ) -> Result<(), Error> {
        match self {
            Self::Embedded(store) => store.drop_build(projection, tables, build).await,
            Self::Cassandra(store) => store.drop_build(projection, tables, build).await,
        }
    }
}
