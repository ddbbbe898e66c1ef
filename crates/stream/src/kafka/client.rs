//! How clients of Kafka are set up, and what they say.

use std::path::Path;

use hubbub_events::Topic;
use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use secrecy::ExposeSecret;

use super::settings::KafkaSettings;
use crate::Error;

/// The largest record that is taken, in bytes. A dead letter is its source's record and
/// a few headers more, so the dead letters' topic takes all of it, and the others half.
pub(super) const RECORD_LIMIT: usize = 4 * 1024 * 1024;

/// The names of topics and groups of one hubbub in a cluster.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: String,
    posts: String,
    dead_letters: String,
}

impl Names {
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            posts: format!("{prefix}{}", Topic::Posts),
            dead_letters: format!("{prefix}{}", Topic::DeadLetters),
        }
    }

    pub fn topic(&self, topic: Topic) -> &str {
        match topic {
            Topic::Posts => &self.posts,
            Topic::DeadLetters => &self.dead_letters,
        }
    }

    pub fn group(&self, group: &str) -> String {
        format!("{}{group}", self.prefix)
    }
}

/// What all clients have in common. What `kafka.client` says comes last, as it may say
/// nothing that hubbub relies on.
fn common(settings: &KafkaSettings, own: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set_log_level(RDKafkaLogLevel::Info)
        .set("bootstrap.servers", settings.brokers.join(","))
        .set("client.id", "hubbub")
        // A broker that makes topics when they are asked for makes them with its own defaults,
        // and `topics apply` refuses them for ever.
        .set("allow.auto.create.topics", "false")
        // A connection that says nothing for so long is given up: in a network that
        // swallows packets nothing else would end it.
        .set("socket.timeout.ms", "10000")
        .set("socket.keepalive.enable", "true")
        // A broker that is back is seen within a second.
        .set("reconnect.backoff.max.ms", "1000");
    secure(settings, &mut config);
    for (name, value) in own {
        config.set(*name, *value);
    }
    for (name, value) in &settings.client {
        config.set(name, value);
    }
    config
}

fn secure(settings: &KafkaSettings, config: &mut ClientConfig) {
    let (tls, sasl) = (&settings.tls, &settings.sasl);
    let protocol = match (sasl.mechanism.name(), tls.enabled) {
        (None, false) => "plaintext",
        (None, true) => "ssl",
        (Some(_), false) => "sasl_plaintext",
        (Some(_), true) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if tls.enabled {
        let is_set = |path: &Path| !path.as_os_str().is_empty();
        // "probe" looks where distributions keep the certificates that they trust.
        let ca = if is_set(&tls.ca_file) { tls.ca_file.to_string_lossy() } else { "probe".into() };
        config.set("ssl.ca.location", ca);
        if is_set(&tls.certificate_file) {
            config.set("ssl.certificate.location", tls.certificate_file.to_string_lossy());
            config.set("ssl.key.location", tls.key_file.to_string_lossy());
        }
    }
    if let Some(mechanism) = sasl.mechanism.name() {
        config.set("sasl.mechanism", mechanism);
        config.set("sasl.username", &sasl.username);
        config.set("sasl.password", sasl.password.expose_secret());
    }
}

/// A client that asks, and makes topics.
pub(super) fn admin(settings: &KafkaSettings) -> ClientConfig {
    common(settings, &[])
}

/// The one that appends.
pub(super) fn producer(settings: &KafkaSettings) -> ClientConfig {
    let mut config = common(
        settings,
        &[
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("compression.codec", "lz4"),
            ("queue.buffering.max.kbytes", "32768"),
            ("message.max.bytes", &RECORD_LIMIT.to_string()),
            // How it is known that no broker is connected.
            ("statistics.interval.ms", "250"),
        ],
    );
    config.set("linger.ms", settings.linger.as_millis().to_string());
    config.set("delivery.timeout.ms", settings.delivery_timeout.as_millis().to_string());
    config
}

/// A member of a consumer group.
pub(super) fn member(settings: &KafkaSettings, group: &str) -> ClientConfig {
    let mut config = common(
        settings,
        &[
            ("group.protocol", "classic"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("session.timeout.ms", "10000"),
            ("heartbeat.interval.ms", "3000"),
            // Whoever is not polled for so long loses its partitions to others.
            ("max.poll.interval.ms", "60000"),
            // What it holds is several times as much: answers are kept until their last record
            // is taken, and small records weigh more than their bytes.
            ("queued.max.messages.kbytes", "1024"),
            ("fetch.max.bytes", "1048576"),
            ("fetch.message.max.bytes", "262144"),
            // One partition's wait for records holds back those started meanwhile.
            ("fetch.wait.max.ms", "100"),
            // How long to stop fetching when enough is fetched.
            ("fetch.queue.backoff.ms", "10"),
        ],
    );
    reading(&mut config);
    config.set("group.id", group);
    config
}

/// One that reads single partitions, as a member of no group. The client wants the name
/// of one all the same.
pub(super) fn reader(settings: &KafkaSettings, names: &Names) -> ClientConfig {
    let mut config = common(
        settings,
        &[
            ("enable.partition.eof", "true"),
            ("queued.max.messages.kbytes", "2048"),
            ("fetch.message.max.bytes", "262144"),
            ("fetch.wait.max.ms", "10"),
        ],
    );
    reading(&mut config);
    config.set("group.id", names.group("hubbub.reader"));
    config
}

fn reading(config: &mut ClientConfig) {
    config
        .set("auto.offset.reset", "error")
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("check.crcs", "true");
}

/// The context of clients that have nothing to tell but what they log.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        log_error(&error, reason);
    }
}

/// Passes on what librdkafka logs. What it calls an error it retries: nothing is lost by
/// it, so it is no more than a warning.
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Error | RDKafkaLogLevel::Warning => {
            tracing::warn!(target: "librdkafka", facility, "{message}");
        }
        RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
            tracing::debug!(target: "librdkafka", facility, "{message}");
        }
    }
}

/// Passes on an error that a client reports beside its answers.
pub(super) fn log_error(error: &KafkaError, reason: &str) {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::PartitionEOF) => {}
        _ => tracing::warn!(target: "librdkafka", "{reason}"),
    }
}

/// What an answer of Kafka means for whoever asked.
pub(super) fn error(doing: &str, error: &KafkaError) -> Error {
    let text = format!("{doing}: {error}");
    match error {
        // Not the value: it may be a secret under a name that is misspelt.
        KafkaError::ClientConfig(_, problem, name, _) => {
            Error::Permanent(format!("librdkafka refuses {name}: {problem}"))
        }
        KafkaError::ClientCreation(problem) => Error::Permanent(format!("{doing}: {problem}")),
        _ => match error.rdkafka_error_code() {
            Some(code) if !is_final(code) => Error::Transient(text),
            Some(_) => Error::Permanent(text),
            None => Error::Transient(text),
        },
    }
}

/// Whether the same question will get the same answer until somebody changes something.
pub(super) fn is_final(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
            | RDKafkaErrorCode::Fatal
    )
}
