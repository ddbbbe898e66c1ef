//! A fleet of the binary under test: topics and tables of its own on the servers that all tests share.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use hubbub_store::{CassandraSettings, cassandra::Schema};
use hubbub_stream::{KafkaLog, KafkaSettings, kafka::topics};
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
};
use scylla::client::{session::Session, session_builder::SessionBuilder};
use serde_json::{from_value, json};
use tokio::runtime;

use crate::{process::hubbub, stack};

/// How the names of all topics and keyspaces of fleets begin; the process that made them comes next.
const KEYSPACES: &str = "hubbub_fleet_";
const TOPICS: &str = "fleet-";
/// How long a broker may take to tell its topics.
const ASK: Duration = Duration::from_secs(10);

/// Topics and tables of one fleet, removed with it.
#[derive(Debug)]
pub struct Fleet {
    binary: PathBuf,
    servers: Addresses,
    /// The id of this process, and a number.
    name: String,
}

/// Where the servers of a fleet answer, each as `host:port`.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// The event log.
    pub kafka: String,
    /// The tables.
    pub cassandra: String,
    /// The cache.
    pub redis: String,
}

impl Addresses {
    /// Those of the servers that all tests share.
    ///
    /// # Panics
    /// Where one is away, with the line that starts it.
    #[must_use]
    pub fn shared() -> Self {
        Self { kafka: stack::kafka(), cassandra: stack::cassandra(), redis: stack::redis() }
    }
}

impl Fleet {
    /// Makes the topics and tables, by the binary's own commands. What the fleets of processes that are gone have left
    /// is removed before.
    ///
    /// # Panics
    /// Where a server is away, with the line that starts it, or a command fails.
    pub async fn new(binary: &Path) -> Self {
        Self::on(binary, Addresses::shared()).await
    }

    /// The same on other servers.
    ///
    /// # Panics
    /// Where one of them is away, or a command fails.
    pub async fn on(binary: &Path, servers: Addresses) -> Self {
        let fleet = Self::named(binary, servers).await;
        fleet.run(&["topics", "apply"]);
        fleet.run(&["schema", "apply"]);
        fleet
    }

    /// One of which there is no more than a name.
    async fn named(binary: &Path, servers: Addresses) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("{}_{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        sweep(&servers, is_left).await;
        Self { binary: binary.to_owned(), servers, name }
    }

    /// The same for a test that starts no binary: topics of so many partitions.
    ///
    /// # Panics
    /// Where a server is away, or makes nothing.
    pub async fn without_binary(partitions: u16) -> Self {
        let fleet = Self::named(Path::new(""), Addresses::shared()).await;
        let kafka = KafkaSettings { partitions, ..fleet.kafka() };
        let made = topics::apply(&kafka).await;
        made.unwrap_or_else(|error| panic!("the topics: {error}"));
        let cassandra = cassandra(&fleet.servers.cassandra, &fleet.keyspace());
        let schema = Schema::connect(&cassandra).await;
        let schema = schema.unwrap_or_else(|error| panic!("Cassandra: {error}"));
        let made = schema.apply().await;
        made.unwrap_or_else(|error| panic!("the tables: {error}"));
        fleet
    }

    /// The binary's command with these arguments, and with the settings of this fleet.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        self.command_of(&self.binary, args)
    }

    /// The same of another binary.
    #[must_use]
    pub fn command_of(&self, binary: &Path, args: &[&str]) -> Command {
        let mut command = hubbub(binary);
        command
            .args(args)
            .env("HUBBUB__LOG__KIND", "kafka")
            .env("HUBBUB__KAFKA__BROKERS", &self.servers.kafka)
            .env("HUBBUB__KAFKA__TOPIC_PREFIX", self.topic_prefix())
            .env("HUBBUB__KAFKA__REPLICATION", "1")
            .env("HUBBUB__STORE__KIND", "cassandra")
            .env("HUBBUB__CASSANDRA__CONTACT_POINTS", &self.servers.cassandra)
            .env("HUBBUB__CASSANDRA__KEYSPACE", self.keyspace())
            .env("HUBBUB__CASSANDRA__REPLICATION", "datacenter1:1")
            .env("HUBBUB__CACHE__KIND", "redis")
            .env("HUBBUB__REDIS__ADDRESS", &self.servers.redis)
            .env("HUBBUB__REDIS__KEY_PREFIX", self.topic_prefix());
        command
    }

    /// What the names of its topics and consumer groups begin with.
    #[must_use]
    pub fn topic_prefix(&self) -> String {
        format!("{TOPICS}{}.", self.name)
    }

    /// The keyspace of its tables.
    #[must_use]
    pub fn keyspace(&self) -> String {
        format!("{KEYSPACES}{}", self.name)
    }

    /// The log, as another writer of its topics has it.
    ///
    /// # Panics
    /// Where Kafka is away.
    pub async fn log(&self) -> KafkaLog {
        KafkaLog::open(&self.kafka()).await.unwrap_or_else(|error| panic!("Kafka: {error}"))
    }

    fn kafka(&self) -> KafkaSettings {
        kafka(&self.servers.kafka, &self.topic_prefix())
    }

    fn run(&self, args: &[&str]) {
        let output = self.command(args).output();
        let output = output.unwrap_or_else(|error| panic!("{args:?} cannot be run: {error}"));
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?} failed: {told}");
    }
}

