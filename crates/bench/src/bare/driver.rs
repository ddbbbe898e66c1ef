//! What the drivers of Kafka and Cassandra take for the records, loads and writes of the projection
//! `analysis`, with as many under way as a worker has.

use std::{
    collections::{BTreeMap, HashSet},
    rc::Rc,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
};
use scylla::{
    client::{
        PoolSize, execution_profile::ExecutionProfile, session::Session,
        session_builder::SessionBuilder,
    },
    serialize::row::SerializeRow,
    statement::{Consistency, prepared::PreparedStatement},
};
use serde::{Deserialize, Serialize};
use tokio::{sync::Semaphore, task::LocalSet, time::interval};

use crate::{
    backlog,
    samples::{self, Samples},
    server::processor_time_of,
};

/// As a worker has them by default.
const BATCH: usize = 300;
const IN_FLIGHT: usize = 512;
const HEADS_AT_ONCE: usize = 16;

/// What to fold.
#[derive(Debug, Args)]
pub struct Fold {
    brokers: String,
    topic: String,
    contact_point: String,
    keyspace: String,
    /// What the ids of the posts to fold begin with; what else the topic has is consumed alone.
    prefix: String,
    /// How many of them there are.
    posts: usize,
}

/// What it came to.
#[derive(Debug, Serialize, Deserialize)]
pub struct Folded {
    /// The consumer's processor time a record, in µs.
    pub consuming: f64,
    /// The driver's for a record's loads and writes.
    pub driving: f64,
    /// Records whose loads and writes were done in a second.
    pub rate: f64,
}

/// Consumes all, then does the loads and writes; prints a [`Folded`].
pub async fn fold(fold: Fold) -> anyhow::Result<()> {
    let before = processor_time_of("self")?;
    let (partitions, records) = consume(&fold)?;
    let consuming = (processor_time_of("self")? - before).as_secs_f64() * 1e6 / records as f64;
    let tables = Rc::new(Tables::open(&fold).await?);
    let mut samples = Samples::new(fold.posts);
    let local = LocalSet::new();
    let lanes = partitions.into_iter().map(|(partition, ids)| {
        let tables = Rc::clone(&tables);
        let lane = local.spawn_local(async move { tables.fold_partition(partition, &ids).await });
        async move { lane.await? }
    });
    let watching = async {
        let mut ticks = interval(samples::EVERY);
        loop {
            ticks.tick().await;
            let folded = tables.folded.load(Ordering::Relaxed) as f64;
            if !samples.note(processor_time_of("self")?, folded) {
                return anyhow::Ok(());
            }
        }
    };
    let folding = local.run_until(try_join_all(lanes.collect::<Vec<_>>()));
    tokio::try_join!(folding, watching)?;
    let (rate, driving) = samples.result().context("too few posts to measure anything by")?;
    println!("{}", serde_json::to_string(&Folded { consuming, driving, rate })?);
    Ok(())
}

/// The ids of the posts, with their offsets, by partition; and how many records were consumed.
type Consumed = (BTreeMap<i32, Vec<(i64, String)>>, usize);

fn consume(fold: &Fold) -> anyhow::Result<Consumed> {
    const TIMEOUT: Duration = Duration::from_secs(30);
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &fold.brokers)
        .set("group.id", "hubbub-bench")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("check.crcs", "true")
        .set("queued.max.messages.kbytes", "1024")
        .set("fetch.message.max.bytes", "262144")
        .create()?;
    let metadata = consumer.fetch_metadata(Some(&fold.topic), TIMEOUT)?;
    let topic = metadata.topics().first().context("there is no topic")?;
    let mut all = TopicPartitionList::new();
    for partition in topic.partitions() {
        all.add_partition_offset(&fold.topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&all)?;
    let mut partitions = BTreeMap::<_, Vec<_>>::new();
    let (mut wanted, mut records) = (fold.posts, 0);
    while wanted > 0 {
        let message = consumer.poll(TIMEOUT).context("the topic lacks posts")??;
        records += 1;
        let id = std::str::from_utf8(message.key().unwrap_or_default())?;
        if id.starts_with(&fold.prefix) {
            wanted -= 1;
            let record = (message.offset(), id.to_owned());
            partitions.entry(message.partition()).or_default().push(record);
        }
    }
    Ok((partitions, records))
}

