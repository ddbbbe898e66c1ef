//! How long to wait before the next try.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

/// Waits that double from `min` to `max`, each with up to half of it taken off.
///
/// The jitter is a hash of who waits and how often, so that partitions spread out and
/// a run can still be repeated exactly.
#[derive(Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    who: u64,
    attempt: u32,
}

impl Backoff {
    pub(crate) fn new(min: Duration, max: Duration, who: impl Hash) -> Self {
        Self { min, max, who: hash(&who), attempt: 0 }
    }

    pub(crate) fn next(&mut self) -> Duration {
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
