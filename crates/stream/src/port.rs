//! The port that every event log implements.

use std::{borrow::Cow, ops::Range};

use async_trait::async_trait;
use bytes::Bytes;
use hubbub_events::{LogIdentity, Offset, Position, Timestamp, Topic, TopicPartition};

/// Names and values beside a record's value, in their order. A name may repeat. There are
/// many records and few names, so that those known when this is built are not copied.
pub type Headers = Vec<(Cow<'static, str>, Bytes)>;

/// The name of a header that was read.
pub(crate) fn header_name(name: &str) -> Cow<'static, str> {
    const USUAL: [&str; 6] =
        ["ce_specversion", "ce_id", "ce_type", "ce_source", "content-type", "traceparent"];
    match USUAL.into_iter().find(|usual| *usual == name) {
        Some(usual) => Cow::Borrowed(usual),
        None => Cow::Owned(name.to_owned()),
    }
}

/// A record to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Where to; the writer computes the partition from the key.
    pub topic_partition: TopicPartition,
    /// The id of the entity that the record is about.
    pub key: Bytes,
    /// The bytes of the event.
    pub value: Bytes,
    /// For those who route; hubbub decides nothing by them.
    pub headers: Headers,
    /// When it was made, later than the epoch: Kafka's clients take 0 for "now".
    pub time: Timestamp,
}

/// A record as it lies in its partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place in the partition.
    pub offset: Offset,
    /// As appended. Foreign writers may leave it out: then it is empty.
    pub key: Bytes,
    /// As appended.
    pub value: Bytes,
    /// As appended.
    pub headers: Headers,
    /// As appended.
    pub time: Timestamp,
}

impl Record {
    /// What it weighs in memory, about, in bytes: budgets are kept in this.
    #[must_use]
    pub fn weight(&self) -> usize {
        let headers = self.headers.iter().map(|(name, value)| name.len() + value.len() + 56);
        128 + self.key.len() + self.value.len() + headers.sum::<usize>()
    }
}

/// Why a record was not acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The queue has no room; certainly not stored. Try again shortly.
    #[error("the queue of the event log is full")]
    Full,
    /// No broker is connected, or the log is closing; certainly not stored.
    #[error("the event log is not available: {0}")]
    Unavailable(String),
    /// The record is larger than the log takes; certainly not stored, and no other try will be.
    #[error("the event log takes no record as large: {0}")]
    TooLarge(String),
    /// The disk has too little room; certainly not stored. It goes on by itself once there is some.
    #[error("the event log takes no records for now: {0}")]
    NoRoom(String),
    /// The disk is broken or damaged, and appends have stopped; certainly not stored.
    #[error("the event log takes no more records: {0}")]
    Storage(String),
    /// It was on its way when the time ran out or the log failed: it may be stored or not.
    #[error("whether the event log stored it is unknown: {0}")]
    Unknown(String),
}

/// Why the log could not be read, opened or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Worth another try: a time-out, a broker away.
    #[error("the event log does not answer: {0}")]
    Transient(String),
    /// The log is not the one that the frontiers were made from, or lost its end.
    #[error("the topic was recreated: {0}")]
    Recreated(String),
    /// No try will help before somebody mends it.
    #[error("the event log is unusable: {0}")]
    Permanent(String),
}

/// An append-only log of topics and their partitions, durable once acknowledged.
#[async_trait]
pub trait Log: Send + Sync {
    /// Which log this is.
    fn identity(&self) -> LogIdentity;

    /// How many partitions a topic has; fixed for a generation.
    fn partitions(&self, topic: Topic) -> i32;

    /// Appends records and waits for the acknowledgement of each; the results stand in
    /// the order of the records. At the first poll all of them are enqueued in order,
    /// or refused, before anything is waited for: the order of calls is the order in a
    /// partition. A dropped future takes nothing back.
    async fn append(&self, records: Vec<NewRecord>) -> Vec<Result<Offset, AppendError>>;

    /// Joins a consumer group of a topic. Nothing is delivered before
    /// [`Consumer::start`].
    ///
    /// # Errors
    /// Where the log cannot be reached at all.
    async fn consume(&self, group: &str, topic: Topic) -> Result<Box<dyn Consumer>, Error>;

    /// The offsets that can be read: from the first kept, to the next to be acknowledged.
    ///
    /// # Errors
    /// Where the log does not answer.
    async fn bounds(&self, of: TopicPartition) -> Result<Range<Offset>, Error>;

    /// The acknowledged records at and after an offset, in order: at least one where
    /// there is one, at most about `max_bytes`.
    ///
    /// # Errors
    /// Where the log does not answer, or the bytes at `from` are damaged.
    async fn read(
        &self,
        of: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Record>, Error>;

    /// Whether an append would be taken now.
    ///
    /// # Errors
    /// What stands in its way.
    async fn ready(&self) -> Result<(), AppendError>;

    /// Takes no more appends, and returns when those taken are acknowledged or failed.
    async fn close(&self);
}

/// What a consumer is told, one thing at a time.
#[derive(Debug)]
pub enum Polled {
    /// These partitions are this consumer's now, paused until [`Consumer::start`].
    Assigned(Vec<TopicPartition>),
    /// These will be another's as soon as they are given to [`Consumer::release`].
    Revoked(Vec<TopicPartition>),
    /// Records of one partition, in order, never empty.
    Records(TopicPartition, Vec<Record>),
    /// What lies at this position cannot be read; nothing after it is delivered until
    /// [`Consumer::start`].
    Unreadable(Position, String),
}

/// A member of a consumer group. Its owner polls it always, and holds back a
/// partition by pausing it.
#[async_trait]
pub trait Consumer: Send {
    /// Waits for what happens next. Cancel safe: a dropped future loses nothing.
    ///
    /// # Errors
    /// Only what ends the consumer; whatever passes is waited out inside.
    async fn poll(&mut self) -> Result<Polled, Error>;

    /// Delivers an assigned partition from this offset on, dropping what was fetched.
    /// The offset at the end is that of the next record, and is waited for.
    ///
    /// # Errors
    /// Where the partition is not assigned, the log does not answer, or an offset past
    /// the end shows that it lost its end ([`Error::Recreated`]; a log that learns its
    /// end only later answers that from [`Consumer::poll`]).
    fn start(&mut self, of: TopicPartition, from: Offset) -> Result<(), Error>;

    /// Delivers nothing of this partition until [`Consumer::resume`].
    fn pause(&mut self, of: TopicPartition);

    /// Delivers it again, from where it stopped.
    fn resume(&mut self, of: TopicPartition);

    /// Tells lag tools the next offset; decides nothing.
    fn commit(&mut self, of: TopicPartition, next: Offset);

    /// Lets go of revoked partitions.
    fn release(&mut self, of: &[TopicPartition]);

    /// Leaves the group.
    async fn close(self: Box<Self>);
}
