//! The worker's settings.

use std::{num::NonZeroUsize, time::Duration};

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, de};

/// How a worker runs its projections.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSettings {
    /// The most records in a batch.
    #[serde(deserialize_with = "at_least_one")]
    pub batch_records: usize,
    /// What each projection may hold of records not yet folded, over all partitions.
    pub queue_size: ByteSize,
    /// What each projection may hold of its tables' rows, over all partitions.
    pub view_size: ByteSize,
    /// The first wait after a transient error; doubled with each further one.
    #[serde(deserialize_with = "positive")]
    pub retry_min: Duration,
    /// The longest wait between tries.
    #[serde(deserialize_with = "positive")]
    pub retry_max: Duration,
    /// How long a partition that has lag, and is neither halted nor retrying, may make
    /// no progress before the process ends, so that it starts afresh.
    #[serde(deserialize_with = "positive")]
    pub stall_timeout: Duration,
    /// How long a revoked partition's batch may take to finish.
    #[serde(with = "humantime_serde")]
    pub revocation_timeout: Duration,
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    NonZeroUsize::deserialize(deserializer).map(NonZeroUsize::get)
}

/// A time that something can be waited for.
fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let time: Duration = humantime_serde::deserialize(deserializer)?;
    if time.is_zero() {
        return Err(de::Error::custom("0s is not allowed: a time above 0 is, as in 100ms"));
    }
    Ok(time)
}
