//! What an operator may set about the log in Apache Kafka.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::reserved::RESERVED;

/// The log in Apache Kafka.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaSettings {
    /// `host:port` of some brokers; they tell of the others.
    pub brokers: Vec<String>,
    /// What the names of topics and consumer groups begin with.
    pub topic_prefix: String,
    /// How many partitions every topic has, 1 to 1024; fixed when a topic is made.
    pub partitions: u16,
    /// How many brokers keep each record, 1 to 16; used when topics are made.
    pub replication: u16,
    /// How long a record waits for company before it is sent, at most 1 s.
    #[serde(with = "humantime_serde")]
    pub linger: Duration,
    /// How long an append may take until its outcome is called unknown, 1 s to 5 min.
    #[serde(with = "humantime_serde")]
    pub delivery_timeout: Duration,
    /// How long a start waits for a cluster that does not answer.
    #[serde(with = "humantime_serde")]
    pub start_timeout: Duration,
    /// Encryption.
    pub tls: TlsSettings,
    /// Who hubbub is.
    pub sasl: SaslSettings,
    /// Further properties of librdkafka, by their names.
    pub client: BTreeMap<String, String>,
}

/// How connections to Kafka are encrypted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsSettings {
    /// Whether they are.
    pub enabled: bool,
    /// PEM: who may vouch for brokers. Empty: whom the system trusts.
    pub ca_file: PathBuf,
    /// PEM: the certificate that hubbub shows. Empty: none.
    pub certificate_file: PathBuf,
    /// PEM: its key.
    pub key_file: PathBuf,
}

/// How hubbub says who it is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SaslSettings {
    /// In which way.
    pub mechanism: SaslMechanism,
    /// The name.
    pub username: String,
    /// The password.
    pub password: SecretString,
}

/// A way to say who one is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum SaslMechanism {
    /// Not at all.
    #[default]
    #[serde(rename = "none")]
    None,
    /// The password itself: with TLS only.
    #[serde(rename = "PLAIN")]
    Plain,
    /// RFC 5802 with SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// RFC 5802 with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            brokers: vec!["127.0.0.1:9092".to_owned()],
            topic_prefix: String::new(),
            partitions: 12,
            replication: 3,
            linger: Duration::from_millis(5),
            delivery_timeout: Duration::from_secs(10),
            start_timeout: Duration::from_secs(60),
            tls: TlsSettings::default(),
            sasl: SaslSettings::default(),
            client: BTreeMap::new(),
        }
    }
}

impl PartialEq for SaslSettings {
    fn eq(&self, other: &Self) -> bool {
        let same_password = self.password.expose_secret() == other.password.expose_secret();
        self.mechanism == other.mechanism && self.username == other.username && same_password
    }
}

impl Eq for SaslSettings {}

impl SaslMechanism {
    /// Its name in Kafka; none where hubbub does not say who it is.
    pub(super) const fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Plain => Some("PLAIN"),
            Self::ScramSha256 => Some("SCRAM-SHA-256"),
            Self::ScramSha512 => Some("SCRAM-SHA-512"),
        }
    }
}

const PARTITIONS: RangeInclusive<u16> = 1..=1024;
const REPLICATION: RangeInclusive<u16> = 1..=16;
const LINGER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(1);
const DELIVERY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(300);
/// What Kafka allows in the name of a topic, less what the longest of ours takes.
const PREFIX_LENGTH: usize = 200;

impl KafkaSettings {
    /// What is out of range, or does not go together.
    ///
    /// # Errors
    /// Names the setting, its value and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        self.check_values()?;
        self.tls.problem().or_else(|| self.sasl.problem()).map_or(Ok(()), Err)
    }

    /// What is out of range by itself, whatever else is set.
    ///
    /// # Errors
    /// Names the setting, its value and what is allowed.
    pub fn check_values(&self) -> Result<(), String> {
        let problem = self
            .brokers_problem()
            .or_else(|| self.numbers_problem())
            .or_else(|| self.client_problem());
        problem.map_or(Ok(()), Err)
    }

    fn brokers_problem(&self) -> Option<String> {
        if self.brokers.is_empty() {
            return Some("kafka.brokers is empty: at least one host:port is needed".to_owned());
        }
        let is_address = |broker: &&String| {
            let port = broker.rsplit_once(':').map(|(host, port)| (!host.is_empty(), port));
            port.is_some_and(|(has_host, port)| has_host && port.parse::<u16>().is_ok())
        };
        let wrong = self.brokers.iter().find(|broker| !is_address(broker));
        if let Some(wrong) = wrong {
            return Some(format!("kafka.brokers has {wrong:?}: host:port is allowed"));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let prefix = &self.topic_prefix;
        (prefix.len() > PREFIX_LENGTH || !prefix.chars().all(allowed)).then(|| {
            format!(
                "kafka.topic_prefix is {prefix:?}: at most {PREFIX_LENGTH} of A-Z a-z 0-9 . _ - \
                 are allowed"
            )
        })
    }

    fn numbers_problem(&self) -> Option<String> {
        fn outside<T: PartialOrd + std::fmt::Debug>(
            name: &str,
            value: T,
            range: &RangeInclusive<T>,
        ) -> Option<String> {
            let (start, end) = (range.start(), range.end());
            let refusal = || format!("kafka.{name} is {value:?}: {start:?} to {end:?} are allowed");
            (!range.contains(&value)).then(refusal)
        }
        outside("partitions", self.partitions, &PARTITIONS)
            .or_else(|| outside("replication", self.replication, &REPLICATION))
            .or_else(|| outside("linger", self.linger, &LINGER))
            .or_else(|| outside("delivery_timeout", self.delivery_timeout, &DELIVERY))
    }

    fn client_problem(&self) -> Option<String> {
        let name = self.client.keys().find(|name| RESERVED.contains(&name.as_str()))?;
        Some(format!(
            "kafka.client has {name}: hubbub relies on the value that it gives to it itself, so \
             only other properties of librdkafka are allowed"
        ))
    }
}

