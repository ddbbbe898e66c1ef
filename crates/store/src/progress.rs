//! What a process knows of how far projections are, and waiting for them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::future::try_join_all;
use hubbub_events::{Offset, TopicPartition};
use hubbub_tables::Build;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep, timeout_at},
};

use crate::{Error, Store, load_frontiers};

/// How often the poller reads frontiers while anyone waits.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A position that a projection must have passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Need {
    /// The projection's name.
    pub projection: &'static str,
    /// The partition of the log: one that exists, as what is asked for is remembered.
    pub topic_partition: TopicPartition,
    /// The offset that must be folded.
    pub offset: Offset,
}

/// How waiting ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waited {
    /// Every need is met.
    Passed,
    /// The time ran out, or too many were waiting already.
    Behind {
        /// The projection that is behind.
        projection: &'static str,
        /// Where.
        topic_partition: TopicPartition,
        /// The last offset that it is known to have folded; −1: none.
        frontier: Offset,
    },
    /// No waiting helps before somebody resumes the partition.
    Halted {
        /// The projection that has halted.
        projection: &'static str,
        /// Where.
        topic_partition: TopicPartition,
        /// Why.
        reason: String,
    },
}

/// The frontiers as this process knows them. They only ever go up; what is not known
/// yet is −1.
///
/// Where the workers run in this process they tell it themselves, by
/// [`Progress::advanced`] and [`Progress::halted`]. Elsewhere it is read from the
/// store: [`Progress::spawn_poller`].
#[derive(Clone)]
pub struct Progress(Arc<Shared>);

struct Shared {
    projections: Vec<(&'static str, Build)>,
    partitions: Mutex<HashMap<(&'static str, TopicPartition), watch::Sender<Known>>>,
    places: Semaphore,
    /// How many wait now: the poller sleeps while it is 0.
    waiting: watch::Sender<usize>,
}

#[derive(Debug, Clone)]
struct Known {
    frontier: Offset,
    halted: Option<String>,
}

impl Progress {
    /// Knows nothing yet. `projections` are read by name and build; at most
    /// `max_waiters` wait at a time.
    #[must_use]
    pub fn new(projections: Vec<(&'static str, Build)>, max_waiters: usize) -> Self {
        Self(Arc::new(Shared {
            projections,
            partitions: Mutex::default(),
            places: Semaphore::new(max_waiters.min(Semaphore::MAX_PERMITS)),
            waiting: watch::Sender::new(0),
        }))
    }

    /// Notes that a projection has folded everything up to an offset, durably.
    pub fn advanced(
        &self,
        projection: &'static str,
        topic_partition: TopicPartition,
        offset: Offset,
    ) {
        self.update(projection, topic_partition, |known| {
            let is_further = known.frontier < offset;
            known.frontier = known.frontier.max(offset);
            is_further
        });
    }

    /// Notes why a projection stopped in a partition, or with `None` that it goes on.
    pub fn halted(
        &self,
        projection: &'static str,
        topic_partition: TopicPartition,
        reason: Option<String>,
    ) {
        self.update(projection, topic_partition, |known| {
            let is_new = known.halted != reason;
            known.halted = reason;
            is_new
        });
    }

    /// The last offset that a projection is known to have folded; −1: none.
    #[must_use]
    pub fn frontier(&self, projection: &'static str, topic_partition: TopicPartition) -> Offset {
        self.with(projection, topic_partition, |known| known.borrow().frontier)
    }

    /// Waits until every need is met. Ends at once where a partition of an unmet need
    /// has halted, or too many wait already. Cancel safe.
    pub async fn wait(&self, needs: &[Need], deadline: Instant) -> Waited {
        let now = self.look(needs);
        if !matches!(now, Waited::Behind { .. }) {
            return now;
        }
        let Ok(_place) = self.0.places.try_acquire() else {
            return now;
        };
        let _waiting = Waiting::begin(&self.0.waiting);
        match timeout_at(deadline, try_join_all(needs.iter().map(|need| self.pass(need)))).await {
            Ok(Ok(_)) => Waited::Passed,
            Ok(Err(halted)) => halted,
            Err(_) => self.look(needs),
        }
    }

    /// Reads the frontiers from the store.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn refresh<S: Store>(&self, store: &S) -> Result<(), Error> {
        for (projection, build) in &self.0.projections {
            for (topic_partition, (offset, _)) in load_frontiers(store, projection, *build).await? {
                self.advanced(projection, topic_partition, offset);
            }
        }
        Ok(())
    }

    /// Starts the task that reads the frontiers from the store while anyone waits. It
    /// ends with the last clone of this.
    pub fn spawn_poller<S: Store>(&self, store: S) {
        let shared = Arc::downgrade(&self.0);
        let mut waiting = self.0.waiting.subscribe();
        tokio::spawn(async move {
            let mut is_answering = true;
            while waiting.wait_for(|waiting| *waiting > 0).await.is_ok() {
                let Some(progress) = shared.upgrade().map(Self) else {
                    return;
                };
                let read = progress.refresh(&store).await;
                drop(progress);
                if let (Err(error), true) = (&read, is_answering) {
                    tracing::warn!(%error, "frontiers cannot be read, so reads that wait stay behind");
                }
                is_answering = read.is_ok();
                sleep(POLL_INTERVAL).await;
            }
        });
    }

    /// How the needs stand now.
    fn look(&self, needs: &[Need]) -> Waited {
        let mut behind = Waited::Passed;
        for need in needs {
            let known =
                self.with(need.projection, need.topic_partition, |known| known.borrow().clone());
            match known.judge(need) {
                Waited::Passed => {}
                halted @ Waited::Halted { .. } => return halted,
                found if behind == Waited::Passed => behind = found,
                Waited::Behind { .. } => {}
            }
        }
        behind
    }

    /// Waits for one need; the error is its halt.
    async fn pass(&self, need: &Need) -> Result<(), Waited> {
        let mut known = self.with(need.projection, need.topic_partition, |known| known.subscribe());
        let is_settled = |known: &Known| !matches!(known.judge(need), Waited::Behind { .. });
        // The guard must not live on into another await.
        let settled = known.wait_for(is_settled).await.map(|known| known.judge(need));
        match settled {
            Ok(Waited::Passed) => Ok(()),
            Ok(unmet) => Err(unmet),
            // The sender lives as long as `self`.
            Err(_) => std::future::pending().await,
        }
    }

    fn update(
        &self,
        projection: &'static str,
        topic_partition: TopicPartition,
        change: impl FnOnce(&mut Known) -> bool,
    ) {
        self.with(projection, topic_partition, |known| known.send_if_modified(change));
    }

    fn with<A>(
        &self,
        projection: &'static str,
        topic_partition: TopicPartition,
        f: impl FnOnce(&watch::Sender<Known>) -> A,
    ) -> A {
        let mut partitions = self.0.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        let known = partitions
            .entry((projection, topic_partition))
            .or_insert_with(|| watch::Sender::new(Known { frontier: -1, halted: None }));
        f(known)
    }
}

impl Known {
    fn judge(&self, need: &Need) -> Waited {
        let Need { projection, topic_partition, offset } = *need;
        if self.frontier >= offset {
            return Waited::Passed;
        }
        match &self.halted {
            Some(reason) => Waited::Halted { projection, topic_partition, reason: reason.clone() },
            None => Waited::Behind { projection, topic_partition, frontier: self.frontier },
        }
    }
}

/// Counts one who waits, while it lives.
struct Waiting<'a>(&'a watch::Sender<usize>);

impl<'a> Waiting<'a> {
    fn begin(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|waiting| *waiting += 1);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}
