//! Tries again what may be answered later.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use hubbub_events::TopicPartition;
use tokio::time::sleep;

use crate::{
    WorkerSettings,
    status::{Board, PartitionState},
};

/// Waits between a partition's tries, and says so.
pub(crate) struct Retry {
    of: TopicPartition,
    board: Board,
    min: Duration,
    max: Duration,
    backoff: Option<Backoff>,
}

impl Retry {
    pub(crate) fn new(of: TopicPartition, board: Board, settings: &WorkerSettings) -> Self {
        Self { of, board, min: settings.retry_min, max: settings.retry_max, backoff: None }
    }

    pub(crate) async fn wait(&mut self, error: &str) {
        let backoff = self.backoff.get_or_insert_with(|| {
            tracing::warn!(topic = %self.of.topic, partition = self.of.partition, error, "retrying until it answers");
            Backoff::new(self.min, self.max, self.of)
        });
        self.board.set_state(self.of, PartitionState::Retrying(error.to_owned()));
        sleep(backoff.next()).await;
    }

    pub(crate) fn done(&mut self) {
        if self.backoff.take().is_some() {
            tracing::info!(topic = %self.of.topic, partition = self.of.partition, "it answers again");
            self.board.set_state(self.of, PartitionState::Running);
        }
    }
}

/// Waits that double from `min` to `max`, each with up to half of it taken off.
///
/// The jitter is a hash of who waits and how often, so that partitions spread out and
/// a run can still be repeated exactly.
struct Backoff {
    min: Duration,
    max: Duration,
    who: u64,
    attempt: u32,
}

impl Backoff {
    fn new(min: Duration, max: Duration, who: impl Hash) -> Self {
        Self { min, max, who: hash(&who), attempt: 0 }
    }

    fn next(&mut self) -> Duration {
        let full = self.min.saturating_mul(1 << self.attempt.min(16)).min(self.max);
        self.attempt += 1;
        let taken = hash(&(self.who, self.attempt)) % 512;
        full - full * taken as u32 / 1024
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_limit_and_differ_between_partitions() {
        let waits = |who: i32| {
            let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(5), who);
            (0..40).map(|_| backoff.next()).collect::<Vec<_>>()
        };
        let first = waits(1);
        assert!((25..=50).contains(&first[0].as_millis()), "{:?}", first[0]);
        assert!(first[10..].iter().all(|wait| (2500..=5000).contains(&wait.as_millis())));
        assert_eq!(first, waits(1));
        assert_ne!(first, waits(2));
    }
}
