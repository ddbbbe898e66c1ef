//! What an operator may set about the store and its cache.

use std::{ops::RangeInclusive, path::PathBuf, time::Duration};

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, de};

use crate::CassandraSettings;

/// A store, and what it takes to open it.
#[derive(Clone, Debug)]
pub enum StoreSettings {
    /// In the process, on local disk.
    Embedded {
        /// What the operator set.
        settings: EmbeddedSettings,
        /// Where the files are.
        folder: PathBuf,
    },
    /// In Apache Cassandra.
    Cassandra(Box<CassandraSettings>),
}

/// The settings of the embedded store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedSettings {
    /// Memory for what was read from disk.
    pub cache_size: ByteSize,
    /// Memory in which each table gathers writes before they go to its files; 1 MiB to
    /// 64 MiB. Holds for tables that are made from then on.
    #[serde(deserialize_with = "memtable_size")]
    pub memtable_size: ByteSize,
    /// Memory for writes that wait for the disk, 64 KiB to 1 GiB. Beyond it writers wait.
    #[serde(deserialize_with = "queue_size")]
    pub queue_size: ByteSize,
}

/// The settings of the cache in the process.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryCacheSettings {
    /// Memory for entries.
    pub size: ByteSize,
    /// How long an entry is served.
    #[serde(with = "humantime_serde")]
    pub time_to_live: Duration,
}

fn memtable_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    within(deserializer, ByteSize::mib(1)..=ByteSize::mib(64), "1 MiB to 64 MiB")
}

fn queue_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    within(deserializer, ByteSize::kib(64)..=ByteSize::gib(1), "64 KiB to 1 GiB")
}

fn within<'de, D: Deserializer<'de>>(
    deserializer: D,
    allowed: RangeInclusive<ByteSize>,
    named: &str,
) -> Result<ByteSize, D::Error> {
    let size = ByteSize::deserialize(deserializer)?;
    if allowed.contains(&size) {
        return Ok(size);
    }
    Err(de::Error::custom(format_args!("{size} is not within the allowed {named}")))
}
