//! A table's declaration as data, for whoever creates tables or checks them.

use std::time::Duration;

use crate::{
    Attempts, AuthorAnalysis, Builds, Column, Frontiers, Key, PostAnalysis, PostEvents, PostLikes,
    Posts, PostsByAuthor, Receipts, Table, columns, columns::Unsupported,
};

/// What a [`Table`] declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableShape {
    /// Its name, without the build.
    pub name: &'static str,
    /// The columns of the partition key.
    pub partition: Vec<Column>,
    /// The columns of the clustering key; none: the table is head only.
    pub clustering: Vec<Column>,
    /// Whether rows are kept from the greatest clustering key down.
    pub descending: bool,
    /// How long a record is kept; `None`: for ever.
    pub time_to_live: Option<Duration>,
    /// The head's columns, without its position.
    pub head: Vec<Column>,
    /// A row's columns, without its keys and position.
    pub row: Vec<Column>,
}

impl TableShape {
    /// The shape of a declared table.
    ///
    /// # Errors
    /// Where the declaration is wrong: a field that no column holds, or key columns
    /// that are not named one by one.
    pub fn of<T: Table>() -> Result<Self, Unsupported> {
        Ok(Self {
            name: T::NAME,
            partition: key_columns::<T::Partition>(T::NAME, T::PARTITION)?,
            clustering: key_columns::<T::Clustering>(T::NAME, T::CLUSTERING)?,
            descending: T::DESCENDING,
            time_to_live: T::TIME_TO_LIVE,
            head: columns::<T::Head>()?,
            row: columns::<T::Row>()?,
        })
    }
}

fn key_columns<K: Key>(
    table: &str,
    names: &'static [&'static str],
) -> Result<Vec<Column>, Unsupported> {
    if names.len() != K::TYPES.len() {
        return Err(Unsupported::key(table, names, K::TYPES.len()));
    }
    let columns = names.iter().zip(K::TYPES);
    Ok(columns.map(|(name, column_type)| Column { name, column_type: *column_type }).collect())
}

/// The shape of every table, in the order of the schema.
///
/// # Errors
/// Where a declaration is wrong.
pub fn every_table() -> Result<Vec<TableShape>, Unsupported> {
    Ok(vec![
        TableShape::of::<Posts>()?,
        TableShape::of::<PostsByAuthor>()?,
        TableShape::of::<PostEvents>()?,
        TableShape::of::<Receipts>()?,
        TableShape::of::<PostAnalysis>()?,
        TableShape::of::<AuthorAnalysis>()?,
        TableShape::of::<PostLikes>()?,
        TableShape::of::<Frontiers>()?,
        TableShape::of::<Attempts>()?,
        TableShape::of::<Builds>()?,
    ])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_shape_is_what_the_table_declares() {
        let shape = TableShape::of::<PostsByAuthor>().unwrap();
        let columns = |columns: &[Column]| -> Vec<String> {
            let text = columns.iter().map(|c| format!("{} {}", c.name, c.column_type));
            text.collect()
        };
        assert_eq!(shape.name, "posts_by_author");
        assert_eq!(columns(&shape.partition), ["user_id text"]);
        assert_eq!(columns(&shape.clustering), ["created_at timestamp", "post_id text"]);
        assert!(shape.descending);
        assert_eq!(columns(&shape.head), [""; 0]);
        assert_eq!(columns(&shape.row), ["gone boolean"]);
    }

    #[test]
    fn tables_and_their_columns_have_names_of_their_own() {
        let tables = every_table().unwrap();
        let names: HashSet<_> = tables.iter().map(|table| table.name).collect();
        assert_eq!(names.len(), tables.len());
        for table in &tables {
            let parts = [&table.partition, &table.clustering, &table.head, &table.row];
            let mut seen = HashSet::from(["position", "head_position"]);
            for column in parts.into_iter().flatten() {
                assert!(seen.insert(column.name), "{} twice in {}", column.name, table.name);
            }
        }
    }

    #[test]
    fn key_columns_are_named_one_by_one() {
        struct Misnamed;
        impl Table for Misnamed {
            const NAME: &'static str = "misnamed";
            const PARTITION: &'static [&'static str] = &["a", "b"];
            type Partition = (String,);
            type Clustering = ();
            type Head = ();
            type Row = ();
        }
        let error = TableShape::of::<Misnamed>().unwrap_err().to_string();
        assert!(error.contains("misnamed"), "{error}");
    }
}
