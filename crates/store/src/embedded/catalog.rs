//! What columns the kept tables have: postcard does not describe itself, so bytes
//! written under other columns would be misread without a word.

use std::{fmt::Write, path::Path};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use hubbub_tables::{Build, Column, Table, TableShape};

use super::{layout, unusable};
use crate::Error;

/// The keyspace that holds a fingerprint for each table; no table has a dot in front.
const NAME: &str = ".tables";

/// The fingerprints of the tables that were ever opened.
pub(super) struct Catalog {
    db: Database,
    fingerprints: Keyspace,
}

impl Catalog {
    pub(super) fn open(db: &Database) -> Result<Self, Error> {
        let fingerprints =
            db.keyspace(NAME, KeyspaceCreateOptions::default).map_err(|error| unusable(&error))?;
        Ok(Self { db: db.clone(), fingerprints })
    }

    /// Notes the columns of a table at its first opening, and holds it to them later.
    pub(super) fn check<T: Table>(&self, build: Build, folder: &Path) -> Result<(), Error> {
        let name = keyspace_name(T::NAME, build);
        let shape = TableShape::of::<T>().map_err(|error| Error::Permanent(error.to_string()))?;
        let declared = fingerprint(&shape);
        let kept = self.fingerprints.get(&name).map_err(|error| unusable(&error))?;
        let Some(kept) = kept else {
            let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
            batch.insert(&self.fingerprints, name, declared);
            return batch.commit().map_err(|error| unusable(&error));
        };
        if *kept == *declared.as_bytes() {
            return Ok(());
        }
        Err(Error::Permanent(format!(
            "table {name} is kept as [{}], and this version of hubbub reads [{declared}]: \
             stop hubbub, delete {} and start again; the tables are rebuilt from the log",
            String::from_utf8_lossy(&kept),
            folder.display(),
        )))
    }

    /// A table is no more.
    pub(super) fn forget(&self, name: &str) -> Result<(), Error> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        batch.remove(&self.fingerprints, name);
        batch.commit().map_err(|error| unusable(&error))
    }
}

/// The keyspace of a build of a table.
pub(super) fn keyspace_name(table: &str, build: Build) -> String {
    if build == 1 { table.to_owned() } else { format!("{table}.b{build}") }
}

fn fingerprint(shape: &TableShape) -> String {
    let mut text = format!("layout {}", layout::VERSION);
    let parts = [
        ("partition", &shape.partition),
        ("clustering", &shape.clustering),
        ("head", &shape.head),
        ("row", &shape.row),
    ];
    for (part, columns) in parts {
        let _ = write!(text, "; {part} ({})", list(columns));
    }
    if shape.descending {
        text.push_str("; descending");
    }
    if shape.time_to_live.is_some() {
        text.push_str("; expiring");
    }
    text
}

fn list(columns: &[Column]) -> String {
    let columns = columns.iter().map(|column| format!("{} {}", column.name, column.column_type));
    columns.collect::<Vec<_>>().join(", ")
}
