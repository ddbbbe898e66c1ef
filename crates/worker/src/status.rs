//! What a projection's partitions are doing, for readiness, metrics and operators.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hubbub_events::{Offset, Timestamp, TopicPartition};
use hubbub_tables::Build;

use crate::{Halt, metric};

/// How one partition of one projection stands.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionStatus {
    /// The projection.
    pub projection: &'static str,
    /// The build of its tables.
    pub build: Build,
    /// The partition of the log.
    pub topic_partition: TopicPartition,
    /// What it is doing.
    pub state: PartitionState,
    /// The last offset that is folded and durable; −1 before the first.
    pub frontier: Offset,
    /// Whether the frontier is known: before that there is no lag to tell.
    pub(crate) is_loaded: bool,
    /// The next offset to be acknowledged in the log, when last asked.
    pub end: Offset,
    /// The time of the oldest record that waits here to be folded.
    pub oldest_waiting: Option<Timestamp>,
}

impl PartitionStatus {
    /// Whether it stands still until it is resumed.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        matches!(self.state, PartitionState::Halted(_))
    }

    /// How many acknowledged records are not folded.
    #[must_use]
    pub fn lag(&self) -> i64 {
        (self.end - self.frontier - 1).max(0)
    }
}

/// What a partition is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartitionState {
    /// Its frontier is being loaded.
    Starting,
    /// It folds, or waits for records.
    Running,
    /// The store or the log does not answer; it tries until they do.
    Retrying(String),
    /// It stands still until it is resumed.
    Halted(Halt),
}

impl fmt::Display for PartitionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Running => f.write_str("running"),
            Self::Retrying(error) => write!(f, "retrying: {error}"),
            Self::Halted(halt) => {
                write!(f, "halted before offset {} ({}): {}", halt.at, halt.reason, halt.detail)
            }
        }
    }
}

/// The statuses of a projection's assigned partitions, shared with those who look.
#[derive(Debug, Clone)]
pub(crate) struct Board {
    projection: &'static str,
    build: Build,
    partitions: Arc<Mutex<BTreeMap<TopicPartition, PartitionStatus>>>,
}

impl Board {
    pub(crate) fn new(projection: &'static str, build: Build) -> Self {
        Self { projection, build, partitions: Arc::default() }
    }

    pub(crate) fn snapshot(&self) -> Vec<PartitionStatus> {
        self.lock().values().cloned().collect()
    }

    pub(crate) fn add(&self, of: TopicPartition) {
        let status = PartitionStatus {
            projection: self.projection,
            build: self.build,
            topic_partition: of,
            state: PartitionState::Starting,
            frontier: -1,
            is_loaded: false,
            end: 0,
            oldest_waiting: None,
        };
        self.lock().insert(of, status);
        self.set_state(of, PartitionState::Starting);
    }

    pub(crate) fn remove(&self, of: TopicPartition) {
        let mut partitions = self.lock();
        partitions.remove(&of);
        // Under the lock: nobody tells of it after this.
        metric::forget_partition(self.projection, self.build, of);
    }

    pub(crate) fn clear(&self) {
        let all: Vec<_> = self.lock().keys().copied().collect();
        all.into_iter().for_each(|of| self.remove(of));
    }

    pub(crate) fn set_state(&self, of: TopicPartition, state: PartitionState) {
        self.update(of, |status| {
            metric::partition_state(status.projection, status.build, of, &state);
            status.state = state;
        });
    }

    pub(crate) fn loaded(&self, of: TopicPartition, frontier: Offset) {
        self.update(of, |status| (status.frontier, status.is_loaded) = (frontier, true));
    }

    /// Notes where the log ends, where that is known, and tells the lag.
    pub(crate) fn measure(&self, of: TopicPartition, end: Option<Offset>) {
        self.update(of, |status| {
            status.end = end.unwrap_or(status.end);
            if status.is_loaded {
                metric::lag(status, Timestamp::now());
            }
        });
    }

    pub(crate) fn update(&self, of: TopicPartition, change: impl FnOnce(&mut PartitionStatus)) {
        if let Some(status) = self.lock().get_mut(&of) {
            change(status);
            // The end is asked for once a second, and a frontier may pass what it was.
            status.end = status.end.max(status.frontier + 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicPartition, PartitionStatus>> {
        // A status is replaced field by field, so one left by a panic is still whole.
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
