//! The handle on one build of one table.

use std::{collections::HashMap, marker::PhantomData, sync::Arc};

use async_trait::async_trait;
use hubbub_tables::{Change, Key, Record, Stored, Table};
use scylla::{
    deserialize::row::ColumnIterator,
    serialize::row::SerializeRow,
    statement::{
        batch::{Batch, BatchType},
        bound::BoundStatement,
        prepared::PreparedStatement,
    },
};

use super::{
    client::Client,
    decode,
    error::mistake,
    statements::{HeadStatements, RowStatements, Statements},
    values::{
        AnyOf, HeadValues, PartitionKey, PartitionsFrom, RowKey, RowValues, ScanFrom, Values,
    },
};
use crate::{Error, Rows, timing::Timer};

/// Heads asked for in one request: enough to make a look-up cheap, few enough for one
/// node to gather.
const HEADS_AT_ONCE: usize = 16;

/// Implements [`Rows`].
pub(super) struct TableHandle<T> {
    client: Arc<Client>,
    statements: Arc<Statements>,
    table: PhantomData<fn() -> T>,
}

impl<T: Table> TableHandle<T> {
    pub(super) const fn new(client: Arc<Client>, statements: Arc<Statements>) -> Self {
        Self { client, statements, table: PhantomData }
    }

    /// What each of some statements finds.
    async fn select<K: Key, R: Record>(
        &self,
        statement: &PreparedStatement,
        values: impl Iterator<Item = impl SerializeRow>,
    ) -> Result<Vec<Vec<(K, Stored<R>)>>, Error> {
        let bound = values.map(|values| bind(statement, &values)).collect::<Result<_, _>>()?;
        let read = async |client: Arc<Client>, bound| rows(&client, &bound).await;
        self.client.each(bound, read).await
    }

    /// The same where each finds one record at most.
    async fn select_each<R: Record>(
        &self,
        statement: &PreparedStatement,
        values: impl Iterator<Item = impl SerializeRow>,
    ) -> Result<Vec<Option<Stored<R>>>, Error> {
        let found = self.select::<(), R>(statement, values).await?;
        Ok(found.into_iter().map(|mut rows| rows.pop().map(|((), stored)| stored)).collect())
    }

    /// Heads by `IN`, in groups.
    async fn heads_in_groups(
        &self,
        get_many: &PreparedStatement,
        of: &[T::Partition],
    ) -> Result<Vec<Option<Stored<T::Head>>>, Error> {
        let groups = of.chunks(HEADS_AT_ONCE).map(AnyOf);
        let found = self.select::<T::Partition, T::Head>(get_many, groups).await?;
        let found: HashMap<_, _> = found.into_iter().flatten().collect();
        Ok(of.iter().map(|partition| found.get(partition).cloned()).collect())
    }
}

#[async_trait]
impl<T: Table> Rows<T> for TableHandle<T> {
    async fn heads(&self, of: &[T::Partition]) -> Result<Vec<Option<Stored<T::Head>>>, Error> {
        let _timer = Timer::start("heads", T::NAME);
        let Some(head) = &self.statements.head else {
            return Ok(vec![None; of.len()]);
        };
        match &head.get_many {
            Some(get_many) if of.len() > 1 => self.heads_in_groups(get_many, of).await,
            // One alone goes straight to a node that has it.
            _ => self.select_each(&head.get, of.iter().map(PartitionKey)).await,
        }
    }

    async fn rows(
        &self,
        at: &[(T::Partition, T::Clustering)],
    ) -> Result<Vec<Option<Stored<T::Row>>>, Error> {
        let _timer = Timer::start("rows", T::NAME);
        let Some(row) = &self.statements.row else {
            return Ok(vec![None; at.len()]);
        };
        let keys = at.iter().map(|(partition, clustering)| RowKey(partition, clustering));
        self.select_each(&row.get, keys).await
    }

