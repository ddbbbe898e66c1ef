//! What a keyspace has, held against what is declared.

use std::collections::{BTreeMap, BTreeSet};

use hubbub_tables::{Build, TableShape};

use super::{
    client::Client,
    columns::{self, Kind, TableColumn, build_of, table_name},
    error::mistake,
    settings::KeyspaceName,
};
use crate::Error;

/// The tables of a keyspace and their columns, by name.
pub(super) struct Keyspace {
    pub(super) exists: bool,
    tables: BTreeMap<String, BTreeMap<String, Found>>,
    /// Tables and columns that were dropped once.
    dropped: BTreeSet<(String, String)>,
}

/// A column as Cassandra has it.
struct Found {
    cql_type: String,
    kind: String,
    order: String,
}

/// How a table differs from its declaration.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Differences {
    /// What `ALTER TABLE ... ADD` mends.
    pub(super) to_add: Vec<TableColumn>,
    /// What only a new table does.
    pub(super) unlike: Vec<String>,
}

impl Keyspace {
    pub(super) async fn read(client: &Client, name: &KeyspaceName) -> Result<Self, Error> {
        const KEYSPACE: &str =
            "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
        const COLUMNS: &str = "SELECT table_name, column_name, type, kind, clustering_order \
                               FROM system_schema.columns WHERE keyspace_name = ?";
        const DROPPED: &str = "SELECT table_name, column_name FROM system_schema.dropped_columns \
                               WHERE keyspace_name = ?";
        let of = (name.to_string(),);
        let keyspace = client.query(KEYSPACE, &of).await?.into_rows_result().map_err(mistake)?;
        let columns = client.query(COLUMNS, &of).await?.into_rows_result().map_err(mistake)?;
        let dropped = client.query(DROPPED, &of).await?.into_rows_result().map_err(mistake)?;
        let dropped =
            dropped.rows().map_err(mistake)?.collect::<Result<_, _>>().map_err(mistake)?;
        let mut tables = BTreeMap::<_, BTreeMap<_, _>>::new();
        type Row = (String, String, String, String, String);
        for row in columns.rows::<Row>().map_err(mistake)? {
            let (table, column, cql_type, kind, order) = row.map_err(mistake)?;
            tables.entry(table).or_default().insert(column, Found { cql_type, kind, order });
        }
        Ok(Self { exists: keyspace.rows_num() > 0, tables, dropped })
    }

    pub(super) fn has(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// The builds of a table that are there.
    pub(super) fn builds(&self, shape: &TableShape) -> BTreeSet<Build> {
        self.tables.keys().filter_map(|table| build_of(table, shape.name)).collect()
    }

    /// `None` where there is no such table.
    pub(super) fn differences(&self, shape: &TableShape, build: Build) -> Option<Differences> {
        let table = table_name(shape.name, build);
        let found = self.tables.get(&table)?;
        let mut differences = Differences::default();
        for column in columns::all(shape) {
            let (name, kind) = (column.name, column.kind.as_str());
            if self.dropped.contains(&(table.clone(), name.to_owned())) {
                // Whether or not it was added again: positions are far below that time.
                differences.unlike.push(format!(
                    "column {name} was dropped once, so Cassandra hides what is written to it with \
                     a timestamp before that: drop the table, and rebuild it"
                ));
                continue;
            }
            let Some(found) = found.get(name) else {
                match column.kind {
                    Kind::Static | Kind::Regular => differences.to_add.push(column),
                    _ => differences.unlike.push(format!("key column {name} is missing")),
                }
                continue;
            };
            let cql_type = column.column_type.to_string();
            if found.cql_type != cql_type || found.kind != kind {
                differences.unlike.push(format!(
                    "column {name} is {} ({}), where {cql_type} ({kind}) is declared",
                    found.cql_type, found.kind
                ));
            }
            let order = if shape.descending { "desc" } else { "asc" };
            if column.kind == Kind::Clustering && found.order != order {
                let is = &found.order;
                let problem = format!("column {name} is ordered {is}, where {order} is declared");
                differences.unlike.push(problem);
            }
        }
        Some(differences)
    }

    /// All that stands in the way of using a build of a table.
    pub(super) fn faults(&self, shape: &TableShape, build: Build) -> Vec<String> {
        let table = table_name(shape.name, build);
        let Some(Differences { to_add, unlike }) = self.differences(shape, build) else {
            return vec![format!("table {table} is missing")];
        };
        let missing = to_add.iter().map(|column| format!("column {} is missing", column.name));
        missing.chain(unlike).map(|fault| format!("table {table}: {fault}")).collect()
    }
}
