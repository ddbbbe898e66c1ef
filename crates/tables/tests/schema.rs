//! `schema.cql` and the declared tables are one and the same.

mod cql;

use std::collections::BTreeMap;

use hubbub_tables::{Column, TableShape, every_table};

use crate::cql::{CqlColumn, CreateTable};

const SCHEMA: &str = include_str!("../../../schema.cql");

fn column(column: &Column, is_static: bool) -> CqlColumn {
    CqlColumn { name: column.name.to_owned(), cql_type: column.column_type.to_string(), is_static }
}

fn position(name: &str, is_static: bool) -> CqlColumn {
    CqlColumn { name: name.to_owned(), cql_type: "bigint".to_owned(), is_static }
}

/// What the declaration asks of Cassandra. The order of columns is the reader's.
fn expected(shape: &TableShape) -> CreateTable {
    let keys = shape.partition.iter().chain(&shape.clustering);
    let mut columns: Vec<_> = keys.map(|key| column(key, false)).collect();
    let has_rows = !shape.clustering.is_empty();
    columns.extend(shape.head.iter().map(|head| column(head, has_rows)));
    if has_rows && !shape.head.is_empty() {
        columns.push(position("head_position", true));
    }
    columns.extend(shape.row.iter().map(|row| column(row, false)));
    columns.push(position("position", false));

    let order = if shape.descending { "DESC" } else { "ASC" };
    let names = |columns: &[Column]| columns.iter().map(|c| c.name.to_owned()).collect();
    CreateTable {
        name: format!("hubbub.{}", shape.name),
        columns,
        partition_key: names(&shape.partition),
        clustering_key: names(&shape.clustering),
        clustering_order: shape
            .clustering
            .iter()
            .map(|c| (c.name.to_owned(), order.to_owned()))
            .collect(),
        options: BTreeMap::new(),
    }
}

#[test]
fn every_declared_table_is_in_the_schema_and_nothing_else() {
    let mut found = cql::create_tables(SCHEMA);
    for table in &mut found {
        table.options.clear();
    }
    let declared: Vec<_> = every_table().unwrap().iter().map(expected).collect();
    for (found, declared) in found.iter().zip(&declared) {
        assert_eq!(found, declared);
    }
    assert_eq!(found.len(), declared.len());
}

#[test]
fn records_expire_as_declared() {
    for (found, declared) in cql::create_tables(SCHEMA).iter().zip(every_table().unwrap()) {
        let seconds = declared.time_to_live.map(|time| time.as_secs().to_string());
        assert_eq!(found.options.get("default_time_to_live"), seconds.as_ref(), "{}", found.name);
    }
}

/// Write times are positions, which a strategy by time windows would misread.
#[test]
fn every_table_is_compacted_by_the_unified_strategy() {
    for table in cql::create_tables(SCHEMA) {
        let compaction = table.options.get("compaction").map(String::as_str).unwrap_or_default();
        assert!(compaction.contains("UnifiedCompactionStrategy"), "{}: {compaction}", table.name);
    }
}

#[test]
fn copies_are_placed_by_datacenter() {
    let statements = cql::statements(SCHEMA).join(";");
    assert!(statements.contains("NetworkTopologyStrategy"));
    assert!(!statements.contains("SimpleStrategy"));
}
