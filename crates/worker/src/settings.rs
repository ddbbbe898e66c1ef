//! The worker's settings.

use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

/// How a worker runs its projections.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerSettings {
    /// The most records in a batch.
    pub batch_records: usize,
    /// What each projection may hold of records not yet folded, over all partitions.
    pub queue_size: ByteSize,
    /// What each projection may hold of its tables' rows, over all partitions.
    pub view_size: ByteSize,
    /// The first wait after a transient error; doubled with each further one.
    #[serde(with = "humantime_serde")]
    pub retry_min: Duration,
    /// The longest wait between tries.
    #[serde(with = "humantime_serde")]
    pub retry_max: Duration,
    /// How long a partition that has lag, and is neither halted nor retrying, may make
    /// no progress before the process ends, so that it starts afresh.
    #[serde(with = "humantime_serde")]
    pub stall_timeout: Duration,
    /// How long a revoked partition's batch may take to finish.
    #[serde(with = "humantime_serde")]
    pub revocation_timeout: Duration,
}
