//! The handle on one build of one table.

use std::{marker::PhantomData, sync::Arc};

use async_trait::async_trait;
use fjall::{Database, Readable};
use hubbub_tables::{Change, Record, Stored, Table};

use super::{
    Clock, Shared,
    layout::{self, RowRange, WrittenAt},
    readers::IN_PLACE,
    unusable,
    writer::{Space, Write},
};
use crate::{Error, Rows, timing::Timer};

/// Implements [`Rows`].
pub(super) struct TableHandle<T> {
    shared: Arc<Shared>,
    space: Space,
    table: PhantomData<fn() -> T>,
}

impl<T: Table> TableHandle<T> {
    pub(super) fn new(shared: Arc<Shared>, space: Space) -> Self {
        Self { shared, space, table: PhantomData }
    }

    fn reader(&self) -> Reader<T> {
        Reader {
            db: self.shared.db.clone(),
            space: self.space.clone(),
            clock: Arc::clone(&self.shared.clock),
            table: PhantomData,
        }
    }

    async fn get<R: Record>(&self, keys: Vec<Vec<u8>>) -> Result<Vec<Option<Stored<R>>>, Error> {
        let reader = self.reader();
        if keys.len() <= IN_PLACE {
            return reader.get(&keys);
        }
        self.shared.readers.run(move || reader.get(&keys)).await
    }

    fn encode(&self, changes: Vec<Change<T>>) -> Result<Vec<Write>, Error> {
        let written_at = T::TIME_TO_LIVE.map(|_| WrittenAt::from_clock((self.shared.clock)()));
        let mut writes = Vec::new();
        for Change { partition, head, rows } in changes {
            if let Some(head) = head {
                let key = layout::head_key::<T>(&partition);
                let value = layout::encode_value::<T, _>(&head, written_at)?;
                writes.push(Write { key, stamp: head.stamp, value });
            }
            for (clustering, row) in rows {
                let key = layout::row_key::<T>(&partition, &clustering);
                let value = layout::encode_value::<T, _>(&row, written_at)?;
                writes.push(Write { key, stamp: row.stamp, value });
            }
        }
        Ok(writes)
    }
}

/// What a read takes along to another thread.
struct Reader<T> {
    db: Database,
    space: Space,
    clock: Clock,
    table: PhantomData<fn() -> T>,
}

impl<T: Table> Reader<T> {
    fn now(&self) -> Option<WrittenAt> {
        T::TIME_TO_LIVE.map(|_| WrittenAt::from_clock((self.clock)()))
    }

    /// All from one snapshot: a change is seen whole or not at all.
    fn get<R: Record>(&self, keys: &[Vec<u8>]) -> Result<Vec<Option<Stored<R>>>, Error> {
        let snapshot = self.db.snapshot();
        let now = self.now();
        let found = keys.iter().map(|key| {
            if key.len() > layout::MAX_KEY {
                return Ok(None);
            }
            let value = snapshot.get(&self.space.records, key).map_err(|error| unusable(&error))?;
            value.map_or(Ok(None), |value| layout::decode_value::<T, R>(&value, now))
        });
        found.collect()
    }

    fn scan(&self, range: &RowRange, limit: usize) -> Result<Vec<Row<T>>, Error> {
        let snapshot = self.db.snapshot();
        let now = self.now();
        let mut rows = Vec::new();
        for found in snapshot.range(&self.space.records, range.bounds.clone()) {
            let (key, value) = found.into_inner().map_err(|error| unusable(&error))?;
            let Some(row) = layout::decode_value::<T, T::Row>(&value, now)? else {
                continue;
            };
            rows.push((range.clustering::<T>(&key)?, row));
            if rows.len() == limit {
                break;
            }
        }
        Ok(rows)
    }

    /// Leaps from the first record of a partition to that of the next.
    fn partitions(
        &self,
        after: Option<&T::Partition>,
        limit: usize,
    ) -> Result<Vec<T::Partition>, Error> {
        let snapshot = self.db.snapshot();
        let now = self.now();
        let mut partitions = Vec::new();
        let mut from = layout::behind_partition::<T>(after);
        'partitions: while partitions.len() < limit {
            for found in snapshot.range(&self.space.records, from.clone()..) {
                let (key, value) = found.into_inner().map_err(|error| unusable(&error))?;
                if layout::is_expired::<T>(&value, now)? {
                    continue;
                }
                let partition = layout::partition_of::<T>(&key)?;
                from = layout::behind_partition::<T>(Some(&partition));
                partitions.push(partition);
                continue 'partitions;
            }
            break;
        }
        Ok(partitions)
    }
}

type Row<T> = (<T as Table>::Clustering, Stored<<T as Table>::Row>);

#[async_trait]
impl<T: Table> Rows<T> for TableHandle<T> {
    async fn heads(&self, of: &[T::Partition]) -> Result<Vec<Option<Stored<T::Head>>>, Error> {
        let _timer = Timer::start("heads", T::NAME);
        self.get(of.iter().map(layout::head_key::<T>).collect()).await
    }

    async fn rows(
        &self,
        at: &[(T::Partition, T::Clustering)],
    ) -> Result<Vec<Option<Stored<T::Row>>>, Error> {
        let _timer = Timer::start("rows", T::NAME);
        self.get(at.iter().map(|(partition, row)| layout::row_key::<T>(partition, row)).collect())
            .await
    }

    async fn scan(
        &self,
        of: &T::Partition,
        after: Option<&T::Clustering>,
        limit: usize,
    ) -> Result<Vec<Row<T>>, Error> {
        let _timer = Timer::start("scan", T::NAME);
        let Some(range) = RowRange::behind::<T>(of, after).filter(|_| limit > 0) else {
            return Ok(Vec::new());
        };
        let reader = self.reader();
        self.shared.readers.run(move || reader.scan(&range, limit)).await
    }

    async fn partitions(
        &self,
        after: Option<&T::Partition>,
        limit: usize,
    ) -> Result<Vec<T::Partition>, Error> {
        let _timer = Timer::start("partitions", T::NAME);
        let (reader, after) = (self.reader(), after.cloned());
        self.shared.readers.run(move || reader.partitions(after.as_ref(), limit)).await
    }

    async fn apply(&self, changes: Vec<Change<T>>) -> Result<(), Error> {
        let _timer = Timer::start("apply", T::NAME);
        let writes = self.encode(changes)?;
        if writes.is_empty() {
            return Ok(());
        }
        self.shared.writer.apply(self.space.clone(), writes).await
    }
}
