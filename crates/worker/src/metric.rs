//! The worker's metrics, by name. No label is an id.

use hubbub_events::{Timestamp, TopicPartition};
use metrics::{counter, gauge, histogram};

use crate::{PartitionState, PartitionStatus};

pub(crate) fn records(projection: &'static str, of: TopicPartition, outcome: &'static str, n: u64) {
    if n > 0 {
        let partition = of.partition.to_string();
        counter!("hubbub_records_total", "projection" => projection, "partition" => partition, "outcome" => outcome)
            .increment(n);
    }
}

pub(crate) fn batch(projection: &'static str, records: usize) {
    histogram!("hubbub_batch_records", "projection" => projection).record(records as f64);
}

pub(crate) fn dead_letters(projection: &'static str, n: u64) {
    counter!("hubbub_dead_letters_total", "projection" => projection).increment(n);
}

pub(crate) fn gap(projection: &'static str, records: u64) {
    counter!("hubbub_offset_gaps_total", "projection" => projection).increment(records);
}

pub(crate) fn ahead(projection: &'static str) {
    counter!("hubbub_ahead_rounds_total", "projection" => projection).increment(1);
}

/// Partitions that came to this worker. One that stays through a rebalance is not counted again.
pub(crate) fn assigned(projection: &'static str, partitions: usize) {
    counter!("hubbub_assignments_total", "projection" => projection).increment(partitions as u64);
}

/// 0 starting, 1 running, 2 retrying, 3 halted.
pub(crate) fn partition_state(
    projection: &'static str,
    of: TopicPartition,
    state: &PartitionState,
) {
    let value = match state {
        PartitionState::Starting => 0.0,
        PartitionState::Running => 1.0,
        PartitionState::Retrying(_) => 2.0,
        PartitionState::Halted(_) => 3.0,
    };
    let partition = of.partition.to_string();
    gauge!("hubbub_partition_state", "projection" => projection, "partition" => partition)
        .set(value);
}

pub(crate) fn lag(status: &PartitionStatus, now: Timestamp) {
    let (projection, partition) = (status.projection, status.topic_partition.partition.to_string());
    let waiting = status.oldest_waiting.map_or(0, |since| (now.0 - since.0).max(0));
    gauge!("hubbub_lag_records", "projection" => projection, "partition" => partition.clone())
        .set(status.lag() as f64);
    gauge!("hubbub_oldest_unfolded_seconds", "projection" => projection, "partition" => partition)
        .set(waiting as f64 / 1000.0);
}

/// A partition that moved to another worker is that worker's to report.
pub(crate) fn forget_partition(projection: &'static str, of: TopicPartition) {
    let partition = of.partition.to_string();
    for name in ["hubbub_partition_state", "hubbub_lag_records", "hubbub_oldest_unfolded_seconds"] {
        gauge!(name, "projection" => projection, "partition" => partition.clone()).set(0.0);
    }
}
