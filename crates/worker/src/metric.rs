//! The worker's metrics, by name. No label is an id.

use hubbub_events::{Timestamp, TopicPartition};
use hubbub_tables::Build;
use metrics::{counter, gauge, histogram};

use crate::{PartitionState, PartitionStatus, batch::Tally};

/// Records that were folded, by outcome.
pub(crate) fn records(projection: &'static str, build: Build, of: TopicPartition, tally: &Tally) {
    let outcomes = [
        ("applied", tally.applied),
        ("skipped", tally.skipped),
        ("rejected", tally.rejected),
        ("dead-letter", tally.dead),
    ];
    let (build, partition) = (build.to_string(), of.partition.to_string());
    for (outcome, n) in outcomes.into_iter().filter(|(_, n)| *n > 0) {
        let (build, partition) = (build.clone(), partition.clone());
        counter!("hubbub_records_total", "projection" => projection, "build" => build, "partition" => partition, "outcome" => outcome)
            .increment(n);
    }
}

pub(crate) fn batch(projection: &'static str, records: usize) {
    histogram!("hubbub_batch_records", "projection" => projection).record(records as f64);
}

pub(crate) fn dead_letters(projection: &'static str, build: Build, n: u64) {
    let build = build.to_string();
    counter!("hubbub_dead_letters_total", "projection" => projection, "build" => build)
        .increment(n);
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
    build: Build,
    of: TopicPartition,
    state: &PartitionState,
) {
    let value = match state {
        PartitionState::Starting => 0.0,
        PartitionState::Running => 1.0,
        PartitionState::Retrying(_) => 2.0,
        PartitionState::Halted(_) => 3.0,
    };
    set("hubbub_partition_state", projection, build, of, value);
}

pub(crate) fn lag(status: &PartitionStatus, now: Timestamp) {
    let PartitionStatus { projection, build, topic_partition: of, .. } = *status;
    let waiting = status.oldest_waiting.map_or(0, |since| (now.0 - since.0).max(0));
    set("hubbub_lag_records", projection, build, of, status.lag() as f64);
    set("hubbub_oldest_unfolded_seconds", projection, build, of, waiting as f64 / 1000.0);
}

/// Which build is read: alerts and scaling go by that one.
pub(crate) fn live_build(projection: &'static str, before: Build, now: Build) {
    for (build, value) in [(before, 0.0), (now, 1.0)] {
        let build = build.to_string();
        gauge!("hubbub_build_live", "projection" => projection, "build" => build).set(value);
    }
}

/// A partition that moved to another worker is that worker's to report.
pub(crate) fn forget_partition(projection: &'static str, build: Build, of: TopicPartition) {
    for name in ["hubbub_partition_state", "hubbub_lag_records", "hubbub_oldest_unfolded_seconds"] {
        set(name, projection, build, of, 0.0);
    }
}

fn set(name: &'static str, projection: &'static str, build: Build, of: TopicPartition, value: f64) {
    let (build, partition) = (build.to_string(), of.partition.to_string());
    gauge!(name, "projection" => projection, "build" => build, "partition" => partition).set(value);
}
