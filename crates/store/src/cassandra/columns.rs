//! The columns that a declared table has in Cassandra.

use hubbub_tables::{Build, Column, ColumnType, TableShape};

/// What a column is to its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Partition,
    Clustering,
    Static,
    Regular,
}

impl Kind {
    /// As `system_schema.columns` has it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Partition => "partition_key",
            Self::Clustering => "clustering",
            Self::Static => "static",
            Self::Regular => "regular",
        }
    }
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TableColumn {
    pub(super) name: &'static str,
    pub(super) column_type: ColumnType,
    pub(super) kind: Kind,
}

/// The column with a row's stamp, or a head's where there are no rows.
const POSITION: Column = Column { name: "position", column_type: ColumnType::BigInt };
/// The column with a head's stamp beside rows.
const HEAD_POSITION: Column = Column { name: "head_position", column_type: ColumnType::BigInt };

/// The table's name in a build.
pub(super) fn table_name(name: &str, build: Build) -> String {
    if build == 1 { name.to_owned() } else { format!("{name}_b{build}") }
}

/// The build that a table's name says it is of, if it is one of `of`.
pub(super) fn build_of(table: &str, of: &str) -> Option<Build> {
    let rest = table.strip_prefix(of)?;
    if rest.is_empty() {
        return Some(1);
    }
    rest.strip_prefix("_b")?.parse().ok().filter(|build| table_name(of, *build) == table)
}

/// The head's columns, its position first; none where the table has no heads.
pub(super) fn head(shape: &TableShape) -> Vec<Column> {
    if shape.clustering.is_empty() {
        return [&[POSITION], &*shape.head].concat();
    }
    if shape.head.is_empty() {
        return Vec::new();
    }
    [&[HEAD_POSITION], &*shape.head].concat()
}

/// A row's columns, its position first and without its keys; none where the table is
/// head only.
pub(super) fn row(shape: &TableShape) -> Vec<Column> {
    if shape.clustering.is_empty() {
        return Vec::new();
    }
    [&[POSITION], &*shape.row].concat()
}

/// All columns of a table.
pub(super) fn all(shape: &TableShape) -> Vec<TableColumn> {
    let head_kind = if shape.clustering.is_empty() { Kind::Regular } else { Kind::Static };
    let groups = [
        (Kind::Partition, shape.partition.clone()),
        (Kind::Clustering, shape.clustering.clone()),
        (head_kind, head(shape)),
        (Kind::Regular, row(shape)),
    ];
    let columns = groups.into_iter().flat_map(|(kind, columns)| {
        columns.into_iter().map(move |Column { name, column_type }| TableColumn {
            name,
            column_type,
            kind,
        })
    });
    columns.collect()
}

#[cfg(test)]
mod tests {
    use hubbub_tables::{PostAnalysis, Posts, PostsByAuthor, Table};

    use super::*;

    fn names<T: Table>() -> Vec<String> {
        let shape = TableShape::of::<T>().unwrap();
        all(&shape)
            .iter()
            .map(|column| format!("{} {}", column.kind.as_str(), column.name))
            .collect()
    }

    #[test]
    fn heads_beside_rows_are_static() {
        let posts = names::<Posts>();
        assert_eq!(
            posts[..4],
            [
                "partition_key post_id",
                "clustering post_version",
                "static head_position",
                "static life"
            ]
        );
        assert!(posts.contains(&"regular position".to_owned()));
    }

    #[test]
    fn heads_alone_are_ordinary_and_rows_alone_have_none() {
        assert!(
            names::<PostAnalysis>()
                .iter()
                .all(|name| !name.contains("static") && !name.contains("head_position"))
        );
        let by_author = names::<PostsByAuthor>();
        assert!(by_author.iter().all(|name| !name.contains("head_position")), "{by_author:?}");
    }

    #[test]
    fn a_builds_number_stands_behind_the_name() {
        for (table, build) in [
            ("posts", Some(1)),
            ("posts_b2", Some(2)),
            ("posts_b12", Some(12)),
            ("posts_by_author", None),
            ("posts_b", None),
            ("posts_b1", None),
            ("posts_b02", None),
            ("post_likes", None),
        ] {
            assert_eq!(build_of(table, "posts"), build, "{table}");
        }
    }
}
