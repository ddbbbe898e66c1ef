//! Appending.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use hubbub_events::TopicPartition;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};
use tokio::sync::oneshot;

use super::batch::{Batch, Fate, Ticket};
use super::client::{self, Names};
use super::connection::Connection;
use super::status;
use crate::sync::{read, write};
use crate::{AppendError, Error, NewRecord};

/// How much longer than a delivery may take, closing waits for it.
const GRACE: Duration = Duration::from_secs(5);

/// The producer of this process, replaced when it is done for.
pub(super) struct Producer {
    config: ClientConfig,
    names: Names,
    delivery_timeout: Duration,
    live: RwLock<Live>,
}

struct Live {
    producer: ThreadedProducer<Deliveries>,
    connection: Arc<Connection>,
    is_closed: bool,
}

/// What the client calls when something has become of a record, or of itself.
pub(super) struct Deliveries {
    connection: Arc<Connection>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        client::log(level, facility, message);
    }

    fn stats_raw(&self, statistics: &[u8]) {
        self.connection.note_statistics(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        client::log_error(&error, reason);
        self.connection.note_error(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        ticket.settle(match result {
            Ok(message) if message.offset() >= 0 => Ok(message.offset()),
            // A repeat that the broker knew as one, but no longer where it lies.
            Ok(_) => Err(AppendError::Unknown("the broker does not tell its offset".to_owned())),
            Err((error, message)) => Err(status::refusal(error, message)),
        });
    }
}

impl Live {
    fn new(config: &ClientConfig) -> Result<Self, KafkaError> {
        let connection = Arc::new(Connection::default());
        let deliveries = Deliveries { connection: Arc::clone(&connection) };
        let producer = ThreadedProducer::from_config_and_context(config, deliveries)?;
        Ok(Self { producer, connection, is_closed: false })
    }

    fn refusal(&self) -> Option<AppendError> {
        if self.is_closed {
            return Some(AppendError::Unavailable("it is closing".to_owned()));
        }
        self.connection.refusal()
    }
}

impl Producer {
    /// One that has not yet talked to a broker: it refuses until it has.
    pub fn new(
        config: ClientConfig,
        names: Names,
        delivery_timeout: Duration,
    ) -> Result<Self, Error> {
        let live =
            Live::new(&config).map_err(|error| client::error("making a producer", &error))?;
        Ok(Self { config, names, delivery_timeout, live: RwLock::new(live) })
    }

    /// Enqueues records in their order, or refuses them, at once. Where the fates of all
    /// will be told.
    pub fn enqueue(
        &self,
        records: &[NewRecord],
        has: impl Fn(TopicPartition) -> bool,
    ) -> oneshot::Receiver<Vec<Fate>> {
        self.replace_broken();
        let (batch, fates) = Batch::new(records.len());
        let live = read(&self.live);
        let mut refusal = live.refusal();
        for (index, record) in records.iter().enumerate() {
            let ticket = Ticket::new(&batch, index);
            let of = record.topic_partition;
            if let Some(refusal) = &refusal {
                ticket.settle(Err(refusal.clone()));
            } else if !has(of) {
                ticket.settle(Err(AppendError::Unavailable(format!("there is no {of}"))));
            } else if let Err((why, goes_on)) = self.send(&live, record, ticket) {
                refusal = (!goes_on).then_some(why);
            }
        }
        fates
    }

    /// Enqueues one record; else its ticket is settled, and it is told whether the next
    /// ones are to be tried.
    fn send(
        &self,
        live: &Live,
        record: &NewRecord,
        ticket: Ticket,
    ) -> Result<(), (AppendError, bool)> {
        let of = record.topic_partition;
        let mut message = BaseRecord::with_opaque_to(self.names.topic(of.topic), Box::new(ticket))
            .partition(of.partition)
            .key(&record.key[..])
            .payload(&record.value[..])
            .timestamp(record.time.0);
        if !record.headers.is_empty() {
            message = message.headers(headers(record));
        }
        let Err((error, message)) = live.producer.send(message) else {
            return Ok(());
        };
        let (why, goes_on) = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) => (AppendError::Full, false),
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                (AppendError::TooLarge(too_large(record)), true)
            }
            code => {
                if code == Some(RDKafkaErrorCode::Fatal) {
                    live.connection.note_broken();
                }
                (AppendError::Unavailable(error.to_string()), false)
            }
        };
        message.delivery_opaque.settle(Err(why.clone()));
        Err((why, goes_on))
    }

    /// Puts a new producer in the place of one that had a fatal error.
    fn replace_broken(&self) {
        if !read(&self.live).connection.is_broken() {
            return;
        }
        let mut live = write(&self.live);
        if !live.connection.is_broken() || live.is_closed {
            return;
        }
        match Live::new(&self.config) {
            Ok(new) => {
                new.connection.note_up();
                tracing::warn!("the producer had a fatal error, and is replaced");
                let old = std::mem::replace(&mut *live, new);
                // To end one takes a while: what it holds is failed, and told.
                std::thread::spawn(move || drop(old));
            }
            Err(error) => tracing::error!(%error, "the broken producer cannot be replaced"),
        }
    }

    /// Why nothing can be appended now.
    pub fn refusal(&self) -> Option<AppendError> {
        read(&self.live).refusal()
    }

    /// A broker has answered.
    pub fn note_up(&self) {
        read(&self.live).connection.note_up();
    }

    /// What keeps it from a broker, as far as it knows.
    pub fn complaint(&self) -> String {
        read(&self.live).connection.complaint()
    }

    /// Asks the client, from a thread that may wait.
    pub fn ask<T>(&self, question: impl FnOnce(&rdkafka::client::Client<Deliveries>) -> T) -> T {
        let producer = read(&self.live).producer.clone();
        question(producer.client())
    }

    /// Takes nothing more, and waits until all that was taken is told. It blocks.
    pub fn close(&self) {
        write(&self.live).is_closed = true;
        let producer = read(&self.live).producer.clone();
        if let Err(error) = producer.flush(self.delivery_timeout + GRACE) {
            tracing::warn!(%error, "closing the producer failed");
        }
    }
}