/// The statements of the projection's tables.
struct Tables {
    session: Session,
    permits: Semaphore,
    folded: AtomicUsize,
    heads: PreparedStatement,
    put_head: PreparedStatement,
    author: PreparedStatement,
    put_author: PreparedStatement,
    put_frontier: PreparedStatement,
}

impl Tables {
    async fn open(fold: &Fold) -> anyhow::Result<Self> {
        let profile = ExecutionProfile::builder().consistency(Consistency::LocalQuorum).build();
        let session = SessionBuilder::new()
            .known_node(&fold.contact_point)
            .pool_size(PoolSize::PerHost(2.try_into()?))
            .default_execution_profile_handle(profile.into_handle())
            .build()
            .await?;
        session.use_keyspace(&fold.keyspace, false).await?;
        let prepare = async |statement: &str| {
            let mut prepared = session.prepare(statement).await?;
            prepared.set_is_idempotent(true);
            prepared.set_use_cached_result_metadata(true);
            anyhow::Ok(prepared)
        };
        Ok(Self {
            heads: prepare(
                "SELECT position, post_id, life, user_id, version, word_count, char_sum, analyzer, failed \
                 FROM post_analysis WHERE post_id IN ?",
            )
            .await?,
            put_head: prepare(
                "INSERT INTO post_analysis (post_id, position, life, user_id, version, word_count, char_sum, \
                 analyzer, failed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            author: prepare(
                "SELECT position, posts, words, chars FROM author_analysis \
                 WHERE user_id = ? AND source_partition = ?",
            )
            .await?,
            put_author: prepare(
                "INSERT INTO author_analysis (user_id, source_partition, position, posts, words, chars) \
                 VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            put_frontier: prepare(
                "INSERT INTO frontiers (projection, build, topic, generation, log_partition, position, \
                 log_offset, log_identity) VALUES ('bare', 1, 'hubbub.posts', 1, ?, ?, ?, 'bare') \
                 USING TIMESTAMP ?",
            )
            .await?,
            session,
            permits: Semaphore::new(IN_FLIGHT),
            folded: AtomicUsize::new(0),
        })
    }

    /// The loads and writes of one partition of the log, in the worker's order.
    async fn fold_partition(&self, partition: i32, ids: &[(i64, String)]) -> anyhow::Result<()> {
        let mut known = HashSet::new();
        for batch in ids.chunks(BATCH) {
            let groups = batch
                .chunks(HEADS_AT_ONCE)
                .map(|group| (group.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>(),));
            self.each(&self.heads, groups).await?;
            let authors: HashSet<_> = batch.iter().map(|(_, id)| backlog::author_of(id)).collect();
            let unknown = authors.iter().filter(|author| known.insert((*author).clone()));
            self.each(&self.author, unknown.map(|author| (author, partition))).await?;

            let last = batch.last().map_or(0, |(offset, _)| *offset);
            let sums = authors
                .iter()
                .map(|author| (author, partition, last, 10_i64, 400_i64, 2000_i64, last));
            self.each(&self.put_author, sums).await?;
            let heads = batch.iter().map(|(offset, id)| {
                let author = backlog::author_of(id);
                (id, offset, "live", author, 1_i64, 40_i64, 200_i64, "uax29-nfc/1", false, offset)
            });
            self.each(&self.put_head, heads).await?;
            let frontier = [(partition, last, last, last)];
            self.each(&self.put_frontier, frontier.into_iter()).await?;
            self.folded.fetch_add(batch.len(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Executes a statement with each of some values, many at a time.
    async fn each(
        &self,
        statement: &PreparedStatement,
        values: impl Iterator<Item = impl SerializeRow>,
    ) -> anyhow::Result<()> {
        let execute = async |values| {
            let _permit = self.permits.acquire().await?;
            self.session.execute_unpaged(statement, values).await?;
            anyhow::Ok(())
        };
        stream::iter(values.map(execute)).buffer_unordered(IN_FLIGHT).try_collect().await
    }
}
