//! What an operator may set about Cassandra.

use std::{fmt, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};

use crate::TlsSettings;

/// The settings of the store in Apache Cassandra.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CassandraSettings {
    /// Nodes to ask for the others, as `host:port`; at least one.
    #[serde(deserialize_with = "contact_points")]
    pub contact_points: Vec<String>,
    /// The datacenter that reads and writes go to, as Cassandra names it.
    pub local_datacenter: String,
    /// The keyspace of the tables.
    pub keyspace: KeyspaceName,
    /// Copies in each datacenter, for `schema apply` where it makes the keyspace.
    pub replication: Replication,
    /// Who logs in; empty: nobody.
    pub username: String,
    /// The password.
    pub password: SecretString,
    /// Encryption. A node's certificate must name its IP address.
    pub tls: TlsSettings,
    /// Connections to each node, 1 to 16.
    #[serde(deserialize_with = "connections_per_node")]
    pub connections_per_node: usize,
    /// Requests in flight at a time, 1 to 8192; further ones wait.
    #[serde(deserialize_with = "max_in_flight")]
    pub max_in_flight: usize,
    /// How long one request may take, at least 10 ms.
    #[serde(deserialize_with = "request_timeout")]
    pub request_timeout: Duration,
    /// How long a start waits for a cluster that does not answer.
    #[serde(with = "humantime_serde")]
    pub start_timeout: Duration,
}

impl CassandraSettings {
    /// What does not go together.
    ///
    /// # Errors
    /// Names the settings, and what is allowed.
    pub fn check(&self) -> Result<(), String> {
        let has_password = !self.password.expose_secret().is_empty();
        if self.username.is_empty() == has_password {
            return Err(
                "of cassandra.username and cassandra.password only one is set: both or none are \
                 allowed"
                    .to_owned(),
            );
        }
        self.tls.problem("cassandra.tls").map_or(Ok(()), Err)
    }
}

/// A keyspace's name: what needs no quotes in CQL.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct KeyspaceName(String);

impl TryFrom<String> for KeyspaceName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let is_plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_');
        if name.len() <= 48
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(is_plain)
        {
            return Ok(Self(name));
        }
        Err(format!(
            "{name:?} is not allowed: a keyspace's name is 1 to 48 of a-z, 0-9 and _, a letter first"
        ))
    }
}

impl fmt::Display for KeyspaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Copies by datacenter, each written `datacenter:copies`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Replication(Vec<(String, u8)>);

impl Replication {
    /// The class and its options, as `CREATE KEYSPACE` takes them.
    pub(super) fn to_cql(&self) -> String {
        let copies =
            self.0.iter().map(|(datacenter, copies)| format!(", '{datacenter}': {copies}"));
        format!("{{'class': 'NetworkTopologyStrategy'{}}}", copies.collect::<String>())
    }
}

impl TryFrom<Vec<String>> for Replication {
    type Error = String;

    fn try_from(items: Vec<String>) -> Result<Self, String> {
        let copies = items.iter().map(|item| {
            datacenter_copies(item).ok_or_else(|| {
                format!(
                    "{item:?} is not allowed: replication is a list of `datacenter:copies`, with 1 to \
                     9 copies, such as \"datacenter1:3\""
                )
            })
        });
        let copies = copies.collect::<Result<Vec<_>, _>>()?;
        if copies.is_empty() {
            return Err("replication names no datacenter".to_owned());
        }
        Ok(Self(copies))
    }
}

fn datacenter_copies(item: &str) -> Option<(String, u8)> {
    let (datacenter, copies) = item.rsplit_once(':')?;
    let copies = copies.parse().ok().filter(|copies| (1..=9).contains(copies))?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_name = !datacenter.is_empty() && datacenter.chars().all(is_plain);
    is_name.then(|| (datacenter.to_owned(), copies))
}

fn contact_points<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let points = Vec::<String>::deserialize(deserializer)?;
    if points.is_empty() {
        return Err(de::Error::custom(
            "no contact point is named: at least one `host:port` is needed",
        ));
    }
    let is_address = |point: &&String| {
        let parts = point.rsplit_once(':');
        parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    match points.iter().find(|point| !is_address(point)) {
        Some(wrong) => Err(de::Error::custom(format_args!("{wrong:?} is not a `host:port`"))),
        None => Ok(points),
    }
}

fn request_timeout<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    const LEAST: Duration = Duration::from_millis(10);
    let timeout = humantime_serde::deserialize(deserializer)?;
    if timeout >= LEAST {
        return Ok(timeout);
    }
    Err(de::Error::custom(format_args!("{timeout:?} is not allowed: at least {LEAST:?} is")))
}

fn connections_per_node<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    within(deserializer, "connections_per_node", 16)
}

fn max_in_flight<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    within(deserializer, "max_in_flight", 8192)
}

fn within<'de, D: Deserializer<'de>>(
    deserializer: D,
    name: &str,
    most: usize,
) -> Result<usize, D::Error> {
    let number = usize::deserialize(deserializer)?;
    if (1..=most).contains(&number) {
        return Ok(number);
    }
    Err(de::Error::custom(format_args!("{number} is not allowed: {name} is 1 to {most}")))
}
