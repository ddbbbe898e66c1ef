//! The text of statements on a declared table.

use hubbub_tables::{Column, TableShape};

use super::columns;

/// `INSERT` for a head: keys, position, columns, timestamp. `None` where the table has
/// no heads.
pub(super) fn put_head(table: &str, shape: &TableShape) -> Option<String> {
    let head = columns::head(shape);
    (!head.is_empty()).then(|| insert(table, &[&shape.partition, &head]))
}

/// The same for a row. `None` where the table is head only.
pub(super) fn put_row(table: &str, shape: &TableShape) -> Option<String> {
    let row = columns::row(shape);
    (!row.is_empty()).then(|| insert(table, &[&shape.partition, &shape.clustering, &row]))
}

/// `SELECT` for the head of one partition: position, columns.
pub(super) fn head(table: &str, shape: &TableShape) -> String {
    let columns = list(&[&columns::head(shape)], ", ");
    format!("SELECT {}{columns} FROM {table} WHERE {}", distinct(shape), equal(&[&shape.partition]))
}

/// `SELECT` for the heads of many partitions: position, key, columns. `None` where the
/// partition key has several columns, which `IN` cannot name together.
pub(super) fn heads(table: &str, shape: &TableShape) -> Option<String> {
    let [key] = &*shape.partition else {
        return None;
    };
    let head = columns::head(shape);
    let (position, columns) = head.split_first()?;
    let columns = list(&[&[*position], &[*key], columns], ", ");
    Some(format!("SELECT {}{columns} FROM {table} WHERE {} IN ?", distinct(shape), key.name))
}

/// `SELECT` for one row: position, columns.
pub(super) fn row(table: &str, shape: &TableShape) -> String {
    let columns = list(&[&columns::row(shape)], ", ");
    let keys = equal(&[&shape.partition, &shape.clustering]);
    format!("SELECT {columns} FROM {table} WHERE {keys}")
}

/// `SELECT` for the first rows of a partition: position, clustering key, columns.
pub(super) fn scan(table: &str, shape: &TableShape) -> String {
    format!("{} LIMIT ?", scanned(table, shape))
}

/// The same for the first rows behind a key.
pub(super) fn scan_behind(table: &str, shape: &TableShape) -> String {
    let keys = list(&[&shape.clustering], ", ");
    let behind = if shape.descending { '<' } else { '>' };
    let values = vec!["?"; shape.clustering.len()].join(", ");
    format!("{} AND ({keys}) {behind} ({values}) LIMIT ?", scanned(table, shape))
}

/// `SELECT` for the first partitions in the order of their tokens: key.
pub(super) fn partitions(table: &str, shape: &TableShape) -> String {
    let keys = list(&[&shape.partition], ", ");
    format!("SELECT DISTINCT {keys} FROM {table} LIMIT ?")
}

/// The same for the first ones behind a key.
pub(super) fn partitions_behind(table: &str, shape: &TableShape) -> String {
    let keys = list(&[&shape.partition], ", ");
    let values = vec!["?"; shape.partition.len()].join(", ");
    format!("SELECT DISTINCT {keys} FROM {table} WHERE token({keys}) > token({values}) LIMIT ?")
}

fn scanned(table: &str, shape: &TableShape) -> String {
    let row = columns::row(shape);
    let (position, columns) = row.split_at(1);
    let columns = list(&[position, &shape.clustering, columns], ", ");
    format!("SELECT {columns} FROM {table} WHERE {}", equal(&[&shape.partition]))
}

/// Static columns stand in every row of a partition: one is enough.
fn distinct(shape: &TableShape) -> &'static str {
    if shape.clustering.is_empty() { "" } else { "DISTINCT " }
}

fn insert(table: &str, columns: &[&[Column]]) -> String {
    let names = list(columns, ", ");
    let count = columns.iter().map(|columns| columns.len()).sum();
    let values = vec!["?"; count].join(", ");
    format!("INSERT INTO {table} ({names}) VALUES ({values}) USING TIMESTAMP ?")
}

fn list(columns: &[&[Column]], separator: &str) -> String {
    let names = columns.iter().flat_map(|columns| columns.iter()).map(|column| column.name);
    names.collect::<Vec<_>>().join(separator)
}

fn equal(columns: &[&[Column]]) -> String {
    format!("{} = ?", list(columns, " = ? AND "))
}

#[cfg(test)]
mod tests {
    use hubbub_tables::{PostAnalysis, PostLikes, PostsByAuthor, Receipts, Table};

    use super::*;

    fn shape<T: Table>() -> TableShape {
        TableShape::of::<T>().unwrap()
    }

    #[test]
    fn heads_beside_rows_are_static_columns() {
        let shape = shape::<PostLikes>();
        assert_eq!(
            put_head("k.t", &shape).unwrap(),
            "INSERT INTO k.t (post_id, head_position, life, user_id, version, like_count) \
             VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
        );
        assert_eq!(
            put_row("k.t", &shape).unwrap(),
            "INSERT INTO k.t (post_id, liked_by, position, liked) VALUES (?, ?, ?, ?) \
             USING TIMESTAMP ?"
        );
        assert_eq!(
            head("k.t", &shape),
            "SELECT DISTINCT head_position, life, user_id, version, like_count FROM k.t \
             WHERE post_id = ?"
        );
        assert_eq!(
            heads("k.t", &shape).unwrap(),
            "SELECT DISTINCT head_position, post_id, life, user_id, version, like_count FROM k.t \
             WHERE post_id IN ?"
        );
        assert_eq!(
            row("k.t", &shape),
            "SELECT position, liked FROM k.t WHERE post_id = ? AND liked_by = ?"
        );
    }

    #[test]
    fn scans_follow_the_tables_order() {
        assert_eq!(
            scan("k.t", &shape::<PostLikes>()),
            "SELECT position, liked_by, liked FROM k.t WHERE post_id = ? LIMIT ?"
        );
        assert_eq!(
            scan_behind("k.t", &shape::<PostLikes>()),
            "SELECT position, liked_by, liked FROM k.t WHERE post_id = ? AND (liked_by) > (?) LIMIT ?"
        );
        assert_eq!(
            scan_behind("k.t", &shape::<PostsByAuthor>()),
            "SELECT position, created_at, post_id, gone FROM k.t WHERE user_id = ? \
             AND (created_at, post_id) < (?, ?) LIMIT ?"
        );
    }

    #[test]
    fn some_tables_lack_some_statements() {
        let (rows_only, head_only) = (shape::<PostsByAuthor>(), shape::<PostAnalysis>());
        assert_eq!(put_head("k.t", &rows_only), None);
        assert_eq!(put_row("k.t", &head_only), None);
        assert!(!head("k.t", &head_only).contains("DISTINCT"));
        assert_eq!(heads("k.t", &shape::<Receipts>()), None);
    }
}