/// The settings of a log in topics whose names begin so, for whoever is no binary.
#[must_use]
pub fn kafka(broker: &str, topic_prefix: &str) -> KafkaSettings {
    KafkaSettings {
        brokers: vec![broker.to_owned()],
        topic_prefix: topic_prefix.to_owned(),
        replication: 1,
        ..KafkaSettings::default()
    }
}

/// The settings of tables in a keyspace, for whoever is no binary.
///
/// # Panics
/// Where they are none.
#[must_use]
pub fn cassandra(contact_point: &str, keyspace: &str) -> CassandraSettings {
    let settings = json!({
        "contact_points": [contact_point], "local_datacenter": "datacenter1",
        "keyspace": keyspace, "replication": ["datacenter1:1"],
        "username": "", "password": "",
        "tls": { "enabled": false, "ca_file": "", "certificate_file": "", "key_file": "" },
        "connections_per_node": 1, "max_in_flight": 512,
        "request_timeout": "5s", "start_timeout": "10s"
    });
    from_value(settings).unwrap_or_else(|error| panic!("{keyspace}: {error}"))
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let (name, servers) = (self.name.clone(), self.servers.clone());
        // There may be a runtime here already, which must not be blocked.
        let swept = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build();
            runtime.map(|runtime| runtime.block_on(sweep(&servers, |found| found == name)))
        });
        // What is not removed takes room until the next fleet, and disturbs nobody.
        drop(swept.join());
    }
}

/// Whether a fleet is that of a process that is gone.
fn is_left(name: &str) -> bool {
    let process = name.split('_').next().unwrap_or_default();
    !fs::exists(format!("/proc/{process}")).unwrap_or(true)
}

/// Removes the topics and keyspaces of some fleets.
async fn sweep(servers: &Addresses, is_wanted: impl Fn(&str) -> bool) {
    let session = SessionBuilder::new().known_node(&servers.cassandra).fetch_schema_metadata(false);
    let session = session.build().await.unwrap_or_else(|error| panic!("Cassandra: {error}"));
    for keyspace in keyspaces(&session).await {
        let name = keyspace.strip_prefix(KEYSPACES);
        if name.is_some_and(&is_wanted) {
            let statement = format!("DROP KEYSPACE IF EXISTS {keyspace}");
            // Another process may drop it at the same time.
            drop(session.query_unpaged(statement, ()).await);
        }
    }
    let admin: AdminClient<DefaultClientContext> = ClientConfig::new()
        .set("bootstrap.servers", &servers.kafka)
        .create()
        .unwrap_or_else(|error| panic!("Kafka: {error}"));
    let metadata = admin.inner().fetch_metadata(None, ASK);
    let metadata = metadata.unwrap_or_else(|error| panic!("Kafka: {error}"));
    let names = metadata.topics().iter().map(|topic| topic.name());
    let wanted: Vec<_> = names
        .filter(|topic| {
            let name = topic.strip_prefix(TOPICS).and_then(|rest| rest.split('.').next());
            name.is_some_and(&is_wanted)
        })
        .collect();
    drop(admin.delete_topics(&wanted, &AdminOptions::new()).await);
}

async fn keyspaces(session: &Session) -> Vec<String> {
    let found =
        session.query_unpaged("SELECT keyspace_name FROM system_schema.keyspaces", ()).await;
    let rows = found.ok().and_then(|found| found.into_rows_result().ok());
    let rows = rows.unwrap_or_else(|| panic!("Cassandra does not tell its keyspaces"));
    let names = rows.rows::<(String,)>().unwrap_or_else(|error| panic!("{error}"));
    names.filter_map(Result::ok).map(|(name,)| name).collect()
}
