//! The event log in Apache Kafka.
//!
//! One producer appends for the whole process; each consumer is a member of its group
//! with a thread of its own. Offsets committed to the group decide nothing: they are for
//! those who watch the lag.

mod batch;
mod channel;
mod client;
mod connection;
mod consumer;
mod identity;
mod member;
mod membership;
mod producer;
mod reader;
mod record;
mod reserved;
mod settings;
mod start;
mod status;
pub mod topics;

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use hubbub_events::{LogIdentity, Offset, Topic, TopicPartition};

pub use self::settings::{KafkaSettings, SaslMechanism, SaslSettings, TlsSettings};

use self::batch::Fate;
use self::client::Names;
use self::consumer::KafkaConsumer;
use self::producer::Producer;
use self::reader::{ReadError, Readers};
use crate::{AppendError, Consumer, Error, Log, NewRecord, Record};

/// How long a broker may take to answer a question.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a broker may take to show that it is there.
const READY_TIMEOUT: Duration = Duration::from_secs(2);

/// The event log in Apache Kafka.
pub struct KafkaLog {
    settings: KafkaSettings,
    names: Names,
    identity: LogIdentity,
    producer: Arc<Producer>,
    readers: Arc<Readers>,
}

impl KafkaLog {
    /// Connects to the brokers, waits for them as long as the settings say, and holds the
    /// topics against what hubbub relies on.
    ///
    /// # Errors
    /// Where no broker answers in time; at once where a topic is absent or not as it must
    /// be, or the settings are not allowed.
    pub async fn open(settings: &KafkaSettings) -> Result<Self, Error> {
        settings.check().map_err(Error::Permanent)?;
        start::until_started(settings, || Self::try_open(settings)).await
    }

    async fn try_open(settings: &KafkaSettings) -> Result<Self, Error> {
        let names = Names::new(&settings.topic_prefix);
        let producer =
            Producer::new(client::producer(settings), names.clone(), settings.delivery_timeout)?;
        let producer = Arc::new(producer);
        let posts = names.topic(Topic::Posts).to_owned();
        let cluster = blocking(&producer, move |producer| cluster_id(producer, &posts)).await?;
        topics::check(settings).await?;
        producer.note_up();
        Ok(Self {
            settings: settings.clone(),
            identity: identity::identity(&cluster, &settings.topic_prefix),
            readers: Arc::new(Readers::new(client::reader(settings, &names))),
            names,
            producer,
        })
    }

    fn has(&self, of: TopicPartition) -> bool {
        (0..self.partitions(of.topic)).contains(&of.partition)
    }

    fn check_partition(&self, of: TopicPartition) -> Result<(), Error> {
        let partitions = self.partitions(of.topic);
        let absent = || format!("there is no {of}: the topic has {partitions} partitions");
        if self.has(of) { Ok(()) } else { Err(Error::Permanent(absent())) }
    }
}

/// Runs what waits for a broker where it holds up nobody.
async fn blocking<S: Send + Sync + 'static, T: Send + 'static>(
    with: &Arc<S>,
    ask: impl FnOnce(&S) -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let with = Arc::clone(with);
    let asked = tokio::task::spawn_blocking(move || ask(&with)).await;
    asked.unwrap_or_else(|failed| Err(Error::Permanent(format!("asking failed: {failed}"))))
}

fn cluster_id(producer: &Producer, topic: &str) -> Result<String, Error> {
    producer.ask(|client| {
        // The cluster's id comes with any answer, and only this tells why there is none.
        client.fetch_metadata(Some(topic), ASK_TIMEOUT).map_err(|error| {
            match client::error("asking for the cluster", &error) {
                Error::Transient(why) => {
                    Error::Transient(format!("{why} ({})", producer.complaint()))
                }
                other => other,
            }
        })?;
        let unnamed = || Error::Permanent("the cluster has no id".to_owned());
        client.fetch_cluster_id(ASK_TIMEOUT).ok_or_else(unnamed)
    })
}

fn bounds(producer: &Producer, name: &str, partition: i32) -> Result<Range<Offset>, Error> {
    let asked = producer.ask(|client| client.fetch_watermarks(name, partition, ASK_TIMEOUT));
    let (low, high) = asked.map_err(|error| client::error("asking for bounds", &error))?;
    Ok(low..high)
}

