//! Reads CREATE TABLE statements: as much of CQL as the schema uses, and no more.

#![expect(clippy::unwrap_used, reason = "it reads one file, and fails the test by panicking")]

use std::collections::BTreeMap;

/// A `CREATE TABLE` statement.
#[derive(Debug, PartialEq)]
pub struct CreateTable {
    pub name: String,
    pub columns: Vec<CqlColumn>,
    pub partition_key: Vec<String>,
    pub clustering_key: Vec<String>,
    pub clustering_order: Vec<(String, String)>,
    /// What stands behind WITH, but for the clustering order.
    pub options: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq)]
pub struct CqlColumn {
    pub name: String,
    pub cql_type: String,
    pub is_static: bool,
}

/// The statements, without comments.
pub fn statements(cql: &str) -> Vec<String> {
    let code = cql.lines().map(|line| line.split("--").next().unwrap().trim());
    let code = code.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let mut statements: Vec<_> = code.split(';').map(|text| text.trim().to_owned()).collect();
    assert_eq!(statements.pop().as_deref(), Some(""), "the last statement has no semicolon");
    statements
}

/// The tables, in the order of the file. Panics at what it does not understand.
pub fn create_tables(cql: &str) -> Vec<CreateTable> {
    let statements = statements(cql);
    let tables = statements.iter().filter_map(|statement| {
        let table = statement.strip_prefix("CREATE TABLE IF NOT EXISTS ");
        assert!(
            table.is_some() || statement.starts_with("CREATE KEYSPACE IF NOT EXISTS hubbub "),
            "what is this? {statement}"
        );
        table.map(create_table)
    });
    tables.collect()
}

fn create_table(text: &str) -> CreateTable {
    let (name, rest) = text.split_once(" (").unwrap();
    let (definitions, with) = in_brackets(rest);
    let mut table = CreateTable {
        name: name.to_owned(),
        columns: Vec::new(),
        partition_key: Vec::new(),
        clustering_key: Vec::new(),
        clustering_order: Vec::new(),
        options: BTreeMap::new(),
    };
    for definition in split(definitions, ",") {
        match definition.strip_prefix("PRIMARY KEY ((") {
            Some(key) => {
                let (partition, clustering) = in_brackets(key);
                table.partition_key = list(partition);
                table.clustering_key = list(clustering.trim_end_matches(')'));
            }
            None => table.columns.push(column(definition)),
        }
    }
    for option in split(with.trim().strip_prefix("WITH ").unwrap(), " AND ") {
        match option.strip_prefix("CLUSTERING ORDER BY (") {
            Some(order) => {
                let order = split(order.strip_suffix(')').unwrap(), ",");
                table.clustering_order = order.into_iter().map(pair).collect();
            }
            None => {
                let (name, value) = option.split_once(" = ").unwrap();
                table.options.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    table
}

fn column(definition: &str) -> CqlColumn {
    let (name, cql_type) = pair(definition);
    let plain = cql_type.strip_suffix(" static");
    CqlColumn { name, cql_type: plain.unwrap_or(&cql_type).to_owned(), is_static: plain.is_some() }
}

fn pair(text: &str) -> (String, String) {
    let (first, second) = text.split_once(' ').unwrap();
    (first.to_owned(), second.to_owned())
}

fn list(text: &str) -> Vec<String> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// What stands before the bracket that closes the one just opened, and behind it.
fn in_brackets(text: &str) -> (&str, &str) {
    let mut depth = 1;
    for (i, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return (&text[..i], &text[i + 1..]);
        }
    }
    panic!("a bracket is not closed: {text}");
}

/// Splits where no bracket is open.
fn split<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for (at, _) in text.match_indices(separator) {
        let open = |open: &[char], close: &[char]| {
            text[start..at].matches(open).count() > text[start..at].matches(close).count()
        };
        if !open(&['(', '{', '<'], &[')', '}', '>']) {
            pieces.push(text[start..at].trim());
            start = at + separator.len();
        }
    }
    pieces.push(text[start..].trim());
    pieces
}