fn headers(record: &NewRecord) -> OwnedHeaders {
    let headers = OwnedHeaders::new_with_capacity(record.headers.len());
    record.headers.iter().fold(headers, |headers, (name, value)| {
        headers.insert(Header { key: name, value: Some(&value[..]) })
    })
}

fn too_large(record: &NewRecord) -> String {
    let bytes = record.key.len() + record.value.len();
    format!("the record has {bytes} bytes, and {} are allowed", client::RECORD_LIMIT)
}

#[cfg(test)]
mod tests {
    use hubbub_events::{Timestamp, Topic};
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;
    use crate::kafka::KafkaSettings;

    fn record() -> NewRecord {
        NewRecord {
            topic_partition: TopicPartition { topic: Topic::Posts, partition: 0 },
            key: "k".into(),
            value: "v".into(),
            headers: Vec::new(),
            time: Timestamp(1),
        }
    }

    #[tokio::test]
    async fn a_producer_with_a_fatal_error_is_replaced() {
        let cluster = MockCluster::new(1).unwrap();
        let names = Names::new("");
        cluster.create_topic(names.topic(Topic::Posts), 1, 1).unwrap();
        let settings =
            KafkaSettings { brokers: vec![cluster.bootstrap_servers()], ..Default::default() };
        let timeout = Duration::from_secs(3);
        let producer = Producer::new(client::producer(&settings), names, timeout).unwrap();
        let append = async || producer.enqueue(&[record()], |_| true).await.unwrap().remove(0);

        assert!(matches!(append().await, Err(AppendError::Unavailable(_))), "not yet connected");
        producer.note_up();
        assert_eq!(append().await, Ok(0));
        let desynchronized = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
        cluster.request_errors(RDKafkaApiKey::Produce, &[desynchronized]);
        let fate = append().await;
        assert!(matches!(fate, Err(AppendError::Unknown(_))), "{fate:?}");
        assert!(producer.ask(|client| client.fatal_error()).is_some());
        // The first one after it may be what shows that it is broken.
        let fate = match append().await {
            Err(AppendError::Unavailable(_)) => append().await,
            fate => fate,
        };
        assert!(fate.is_ok(), "{fate:?}");
        assert!(producer.ask(|client| client.fatal_error()).is_none());
    }
}
