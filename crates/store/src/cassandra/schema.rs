//! Making the tables, and checking that they are there.

use std::time::Duration;

use hubbub_events::Timestamp;
use hubbub_tables::{Build, TableShape, every_table};
use scylla::statement::Statement;

use super::{
    CassandraSettings,
    client::{Client, until_started},
    columns::{Kind, table_name},
    error::mistake,
    inspect::Keyspace,
    settings::KeyspaceName,
};
use crate::Error;

/// The version of `schema.cql` that this program is made for. It counts up with every
/// change of a table.
pub const SCHEMA_VERSION: i32 = 3;

/// Every table, with comments for whoever reads them.
const SCHEMA: &str = include_str!("../../../../schema.cql");

/// What each statement that makes a table begins with.
const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS hubbub.";

/// How long a change of the schema may take: a busy cluster needs longer for it than for any read or write.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);

/// The row of `builds` that holds the version of the schema. No projection has its name.
const SCHEMA_ROW: &str = "schema";

/// Tables that serve all builds of all projections.
const OF_ALL_BUILDS: [&str; 3] = ["frontiers", "attempts", "builds"];

/// Changes the schema. For one process at a time, as Cassandra asks; everything that it
/// does it may do again, and nothing is ever altered or dropped.
pub struct Schema {
    client: Client,
    settings: CassandraSettings,
}

/// What [`Schema::apply`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaApplied {
    /// The version that was recorded before; `None`: none.
    pub before: Option<i32>,
    /// The version that is recorded now.
    pub now: i32,
    /// What was made, such as `table posts` or `column posts.life`.
    pub added: Vec<String>,
}

impl Schema {
    /// Connects to the cluster, and waits for it as long as the settings say.
    ///
    /// # Errors
    /// Where the cluster does not answer, or refuses the login.
    pub async fn connect(settings: &CassandraSettings) -> Result<Self, Error> {
        let client = until_started(settings.start_timeout, || Client::connect(settings)).await?;
        Ok(Self { client, settings: settings.clone() })
    }

    /// Makes what is missing of the keyspace, its tables and their columns, in builds
    /// too, and records the version.
    ///
    /// # Errors
    /// Where the cluster does not answer, or a table is there that is not ours.
    pub async fn apply(&self) -> Result<SchemaApplied, Error> {
        let keyspace = &self.settings.keyspace;
        let found = self.inspect().await?;
        let mut added = Vec::new();
        if !found.exists {
            let replication = self.settings.replication.to_cql();
            self.run(format!(
                "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {replication} \
                 AND durable_writes = true"
            ))
            .await?;
            added.push(format!("keyspace {keyspace}"));
        }
        for statement in statements() {
            let Some((table, statement)) = create_table(&statement, keyspace, 1) else {
                continue;
            };
            if !found.has(&table) {
                self.run(statement).await?;
                added.push(format!("table {table}"));
            }
        }
        let found = self.inspect().await?;
        for shape in every_table().map_err(mistake)? {
            for build in found.builds(&shape) {
                self.add_columns(&found, &shape, build, &mut added).await?;
            }
        }
        let before = recorded_version(&self.client, keyspace).await?;
        let now = before.unwrap_or(0).max(SCHEMA_VERSION);
        if before != Some(now) {
            self.record_version(now).await?;
        }
        Ok(SchemaApplied { before, now, added })
    }

    async fn inspect(&self) -> Result<Keyspace, Error> {
        Keyspace::read(&self.client, &self.settings.keyspace).await
    }

    async fn add_columns(
        &self,
        found: &Keyspace,
        shape: &TableShape,
        build: Build,
        added: &mut Vec<String>,
    ) -> Result<(), Error> {
        let table = table_name(shape.name, build);
        let Some(differences) = found.differences(shape, build) else {
            return Ok(());
        };
        if let Some(unlike) = differences.unlike.first() {
            return Err(mistake(format_args!("table {table}: {unlike}")));
        }
        for column in differences.to_add {
            let is_static = if column.kind == Kind::Static { " static" } else { "" };
            self.run(format!(
                "ALTER TABLE {}.{table} ADD IF NOT EXISTS {} {}{is_static}",
                self.settings.keyspace, column.name, column.column_type
            ))
            .await?;
            added.push(format!("column {table}.{}", column.name));
        }
        Ok(())
    }

    async fn run(&self, statement: String) -> Result<(), Error> {
        run(&self.client, statement).await
    }

    /// `builds` is written at wall-clock time, also in its position.
    async fn record_version(&self, version: i32) -> Result<(), Error> {
        let statement = format!(
            "INSERT INTO {}.builds (projection, live_build, live_fold, next_build, next_fold, \
             previous_build, previous_fold, last_build, schema_version, position) \
             VALUES (?, 0, 0, 0, 0, 0, 0, 0, ?, ?) USING TIMESTAMP ?",
            self.settings.keyspace
        );
        let now = Timestamp::now().0 * 1000;
        self.client.query(statement, (SCHEMA_ROW, version, now, now)).await?;
        Ok(())
    }
}

