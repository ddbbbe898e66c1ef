//! The Kafka that the tests use, and topics of a test's own in it.

use std::sync::Arc;
use std::time::Duration;

use hubbub_events::Topic;
use hubbub_stream::kafka::topics;
use hubbub_stream::{KafkaLog, KafkaSettings, Log};
use hubbub_testkit::{log_conformance::Fixture, stack};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use uuid::Uuid;

/// How long anything may take before a test gives up.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The settings of a log with topics of its own on a cluster of one broker.
pub fn settings(broker: &str) -> KafkaSettings {
    KafkaSettings {
        brokers: vec![broker.to_owned()],
        topic_prefix: format!("test-{}.", Uuid::new_v4().simple()),
        partitions: 4,
        replication: 1,
        start_timeout: Duration::from_secs(5),
        ..KafkaSettings::default()
    }
}

/// Topics of one test's own, deleted with it.
pub struct OwnTopics {
    pub settings: KafkaSettings,
}

impl OwnTopics {
    pub async fn new() -> Self {
        let own = Self::absent();
        topics::apply(&own.settings).await.unwrap();
        own
    }

    /// Their names, before they are made.
    pub fn absent() -> Self {
        Self { settings: settings(&stack::kafka()) }
    }

    pub async fn open(&self) -> KafkaLog {
        KafkaLog::open(&self.settings).await.unwrap()
    }

    pub fn name(&self, topic: Topic) -> String {
        format!("{}{topic}", self.settings.topic_prefix)
    }

    pub fn admin(&self) -> AdminClient<DefaultClientContext> {
        let brokers = self.settings.brokers.join(",");
        ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap()
    }
}

impl Fixture for OwnTopics {
    async fn open(&self) -> Arc<dyn Log> {
        Arc::new(Self::open(self).await)
    }
}

impl Drop for OwnTopics {
    fn drop(&mut self) {
        let admin = self.admin();
        let names = Topic::ALL.map(|topic| self.name(topic));
        let deleting = std::thread::spawn(move || {
            let names = names.each_ref().map(String::as_str);
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            // What is not deleted takes room, and disturbs nobody.
            drop(runtime.block_on(admin.delete_topics(&names, &AdminOptions::new())));
        });
        drop(deleting.join());
    }
}