/// Whether the topic of posts is there, as it was at the start, and takes records. One
/// partition with a leader is enough: whoever is not ready takes no requests for the others
/// either.
fn takes_posts(producer: &Producer, name: &str, partitions: usize) -> Result<(), Error> {
    let metadata = producer
        .ask(|client| client.fetch_metadata(Some(name), READY_TIMEOUT))
        .map_err(|error| client::error("asking for leaders", &error))?;
    let Some(topic) = metadata.topics().first().filter(|topic| topic.error().is_none()) else {
        return Err(Error::Transient(format!("there is no topic {name}")));
    };
    let (found, led) = (topic.partitions().len(), topic.partitions().iter());
    let led = led.filter(|partition| partition.leader() >= 0).count();
    if found != partitions {
        let why = format!("{name} has {found} partitions, and had {partitions} at the start");
        return Err(Error::Transient(why));
    }
    if led == 0 {
        return Err(Error::Transient(format!("no partition of {name} has a leader")));
    }
    Ok(())
}

#[async_trait]
impl Log for KafkaLog {
    fn identity(&self) -> LogIdentity {
        self.identity.clone()
    }

    fn partitions(&self, _topic: Topic) -> i32 {
        self.settings.partitions.into()
    }

    async fn append(&self, records: Vec<NewRecord>) -> Vec<Fate> {
        let begun = Instant::now();
        let fates = self.producer.enqueue(&records, |of| self.has(of));
        let count = records.len();
        drop(records);
        let fates = fates.await.unwrap_or_else(|_| {
            let why = AppendError::Unknown("the producer ended before it told".to_owned());
            vec![Err(why); count]
        });
        metrics::histogram!("hubbub_append_duration_seconds").record(begun.elapsed());
        fates
    }

    async fn consume(&self, group: &str, topic: Topic) -> Result<Box<dyn Consumer>, Error> {
        let config = client::member(&self.settings, &self.names.group(group));
        let name = self.names.topic(topic);
        let readers = Arc::clone(&self.readers);
        Ok(Box::new(KafkaConsumer::join(&config, topic, name, readers)?))
    }

    async fn bounds(&self, of: TopicPartition) -> Result<Range<Offset>, Error> {
        self.check_partition(of)?;
        let name = self.names.topic(of.topic).to_owned();
        blocking(&self.producer, move |producer| bounds(producer, &name, of.partition)).await
    }

    async fn read(
        &self,
        of: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Record>, Error> {
        self.check_partition(of)?;
        if from < 0 {
            return Err(Error::Permanent(format!("{of} begins at offset 0, not at {from}")));
        }
        let name = self.names.topic(of.topic).to_owned();
        let read =
            blocking(&self.readers, move |readers| Ok(readers.read(of, &name, from, max_bytes)));
        match read.await? {
            Ok(records) => Ok(records),
            Err(ReadError::Damaged(why)) => {
                Err(Error::Permanent(format!("{}: {why}", of.at(from))))
            }
            Err(ReadError::Other(error)) => Err(error),
            Err(ReadError::OutOfRange) => match self.bounds(of).await? {
                bounds if from < bounds.start => Err(Error::Permanent(format!(
                    "{of} begins at offset {} now, and not at {from}",
                    bounds.start
                ))),
                bounds if from >= bounds.end => Ok(Vec::new()),
                _ => Err(Error::Transient(format!("{}: out of range for a moment", of.at(from)))),
            },
        }
    }

    async fn ready(&self) -> Result<(), AppendError> {
        if let Some(refusal) = self.producer.refusal() {
            return Err(refusal);
        }
        let name = self.names.topic(Topic::Posts).to_owned();
        let partitions = self.settings.partitions.into();
        let ready =
            blocking(&self.producer, move |producer| takes_posts(producer, &name, partitions));
        ready.await.map_err(|error| AppendError::Unavailable(error.to_string()))
    }

    async fn close(&self) {
        let closed = blocking(&self.producer, |producer| {
            producer.close();
            Ok(())
        });
        if let Err(error) = closed.await {
            tracing::warn!(%error, "closing the log failed");
        }
    }
}
