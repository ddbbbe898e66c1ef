//! Whole partitions as readers want them: from Redis where it has them, else from the store.

use std::sync::Arc;

use hubbub_events::Offset;
use hubbub_tables::{Build, Stored, Table};
use tokio::try_join;

use super::{
    Cached, Snapshot,
    redis::{Found, RedisCache, RedisTable},
};
use crate::{Error, Rows, Store};

/// How often partitions are read again of which a head moved on between two reads.
const READS: usize = 3;

/// The partitions of one cached table.
pub struct Partitions<T: Table> {
    rows: Arc<dyn Rows<T>>,
    redis: Option<RedisTable<T>>,
}

/// A partition to be read, and how fresh.
pub struct Wanted<'a, T: Table> {
    /// Its key.
    pub partition: &'a T::Partition,
    /// How far the table's projection is by now.
    pub frontier: Offset,
    /// What Redis has is no answer where it is known to reflect less than this.
    pub floor: Offset,
}

/// What was found of a partition; `None`: it has no head.
pub type Read<T> = Option<Cached<Snapshot<T>>>;

impl<T: Table> Partitions<T> {
    /// The table in a store, with Redis in front of it where there is one.
    ///
    /// # Errors
    /// Where the table is missing or has other columns than declared.
    pub fn new<S: Store>(
        store: &S,
        build: Build,
        redis: Option<&RedisCache>,
    ) -> Result<Self, Error> {
        let redis = redis.map(|redis| redis.table(build)).transpose()?;
        Ok(Self { rows: store.table(build)?, redis })
    }

    /// The table in the store.
    #[must_use]
    pub fn rows(&self) -> &dyn Rows<T> {
        &*self.rows
    }

    /// One partition. What the store has to be asked for is
    /// left in Redis for the next reader, and that is not waited for.
    ///
    /// # Errors
    /// Where the store does not answer, or lacks a row that a head names.
    pub async fn read(&self, wanted: Wanted<'_, T>) -> Result<Read<T>, Error> {
        let found = match &self.redis {
            None => Found::Nothing(None),
            Some(redis) => {
                let key = redis.key(wanted.partition);
                let [reply] = redis.cache().fetch([&key]).await;
                redis.open(key, reply, wanted.floor)
            }
        };
        self.settle(wanted, found).await
    }

    /// Partitions as the store has them, in the order of their keys. A head may move on
    /// before the row that belongs to it is read; then all are read again.
    ///
    /// # Errors
    /// Where the store does not answer, or lacks a row that a head names.
    pub async fn read_stored(
        &self,
        partitions: &[T::Partition],
    ) -> Result<Vec<Option<Stored<Snapshot<T>>>>, Error> {
        let mut missing = None;
        for _ in 0..READS {
            let heads = self.rows.heads(partitions).await?;
            let row_of = |head: &Stored<T::Head>| T::row_of(&head.record);
            let keys: Vec<_> = partitions
                .iter()
                .zip(&heads)
                .filter_map(|(partition, head)| Some((partition.clone(), row_of(head.as_ref()?)?)))
                .collect();
            let rows = match keys.is_empty() {
                true => Vec::new(),
                false => self.rows.rows(&keys).await?,
            };
            missing = rows.iter().position(Option::is_none).map(|at| keys[at].clone());
            if missing.is_some() {
                continue;
            }
            let mut rows = rows.into_iter().flatten();
            let mut snapshot = |head: Stored<T::Head>| {
                let row = row_of(&head).and_then(|_| rows.next()).map(|row| row.record);
                Stored { stamp: head.stamp, record: Snapshot { head: head.record, row } }
            };
            return Ok(heads.into_iter().map(|head| head.map(&mut snapshot)).collect());
        }
        Err(Error::Permanent(format!(
            "the table {} lacks a row that a head names: {missing:?}",
            T::NAME
        )))
    }

    async fn settle(&self, wanted: Wanted<'_, T>, found: Found<T>) -> Result<Read<T>, Error> {
        let gap = match found {
            Found::Hit(cached) => return Ok(Some(cached)),
            Found::Nothing(gap) => gap,
        };
        let partition = std::slice::from_ref(wanted.partition);
        let Some(stored) = self.read_stored(partition).await?.pop().flatten() else {
            return Ok(None);
        };
        let cached = Cached { value: stored.record, stamp: stored.stamp, as_of: wanted.frontier };
        if let (Some(redis), Some(gap)) = (&self.redis, gap) {
            redis.fill(gap, &cached);
        }
        Ok(Some(cached))
    }
}

/// Partitions of two tables, in one round trip where Redis has both.
///
/// # Errors
/// Where the store does not answer, or lacks a row that a head names.
pub async fn read_both<A: Table, B: Table>(
    (a, wanted_a): (&Partitions<A>, Wanted<'_, A>),
    (b, wanted_b): (&Partitions<B>, Wanted<'_, B>),
) -> Result<(Read<A>, Read<B>), Error> {
    let (Some(redis_a), Some(redis_b)) = (&a.redis, &b.redis) else {
        return try_join!(a.read(wanted_a), b.read(wanted_b));
    };
    let (key_a, key_b) = (redis_a.key(wanted_a.partition), redis_b.key(wanted_b.partition));
    let [reply_a, reply_b] = redis_a.cache().fetch([&key_a, &key_b]).await;
    let found_a = redis_a.open(key_a, reply_a, wanted_a.floor);
    let found_b = redis_b.open(key_b, reply_b, wanted_b.floor);
    try_join!(a.settle(wanted_a, found_a), b.settle(wanted_b, found_b))
}