    async fn scan(
        &self,
        of: &T::Partition,
        after: Option<&T::Clustering>,
        limit: usize,
    ) -> Result<Vec<(T::Clustering, Stored<T::Row>)>, Error> {
        let _timer = Timer::start("scan", T::NAME);
        let Some(row) = self.statements.row.as_ref().filter(|_| limit > 0) else {
            return Ok(Vec::new());
        };
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let statement = if after.is_some() { &row.scan_behind } else { &row.scan };
        let from = ScanFrom { partition: of, after, limit };
        let found = self.select(statement, [from].into_iter()).await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn partitions(
        &self,
        after: Option<&T::Partition>,
        limit: usize,
    ) -> Result<Vec<T::Partition>, Error> {
        let _timer = Timer::start("partitions", T::NAME);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let Statements { partitions, partitions_behind, .. } = &*self.statements;
        let statement = if after.is_some() { partitions_behind } else { partitions };
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let bound = bind(statement, &PartitionsFrom { after, limit })?;
        let read = async |client: Arc<Client>, bound| keys(&client, &bound).await;
        let found = self.client.each(vec![bound], read).await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn apply(&self, changes: Vec<Change<T>>) -> Result<(), Error> {
        let _timer = Timer::start("apply", T::NAME);
        let statements = Arc::clone(&self.statements);
        let put = move |client, change| put(client, Arc::clone(&statements), change);
        self.client.each(changes, put).await.map(|_| ())
    }
}

fn bind(
    statement: &PreparedStatement,
    values: &impl SerializeRow,
) -> Result<BoundStatement, Error> {
    statement.clone().bind(values).map_err(mistake)
}

/// The keys and records that a statement finds.
async fn rows<K: Key, R: Record>(
    client: &Client,
    statement: &BoundStatement,
) -> Result<Vec<(K, Stored<R>)>, Error> {
    let answer = client.execute(statement).await?.into_rows_result().map_err(mistake)?;
    let mut found = Vec::with_capacity(answer.rows_num());
    for columns in answer.rows::<ColumnIterator<'_, '_>>().map_err(mistake)? {
        found.extend(decode::stored(columns.map_err(mistake)?)?);
    }
    Ok(found)
}

/// The keys that a statement finds.
async fn keys<K: Key>(client: &Client, statement: &BoundStatement) -> Result<Vec<K>, Error> {
    let answer = client.execute(statement).await?.into_rows_result().map_err(mistake)?;
    let rows = answer.rows::<ColumnIterator<'_, '_>>().map_err(mistake)?;
    rows.map(|columns| decode::key_alone(columns.map_err(mistake)?)).collect()
}

/// Writes a change, atomically.
async fn put<T: Table>(
    client: Arc<Client>,
    statements: Arc<Statements>,
    change: Change<T>,
) -> Result<(), Error> {
    let Change { partition, head, rows } = &change;
    let bound = match (head, &**rows) {
        (None, []) => return Ok(()),
        (Some(head), []) => {
            bind(&heads_of::<T>(&statements)?.put, &HeadValues::<T> { partition, head })?
        }
        (None, [(clustering, row)]) => {
            bind(&rows_of::<T>(&statements)?.put, &RowValues::<T> { partition, clustering, row })?
        }
        _ => return put_together(&client, &statements, &change).await,
    };
    client.execute(&bound).await.map(|_| ())
}

/// All in one partition: so the batch is one mutation, whatever its size.
async fn put_together<T: Table>(
    client: &Client,
    statements: &Statements,
    Change { partition, head, rows }: &Change<T>,
) -> Result<(), Error> {
    let mut batch = Batch::new(BatchType::Unlogged);
    batch.set_is_idempotent(true);
    let mut values = Vec::with_capacity(1 + rows.len());
    if let Some(head) = head {
        batch.append_statement(heads_of::<T>(statements)?.put.clone());
        values.push(Values::<T>::Head(HeadValues { partition, head }));
    }
    for (clustering, row) in rows {
        batch.append_statement(rows_of::<T>(statements)?.put.clone());
        values.push(Values::Row(RowValues { partition, clustering, row }));
    }
    client.batch(&batch, values).await.map(|_| ())
}

fn heads_of<T: Table>(statements: &Statements) -> Result<&HeadStatements, Error> {
    let heads = statements.head.as_ref();
    heads.ok_or_else(|| mistake(format_args!("table {} has no heads", T::NAME)))
}

fn rows_of<T: Table>(statements: &Statements) -> Result<&RowStatements, Error> {
    let rows = statements.row.as_ref();
    rows.ok_or_else(|| mistake(format_args!("table {} has no rows", T::NAME)))
}
