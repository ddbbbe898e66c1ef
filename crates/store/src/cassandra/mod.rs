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

use std::{collections::HashMap, sync::Arc};

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
    tables: Arc<Tables>,
}

/// The statements of every table and build that was there at the start; or why it cannot
/// be used.
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
        let prepare = builds.map(async |(shape, build)| {
            let (key, faults) = ((shape.name, build), keyspace.faults(&shape, build));
            if !faults.is_empty() {
                return Ok((key, Err(mistake(faults.join(", ")))));
            }
            let statements = Statements::prepare(&client, name, shape, build).await?;
            Ok((key, Ok(Arc::new(statements))))
        });
        let tables = join_all(prepare).await.into_iter().collect::<Result<Tables, Error>>()?;
        Ok(Self { client: Arc::new(client), tables: Arc::new(tables) })
    }
}

impl Store for CassandraStore {
    fn table<T: Table>(&self, build: Build) -> Result<Arc<dyn Rows<T>>, Error> {
        let Some(statements) = self.tables.get(&(T::NAME, build)) else {
            let table = columns::table_name(T::NAME, build);
            return Err(mistake(format_args!("there was no table {table} when hubbub started")));
        };
        let statements = Arc::clone(statements.as_ref().map_err(Clone::clone)?);
        if statements.shape != TableShape::of::<T>().map_err(mistake)? {
            return Err(mistake(format_args!("table {} is declared in two ways", T::NAME)));
        }
        Ok(Arc::new(TableHandle::new(Arc::clone(&self.client), statements)))
    }
}
