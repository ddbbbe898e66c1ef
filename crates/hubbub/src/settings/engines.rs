//! Which log, store and shared cache a process uses.

use serde::Deserialize;

/// `[log]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSection {
    /// Its settings are in the section of this name.
    pub kind: LogKind,
}

/// An event log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogKind {
    /// Files of this one process.
    Segments,
    /// Apache Kafka.
    Kafka,
}

/// `[store]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSection {
    /// Its settings are in the section of this name.
    pub kind: StoreKind,
}

/// A store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreKind {
    /// In this one process.
    Embedded,
    /// Apache Cassandra.
    Cassandra,
}

/// `[cache]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheSection {
    /// Its settings are in the section of this name.
    pub kind: CacheKind,
}

/// A cache that readers in several processes share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheKind {
    /// There is none.
    None,
    /// Redis.
    Redis,
}
