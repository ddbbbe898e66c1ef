//! What an operator may set about Redis.

use std::{fmt::Debug, ops::RangeInclusive, time::Duration};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};

use crate::TlsSettings;

/// The settings of the cache that readers share.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisSettings {
    /// Where Redis is, as `host:port`.
    pub address: Address,
    /// The database's number, 0 to 1023; a cluster has 0 only.
    #[serde(deserialize_with = "database")]
    pub database: u16,
    /// Who logs in; empty: nobody, or with a password the default user.
    pub username: String,
    /// The password; empty: none.
    pub password: SecretString,
    /// Encryption.
    pub tls: TlsSettings,
    /// What the names of all keys begin with, at most 64 bytes without `{` and `}`.
    #[serde(deserialize_with = "key_prefix")]
    pub key_prefix: String,
    /// How long an entry lives, give or take 10 %; 1 s to 24 h.
    #[serde(deserialize_with = "time_to_live")]
    pub time_to_live: Duration,
    /// How long a reader waits for Redis, 1 ms to 10 s.
    #[serde(deserialize_with = "response_timeout")]
    pub response_timeout: Duration,
    /// Connections that reads are shared out to, 1 to 64; writes have one more.
    #[serde(deserialize_with = "connections")]
    pub connections: usize,
}

impl RedisSettings {
    /// What does not go together.
    ///
    /// # Errors
    /// Names the settings, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        self.tls.problem("redis.tls").map_or(Ok(()), Err)
    }
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// The host's name or address.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let bare = |host: &str| {
            let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            in_brackets.unwrap_or(host).to_owned()
        };
        match parts {
            Some((host, port)) if !host.is_empty() && port > 0 && !host.contains("//") => {
                Ok(Self { host: bare(host), port })
            }
            _ => Err(format!(
                "{text:?} is not allowed: the address of Redis is host:port, such as \
                 \"127.0.0.1:6379\" or \"[::1]:6379\""
            )),
        }
    }
}

const DATABASE: RangeInclusive<u16> = 0..=1023;
const CONNECTIONS: RangeInclusive<usize> = 1..=64;
const TIME_TO_LIVE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
const RESPONSE_TIMEOUT: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(10);
const PREFIX_LENGTH: usize = 64;

fn database<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    within(u16::deserialize(deserializer)?, &DATABASE, "0 to 1023")
}

fn connections<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    within(usize::deserialize(deserializer)?, &CONNECTIONS, "1 to 64")
}

fn time_to_live<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    within(humantime_serde::deserialize(deserializer)?, &TIME_TO_LIVE, "1s to 24h")
}

fn response_timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    within(humantime_serde::deserialize(deserializer)?, &RESPONSE_TIMEOUT, "1ms to 10s")
}

fn within<V: PartialOrd + Debug, E: de::Error>(
    value: V,
    range: &RangeInclusive<V>,
    named: &str,
) -> Result<V, E> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(E::custom(format_args!("{value:?} is not within the allowed {named}")))
}

/// A brace would begin a hash tag of its own.
fn key_prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let prefix = String::deserialize(deserializer)?;
    if prefix.len() <= PREFIX_LENGTH && !prefix.contains(['{', '}']) {
        return Ok(prefix);
    }
    Err(de::Error::custom(format_args!(
        "{prefix:?} is not allowed: a key prefix is at most {PREFIX_LENGTH} bytes without {{ and }}"
    )))
}
