//! The store in Apache Cassandra.
//!
//! A head or row is written at its stamp as the timestamp, so that Cassandra itself lets
//! the one that reflects more win; a change is one mutation of its partition. Reads and
//! writes are at LOCAL_QUORUM.

mod client;
mod columns;
mod cql;
mod decode;
mod encode;
mod error;
mod inspect;
mod schema;
mod settings;
mod statements;
mod table;
mod values;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use futures::future::join_all;
use hubbub_tables::{Build, Table, TableShape, every_table};

use self::{
    client::{Client, until_started},
    error::mistake,
    inspect::Keyspace,
    statements::Statements,
    table::TableHandle,
};
use crate::{Error, Rows, Store};

pub use schema::{SCHEMA_VERSION, Schema, SchemaApplied};
pub use settings::{CassandraSettings, KeyspaceName, Replication};

/// Keeps tables in a keyspace. Clones share its connections, which close with the last
/// clone and handle; needs the tokio runtime that it was connected on.
#[derive(Clone)]
pub struct CassandraStore {
    client: Arc<Client>,
    keyspace: KeyspaceName,
    tables: Arc<RwLock<Tables>>,
}

/// The statements of every table and build that was there when it was looked for; or why
/// it cannot be used.
type Tables = HashMap<(&'static str, Build), Result<Arc<Statements>, Error>>;

impl CassandraStore {
    /// Connects to the cluster, waits for it as long as the settings say, checks the
    /// schema and prepares all statements.
    ///
    /// # Errors
    /// Where the cluster does not answer or refuses the login; where the schema is older
    /// than this program or lacks something, at once.
    pub async fn connect(settings: &CassandraSettings) -> Result<Self, Error> {
        until_started(settings.start_timeout, || Self::try_connect(settings)).await
    }

    async fn try_connect(settings: &CassandraSettings) -> Result<Self, Error> {
        let shapes = every_table().map_err(mistake)?;
        let client = Client::connect(settings).await?;
        let name = &settings.keyspace;
        let keyspace = Keyspace::read(&client, name).await?;
        schema::check(&client, name, &keyspace, &shapes).await?;
        let builds = shapes.into_iter().flat_map(|shape| {
            keyspace.builds(&shape).into_iter().map(move |build| (shape.clone(), build))
        });
        let tables = prepare(&client, name, &keyspace, builds.collect()).await?;
        let (client, tables) = (Arc::new(client), Arc::new(RwLock::new(tables)));
        Ok(Self { client, keyspace: name.clone(), tables })
    }

    fn forget(&self, tables: &[&'static str], build: Build) {
        let mut known = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(table, of), _| *of != build || !tables.contains(table));
    }
}

/// Prepares the statements of builds of tables.
async fn prepare(
    client: &Client,
    name: &KeyspaceName,
    keyspace: &Keyspace,
    builds: Vec<(TableShape, Build)>,
) -> Result<Tables, Error> {
    let prepare = builds.into_iter().map(async |(shape, build)| {
        let (key, faults) = ((shape.name, build), keyspace.faults(&shape, build));
        if !faults.is_empty() {
            return Ok((key, Err(mistake(faults.join(", ")))));
        }
        let statements = Statements::prepare(client, name, shape, build).await?;
        Ok((key, Ok(Arc::new(statements))))
    });
    join_all(prepare).await.into_iter().collect()
}

impl Store for CassandraStore {
    fn table<T: Table>(&self, build: Build) -> Result<Arc<dyn Rows<T>>, Error> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let Some(statements) = tables.get(&(T::NAME, build)) else {
            let table = columns::table_name(T::NAME, build);
            return Err(mistake(format_args!("there was no table {table} when it was looked for")));
        };
        let statements = Arc::clone(statements.as_ref().map_err(Clone::clone)?);
        if statements.shape != TableShape::of::<T>().map_err(mistake)? {
            return Err(mistake(format_args!("table {} is declared in two ways", T::NAME)));
        }
        Ok(Arc::new(TableHandle::new(Arc::clone(&self.client), statements)))
    }

    async fn make_build(&self, tables: &[&'static str], build: Build) -> Result<(), Error> {
        schema::create_build(&self.client, &self.keyspace, tables, build).await?;
        self.open_build(tables, build).await
    }

    async fn open_build(&self, tables: &[&'static str], build: Build) -> Result<(), Error> {
        let keyspace = Keyspace::read(&self.client, &self.keyspace).await?;
        let shapes = every_table().map_err(mistake)?.into_iter();
        let wanted = shapes.filter(|shape| tables.contains(&shape.name));
        let wanted = wanted.map(|shape| (shape, build)).collect();
        let opened = prepare(&self.client, &self.keyspace, &keyspace, wanted).await?;
        let fault = opened.values().find_map(|table| table.as_ref().err().cloned());
        self.tables.write().unwrap_or_else(PoisonError::into_inner).extend(opened);
        fault.map_or(Ok(()), Err)
    }

    async fn drop_build(
        &self,
        projection: &'static str,
        tables: &[&'static str],
        build: Build,
    ) -> Result<(), Error> {
        self.forget(tables, build);
        schema::drop_build(&self.client, &self.keyspace, projection, tables, build).await
    }
}