/// Makes the tables of a later build, beside those that are there.
pub(super) async fn create_build(
    client: &Client,
    keyspace: &KeyspaceName,
    tables: &[&str],
    build: Build,
) -> Result<(), Error> {
    if build < 2 {
        return Err(mistake(format_args!("build {build} cannot be made: the first is 2")));
    }
    let statements = statements();
    for table in tables {
        let name = table_name(table, build);
        let mut made =
            statements.iter().filter_map(|statement| create_table(statement, keyspace, build));
        let statement = made.find_map(|(found, statement)| (found == name).then_some(statement));
        run(client, statement.filter(|_| has_builds(table)).ok_or_else(|| no_builds(table))?)
            .await?;
    }
    Ok(())
}

/// Drops the tables of a build, and what is kept of how far it was folded. Its number is not
/// used again, so nobody misses what was deleted at a time that is behind every position.
pub(super) async fn drop_build(
    client: &Client,
    keyspace: &KeyspaceName,
    projection: &str,
    tables: &[&str],
    build: Build,
) -> Result<(), Error> {
    if let Some(table) = tables.iter().find(|table| !has_builds(table)) {
        return Err(no_builds(table));
    }
    // The first build's tables are those of schema.cql, and stay.
    let what = if build == 1 { "TRUNCATE TABLE" } else { "DROP TABLE IF EXISTS" };
    for table in tables {
        run(client, format!("{what} {keyspace}.{}", table_name(table, build))).await?;
    }
    for table in ["frontiers", "attempts"] {
        let statement =
            format!("DELETE FROM {keyspace}.{table} WHERE projection = ? AND build = ?");
        client.query(statement, (projection, build)).await?;
    }
    Ok(())
}

/// The driver waits until all nodes agree on the schema.
async fn run(client: &Client, statement: String) -> Result<(), Error> {
    tracing::info!(statement, "changing the schema");
    let mut statement = Statement::new(statement);
    statement.set_request_timeout(Some(CHANGE_TIMEOUT));
    client.query(statement, ()).await?;
    Ok(())
}

fn has_builds(table: &str) -> bool {
    !OF_ALL_BUILDS.contains(&table)
}

fn no_builds(table: &str) -> Error {
    mistake(format_args!("there is no table {table} that has builds"))
}

/// Refuses a schema that is older than this program, or is not the declared one.
pub(super) async fn check(
    client: &Client,
    name: &KeyspaceName,
    keyspace: &Keyspace,
    shapes: &[TableShape],
) -> Result<(), Error> {
    let refused = |problem: &str| {
        mistake(format_args!(
            "keyspace {name}: {problem}; `hubbub schema apply` makes what is missing"
        ))
    };
    if !keyspace.exists {
        return Err(refused("there is no such keyspace"));
    }
    let is_complete = |name: &str| {
        shapes.iter().any(|shape| shape.name == name && keyspace.faults(shape, 1).is_empty())
    };
    if is_complete("builds") {
        let version = recorded_version(client, name).await?.unwrap_or(0);
        if version < SCHEMA_VERSION {
            let versions = format!("the schema has version {version}, {SCHEMA_VERSION} is needed");
            return Err(refused(&versions));
        }
    }
    let faults: Vec<_> = shapes.iter().flat_map(|shape| keyspace.faults(shape, 1)).collect();
    if faults.is_empty() { Ok(()) } else { Err(refused(&faults.join(", "))) }
}

/// The version that the last [`Schema::apply`] recorded.
async fn recorded_version(client: &Client, keyspace: &KeyspaceName) -> Result<Option<i32>, Error> {
    let statement = format!("SELECT schema_version FROM {keyspace}.builds WHERE projection = ?");
    let found = client.query(statement, (SCHEMA_ROW,)).await?;
    let rows = found.into_rows_result().map_err(mistake)?;
    Ok(rows.maybe_first_row::<(i32,)>().map_err(mistake)?.map(|(version,)| version))
}

/// The statements of the schema, without comments.
fn statements() -> Vec<String> {
    let code = SCHEMA.lines().map(|line| line.split("--").next().unwrap_or_default().trim());
    let code = code.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    code.split(';').map(|statement| statement.trim().to_owned()).collect()
}

/// The table that a statement makes, and the statement, in another keyspace and build;
/// `None` where it makes none.
fn create_table(
    statement: &str,
    keyspace: &KeyspaceName,
    build: Build,
) -> Option<(String, String)> {
    let (name, definition) = statement.strip_prefix(CREATE_TABLE)?.split_once(' ')?;
    let table = table_name(name, build);
    let statement = format!("CREATE TABLE IF NOT EXISTS {keyspace}.{table} {definition}");
    Some((table, statement))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_names_its_version() {
        let line = format!("-- Version {SCHEMA_VERSION}.");
        assert!(SCHEMA.lines().any(|found| found.starts_with(&line)), "{line}");
    }

    #[test]
    fn every_table_can_be_made_anywhere() {
        let keyspace = KeyspaceName::try_from("elsewhere".to_owned()).unwrap();
        let made: Vec<_> =
            statements().iter().filter_map(|text| create_table(text, &keyspace, 3)).collect();
        let declared = every_table().unwrap();
        assert_eq!(made.len(), declared.len());
        for ((table, statement), shape) in made.iter().zip(declared) {
            assert_eq!(*table, format!("{}_b3", shape.name));
            let start = format!("CREATE TABLE IF NOT EXISTS elsewhere.{table} (");
            assert!(statement.starts_with(&start), "{statement}");
            assert!(!statement.contains("hubbub."), "{statement}");
        }
    }
}
