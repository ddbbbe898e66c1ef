//! The prepared statements of one build of a table.

use futures::future::OptionFuture;
use hubbub_tables::{Build, TableShape};
use scylla::statement::prepared::PreparedStatement;

use super::{client::Client, columns, cql, settings::KeyspaceName};
use crate::Error;

/// All that is ever asked of a table.
pub(super) struct Statements {
    pub(super) shape: TableShape,
    /// In tables with heads.
    pub(super) head: Option<HeadStatements>,
    /// In tables with rows.
    pub(super) row: Option<RowStatements>,
    pub(super) partitions: PreparedStatement,
    pub(super) partitions_behind: PreparedStatement,
}

pub(super) struct HeadStatements {
    pub(super) put: PreparedStatement,
    pub(super) get: PreparedStatement,
    /// Where the partition key is one column.
    pub(super) get_many: Option<PreparedStatement>,
}

pub(super) struct RowStatements {
    pub(super) put: PreparedStatement,
    pub(super) get: PreparedStatement,
    pub(super) scan: PreparedStatement,
    pub(super) scan_behind: PreparedStatement,
}

impl Statements {
    pub(super) async fn prepare(
        client: &Client,
        keyspace: &KeyspaceName,
        shape: TableShape,
        build: Build,
    ) -> Result<Self, Error> {
        let table = format!("{keyspace}.{}", columns::table_name(shape.name, build));
        let head = cql::put_head(&table, &shape).map(async |put| {
            let get_many = cql::heads(&table, &shape).map(|text| client.prepare(text));
            Ok::<_, Error>(HeadStatements {
                put: client.prepare(put).await?,
                get: client.prepare(cql::head(&table, &shape)).await?,
                get_many: OptionFuture::from(get_many).await.transpose()?,
            })
        });
        let row = cql::put_row(&table, &shape).map(async |put| {
            Ok::<_, Error>(RowStatements {
                put: client.prepare(put).await?,
                get: client.prepare(cql::row(&table, &shape)).await?,
                scan: client.prepare(cql::scan(&table, &shape)).await?,
                scan_behind: client.prepare(cql::scan_behind(&table, &shape)).await?,
            })
        });
        let partitions = client.prepare(cql::partitions(&table, &shape)).await?;
        let partitions_behind = client.prepare(cql::partitions_behind(&table, &shape)).await?;
        let head = OptionFuture::from(head).await.transpose()?;
        let row = OptionFuture::from(row).await.transpose()?;
        Ok(Self { head, row, partitions, partitions_behind, shape })
    }
}