impl TlsSettings {
    fn problem(&self) -> Option<String> {
        let is_set = |path: &PathBuf| !path.as_os_str().is_empty();
        let files = [
            ("ca_file", &self.ca_file),
            ("certificate_file", &self.certificate_file),
            ("key_file", &self.key_file),
        ];
        let set = files.into_iter().find(|(_, path)| is_set(path));
        if let Some((name, path)) = set.filter(|_| !self.enabled) {
            let path = path.display();
            return Some(format!(
                "kafka.tls.{name} is {path}, which needs kafka.tls.enabled = true"
            ));
        }
        if is_set(&self.certificate_file) != is_set(&self.key_file) {
            return Some(
                "of kafka.tls.certificate_file and kafka.tls.key_file only one is set: both or none \
                 are allowed"
                    .to_owned(),
            );
        }
        None
    }
}

impl SaslSettings {
    fn problem(&self) -> Option<String> {
        let has_name = !self.username.is_empty();
        let has_password = !self.password.expose_secret().is_empty();
        match self.mechanism.name() {
            None if has_name || has_password => Some(
                "kafka.sasl has a username or password, but its mechanism is none: PLAIN, \
                 SCRAM-SHA-256 and SCRAM-SHA-512 are allowed"
                    .to_owned(),
            ),
            Some(mechanism) if !has_name || !has_password => Some(format!(
                "kafka.sasl.mechanism is {mechanism}, which needs kafka.sasl.username and \
                 kafka.sasl.password"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(settings: serde_json::Value) -> Result<KafkaSettings, String> {
        let settings: KafkaSettings =
            serde_json::from_value(settings).map_err(|error| error.to_string())?;
        settings.check().map(|()| settings)
    }

    #[test]
    fn all_of_it_can_be_set() {
        let settings = read(json!({
            "brokers": ["a:9092", "b:9092"],
            "topic_prefix": "staging.",
            "partitions": 24,
            "replication": 1,
            "linger": "20ms",
            "delivery_timeout": "30s",
            "start_timeout": "5s",
            "tls": { "enabled": true, "ca_file": "ca.pem", "certificate_file": "c", "key_file": "k" },
            "sasl": { "mechanism": "SCRAM-SHA-512", "username": "u", "password": "p" },
            "client": { "socket.keepalive.enable": "false" },
        }));
        let settings = settings.unwrap();
        assert_eq!(settings.linger, Duration::from_millis(20));
        assert_eq!(settings.sasl.mechanism, SaslMechanism::ScramSha512);
        assert!(!format!("{settings:?}").contains("\"p\""), "{settings:?}");
        assert_eq!(read(json!({})), Ok(KafkaSettings::default()));
    }

    #[test]
    fn what_is_not_allowed_is_named_with_what_is() {
        for (settings, parts) in [
            (json!({ "broker": [] }), ["`broker`", "`brokers`"]),
            (json!({ "brokers": [] }), ["kafka.brokers", "host:port"]),
            (json!({ "brokers": ["a"] }), ["\"a\"", "host:port"]),
            (json!({ "brokers": [":1"] }), ["\":1\"", "host:port"]),
            (json!({ "topic_prefix": "a b" }), ["kafka.topic_prefix", "\"a b\""]),
            (json!({ "partitions": 0 }), ["kafka.partitions is 0", "1 to 1024"]),
            (json!({ "replication": 17 }), ["kafka.replication is 17", "1 to 16"]),
            (json!({ "linger": "2s" }), ["kafka.linger is 2s", "0ns to 1s"]),
            (json!({ "delivery_timeout": "1h" }), ["kafka.delivery_timeout", "1s to 300s"]),
            (json!({ "tls": { "ca_file": "x" } }), ["kafka.tls.ca_file", "kafka.tls.enabled"]),
            (
                json!({ "tls": { "enabled": true, "key_file": "x" } }),
                ["kafka.tls.certificate_file", "both or none"],
            ),
            (json!({ "sasl": { "mechanism": "GSSAPI" } }), ["`GSSAPI`", "`SCRAM-SHA-256`"]),
            (json!({ "sasl": { "mechanism": "PLAIN" } }), ["PLAIN", "kafka.sasl.password"]),
            (json!({ "sasl": { "password": "x" } }), ["mechanism is none", "SCRAM-SHA-512"]),
            (json!({ "client": { "acks": "1" } }), ["kafka.client has acks", "librdkafka"]),
        ] {
            let refusal = read(settings.clone()).unwrap_err();
            for part in parts {
                assert!(refusal.contains(part), "{settings}: {refusal}");
            }
        }
    }
}
