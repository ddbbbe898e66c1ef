//! Reading single partitions, apart from any group.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use hubbub_events::{Offset, TopicPartition};
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::{ClientContext, Offset as At, TopicPartitionList};

use super::client;
use super::record::record;
use crate::sync::lock;
use crate::{Error, Record};

/// How long a read may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many clients are kept for the next reads.
const KEPT: usize = 4;

/// Why nothing could be read.
#[derive(Debug)]
pub(super) enum ReadError {
    /// The partition has no such offset, or not any more, or not yet.
    OutOfRange,
    /// What lies there cannot be read.
    Damaged(String),
    /// Anything else.
    Other(Error),
}

impl ReadError {
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged(_))
    }
}

/// Clients that read, kept while they are not needed: to make one takes longer than to
/// read.
pub(super) struct Readers {
    config: ClientConfig,
    idle: Mutex<Vec<BaseConsumer<Reading>>>,
}

/// What a reading client calls.
#[derive(Default)]
struct Reading {
    reason: Mutex<String>,
}

impl ClientContext for Reading {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::log_error(&error, reason);
        reason.clone_into(&mut lock(&self.reason));
    }
}

impl ConsumerContext for Reading {}

impl Readers {
    pub fn new(config: ClientConfig) -> Self {
        Self { config, idle: Mutex::default() }
    }

    /// The records at and after an offset, in order: about as much as asked for, at least
    /// one; none at the end. `name` is the topic's in Kafka. It blocks.
    pub fn read(
        &self,
        of: TopicPartition,
        name: &str,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Record>, ReadError> {
        let failed = |error| ReadError::Other(client::error("reading", &error));
        let idle = lock(&self.idle).pop();
        let client = match idle {
            Some(client) => client,
            None => BaseConsumer::from_config_and_context(&self.config, Reading::default())
                .map_err(failed)?,
        };
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(name, of.partition, At::Offset(from)).map_err(failed)?;
        client.assign(&list).map_err(failed)?;
        let mut records = Vec::new();
        let read = collect(&client, (name, of.partition), from, max_bytes, &mut records);
        client.unassign().map_err(failed)?;
        match read {
            Ok(()) => {
                let mut idle = lock(&self.idle);
                if idle.len() < KEPT {
                    idle.push(client);
                }
            }
            // What was read before is good; what is wrong comes again with the next read.
            // The client goes: what it still has of this one would disturb another.
            Err(_) if !records.is_empty() => {}
            Err(why) => return Err(why),
        }
        Ok(records)
    }
}

fn collect(
    client: &BaseConsumer<Reading>,
    of: (&str, i32),
    from: Offset,
    max_bytes: usize,
    records: &mut Vec<Record>,
) -> Result<(), ReadError> {
    let deadline = Instant::now() + TIMEOUT;
    let mut bytes = 0;
    while bytes < max_bytes.max(1) {
        let left = deadline.saturating_duration_since(Instant::now());
        let error = match client.poll(left) {
            Some(Ok(message)) => {
                // The client may still have something of what it read before.
                let is_wanted = (message.topic(), message.partition()) == of;
                if is_wanted && message.offset() >= from {
                    let record = record(&message);
                    bytes += record.weight();
                    records.push(record);
                }
                continue;
            }
            // An end told to an earlier read of the same client may still arrive: with
            // nothing read, the broker is asked.
            Some(Err(KafkaError::PartitionEOF(partition))) if partition == of.1 => {
                match records.is_empty() && end(client, of)? > from {
                    true => continue,
                    false => break,
                }
            }
            Some(Err(error)) => Some(error),
            None => None,
        };
        let reason = || lock(&client.context().reason).clone();
        let code = error.as_ref().and_then(KafkaError::rdkafka_error_code);
        let why = match code {
            Some(RDKafkaErrorCode::AutoOffsetReset) => ReadError::OutOfRange,
            Some(
                RDKafkaErrorCode::BadMessage
                | RDKafkaErrorCode::BadCompression
                | RDKafkaErrorCode::NotImplemented
                | RDKafkaErrorCode::MessageSizeTooLarge,
            ) => ReadError::Damaged(reason()),
            Some(code) if client::is_final(code) => ReadError::Other(Error::Permanent(reason())),
            _ if left.is_zero() => ReadError::Other(Error::Transient(format!(
                "nothing was read within {TIMEOUT:?}: {}",
                reason()
            ))),
            _ => continue,
        };
        return Err(why);
    }
    Ok(())
}

/// The offset behind the last acknowledged record.
fn end(
    client: &BaseConsumer<Reading>,
    (name, partition): (&str, i32),
) -> Result<Offset, ReadError> {
    let bounds = client.fetch_watermarks(name, partition, TIMEOUT);
    bounds.map(|(_, end)| end).map_err(|error| ReadError::Other(client::error("reading", &error)))
}
