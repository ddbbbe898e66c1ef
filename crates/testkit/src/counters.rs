//! What a test's own thread counts, by the names of metrics.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, LocalRecorderGuard, Metadata, Recorder, SharedString,
    Unit,
};

type ByKey = HashMap<Key, Arc<AtomicU64>>;

/// The counters of one thread, and so of all tasks of a test on a runtime with one thread.
pub struct Counters {
    by_key: Arc<Mutex<ByKey>>,
    _guard: LocalRecorderGuard<'static>,
}

impl Counters {
    /// Counts from now on, on this thread, until it is dropped.
    #[must_use]
    pub fn install() -> Self {
        let by_key = Arc::<Mutex<ByKey>>::default();
        // A guard borrows its recorder, and a test ends soon enough.
        let recorder = Box::leak(Box::new(Counting(Arc::clone(&by_key))));
        Self { by_key, _guard: metrics::set_default_local_recorder(recorder) }
    }

    /// The sum of a metric's counters that have these labels.
    #[must_use]
    pub fn get(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let has = |key: &Key, (name, value): &(&str, &str)| {
            key.labels().any(|label| label.key() == *name && label.value() == *value)
        };
        let by_key = lock(&self.by_key);
        let counters = by_key
            .iter()
            .filter(|(key, _)| key.name() == name && labels.iter().all(|wanted| has(key, wanted)));
        counters.map(|(_, counter)| counter.load(Ordering::Relaxed)).sum()
    }

    /// How often a tier of the cache was asked with a result.
    #[must_use]
    pub fn cache(&self, tier: &str, result: &str) -> u64 {
        self.get("hubbub_cache_requests_total", &[("tier", tier), ("result", result)])
    }

    /// How often entries in Redis were filled with a result.
    #[must_use]
    pub fn fills(&self, result: &str) -> u64 {
        self.get("hubbub_cache_fills_total", &[("result", result)])
    }

    /// How often entries in Redis were refreshed with a result.
    #[must_use]
    pub fn refreshes(&self, result: &str) -> u64 {
        self.get("hubbub_cache_refreshes_total", &[("result", result)])
    }
}

struct Counting(Arc<Mutex<ByKey>>);

fn lock(by_key: &Mutex<ByKey>) -> MutexGuard<'_, ByKey> {
    by_key.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recorder for Counting {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut by_key = lock(&self.0);
        Counter::from_arc(Arc::clone(by_key.entry(key.clone()).or_default()))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
