//! What a process knows of how far projections are, and waiting for them.

mod known;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::try_join_all;
use hubbub_events::{Offset, TopicPartition};
use hubbub_tables::Build;
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, sleep, timeout_at},
};

use self::known::{Everything, Known, Reading, set_halted};
use crate::{Error, Store, load_frontiers};

/// How often the poller reads frontiers while anyone waits.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// A build that lacks no more records of any partition may catch up while readers wait.
const NEAR: Offset = 10_000;
/// How long readers are told nothing new while another build catches up the last bit.
const SWITCH_TIMEOUT: Duration = Duration::from_secs(2);

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

/// The frontiers of the builds that are read, as this process knows them. They only ever go
/// up, also where another build is read from then on; what is not known yet is −1.
///
/// Where the workers run in this process they tell it themselves, by
/// [`Progress::advanced`] and [`Progress::halted`]. Elsewhere it is read from the
/// store: [`Progress::spawn_poller`].
#[derive(Clone)]
pub struct Progress(Arc<Shared>);

struct Shared {
    known: Mutex<Everything>,
    places: Semaphore,
    /// How many wait now: the poller sleeps while it is 0.
    waiting: watch::Sender<usize>,
}

impl Progress {
    /// Knows nothing yet. `projections` are read by name and build; at most
    /// `max_waiters` wait at a time.
    #[must_use]
    pub fn new(projections: Vec<(&'static str, Build)>, max_waiters: usize) -> Self {
        let reading = |(projection, build)| Reading { projection, build, is_held: false };
        let projections = projections.into_iter().map(reading).collect();
        Self(Arc::new(Shared {
            known: Mutex::new(Everything {
                projections,
                partitions: HashMap::new(),
                halts: HashMap::new(),
            }),
            places: Semaphore::new(max_waiters.min(Semaphore::MAX_PERMITS)),
            waiting: watch::Sender::new(0),
        }))
    }

    /// Notes that a build of a projection has folded everything up to an offset, durably. Of
    /// a build that is not read nothing is noted.
    pub fn advanced(
        &self,
        projection: &'static str,
        build: Build,
        topic_partition: TopicPartition,
        offset: Offset,
    ) {
        let mut everything = self.lock();
        let is_held = everything.reading(projection).is_some_and(|reading| reading.is_held);
        if everything.is_read(projection, build) && !is_held {
            everything.partition(projection, topic_partition).send_if_modified(|known| {
                let is_further = known.frontier < offset;
                known.frontier = known.frontier.max(offset);
                is_further
            });
        }
    }

    /// Notes why a build of a projection stopped in a partition, or with `None` that it goes
    /// on.
    pub fn halted(
        &self,
        projection: &'static str,
        build: Build,
        topic_partition: TopicPartition,
        reason: Option<String>,
    ) {
        let mut everything = self.lock();
        let halt = (projection, build, topic_partition);
        match &reason {
            Some(reason) => everything.halts.insert(halt, reason.clone()),
            None => everything.halts.remove(&halt),
        };
        if everything.is_read(projection, build) {
            set_halted(everything.partition(projection, topic_partition), reason);
        }
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
        let projections = self.lock().projections.clone();
        for Reading { projection, build, .. } in projections {
            for (topic_partition, (offset, _)) in load_frontiers(store, projection, build).await? {
                self.advanced(projection, build, topic_partition, offset);
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

    /// The build of a projection that is read; the first where the projection is unknown.
    #[must_use]
    pub fn build(&self, projection: &'static str) -> Build {
        self.lock().reading(projection).map_or(1, |reading| reading.build)
    }

    /// The build of a projection that is read at first, before anything is known of it.
    pub fn begin(&self, projection: &'static str, build: Build) {
        if let Some(reading) = self.lock().reading(projection) {
            reading.build = build;
        }
    }

    /// Goes over to another build of a projection, as soon as it has folded all that readers
    /// were told of the present one; until then they are told nothing new. `change` makes
    /// readers read it.
    ///
    /// # Errors
    /// Where the store does not answer, or the build does not come so far in time. Then the
    /// present one is read as before.
    pub async fn switch<S: Store>(
        &self,
        store: &S,
        projection: &'static str,
        build: Build,
        change: impl FnOnce() + Send,
    ) -> Result<(), Error> {
        let switched = self.change_over(store, projection, build, change).await;
        // What was reported meanwhile was passed over.
        let refreshed = self.refresh(store).await;
        switched.and(refreshed)
    }

    async fn change_over<S: Store>(
        &self,
        store: &S,
        projection: &'static str,
        build: Build,
        change: impl FnOnce() + Send,
    ) -> Result<(), Error> {
        let frontiers = load_frontiers(store, projection, build).await?;
        if !self.lock().is_covered(projection, &frontiers, NEAR) {
            return Err(not_there(projection, build));
        }
        let _held = Held::begin(self, projection);
        let deadline = Instant::now() + SWITCH_TIMEOUT;
        let mut change = Some(change);
        while change.is_some() {
            let frontiers = load_frontiers(store, projection, build).await?;
            self.lock().switch(projection, build, &frontiers, &mut change);
            if change.is_none() {
                break;
            }
            if Instant::now() > deadline {
                return Err(not_there(projection, build));
            }
            sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    fn with<A>(
        &self,
        projection: &'static str,
        topic_partition: TopicPartition,
        f: impl FnOnce(&watch::Sender<Known>) -> A,
    ) -> A {
        f(self.lock().partition(projection, topic_partition))
    }

    fn lock(&self) -> MutexGuard<'_, Everything> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn not_there(projection: &str, build: Build) -> Error {
    Error::Transient(format!(
        "build {build} of {projection} has not caught up with the one that is read"
    ))
}

/// Nothing is noted of a projection while this lives.
struct Held<'a>(&'a Progress, &'static str);

impl<'a> Held<'a> {
    fn begin(progress: &'a Progress, projection: &'static str) -> Self {
        let held = Self(progress, projection);
        held.set(true);
        held
    }

    fn set(&self, is_held: bool) {
        if let Some(reading) = self.0.lock().reading(self.1) {
            reading.is_held = is_held;
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.set(false);
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
