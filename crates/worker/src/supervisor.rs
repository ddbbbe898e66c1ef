//! All builds of a projection that this program may fold, as the table of builds says.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, Shared, join_all},
    stream::FuturesUnordered,
};
use hubbub_projections::Projection;
use hubbub_store::{Store, store_first_builds};
use hubbub_tables::{Build, ProjectionBuilds};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use crate::{
    PartitionStatus,
    builds::BuildSpec,
    handle::{Error, Handle, Parts, spawn},
    metric,
};

/// How often the table of builds is looked at.
pub(crate) const LOOK: Duration = Duration::from_secs(1);
/// How long a build that failed and is not read rests.
const REST: Duration = Duration::from_secs(10);

/// The running builds of a projection. Clones are of the same.
#[derive(Clone)]
pub struct Supervisor {
    projection: &'static str,
    state: Arc<Mutex<State>>,
    ended: Shared<BoxFuture<'static, Result<(), Error>>>,
}

struct State {
    live: Build,
    /// Whether the table was looked at.
    is_known: bool,
    running: BTreeMap<Build, Running>,
    fault: Option<String>,
}

struct Running {
    number: u64,
    handle: Handle,
    stop: CancellationToken,
}

/// Runs the builds of a projection until it is stopped, or the one that is read cannot go
/// on. Builds that come and go in the table come and go here; another version's are left
/// to programs of that version.
#[must_use]
pub fn spawn_all<P: Projection, S: Store>(parts: Parts<S>) -> Supervisor {
    let state = State { live: 1, is_known: false, running: BTreeMap::new(), fault: None };
    let state = Arc::new(Mutex::new(state));
    let supervision = Supervision::<S> {
        build_spec: BuildSpec::of::<P>(),
        spawn: spawn::<P, S>,
        parts,
        state: Arc::clone(&state),
        ends: FuturesUnordered::new(),
        started: 0,
        resting: BTreeMap::new(),
        is_answering: true,
    };
    let running = tokio::spawn(supervision.run());
    let ended = async { running.await.unwrap_or(Err(Error::Panicked(P::NAME))) };
    Supervisor { projection: P::NAME, state, ended: ended.boxed().shared() }
}

impl Supervisor {
    /// The projection's name.
    #[must_use]
    pub fn projection(&self) -> &'static str {
        self.projection
    }

    /// The build that is read.
    #[must_use]
    pub fn live(&self) -> Build {
        lock(&self.state).live
    }

    /// Why the build that is read is not folded here, where it is not.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        lock(&self.state).fault.clone()
    }

    /// How the partitions of every build stand.
    #[must_use]
    pub fn status(&self) -> Vec<PartitionStatus> {
        let state = lock(&self.state);
        state.running.values().flat_map(|running| running.handle.status()).collect()
    }

    /// Ends halts in every build: see [`Handle::resume`].
    pub async fn resume(&self, partition: Option<i32>, accept_dead_letters: bool) -> usize {
        let handles: Vec<_> =
            lock(&self.state).running.values().map(|running| running.handle.clone()).collect();
        let resumed = handles.iter().map(|handle| handle.resume(partition, accept_dead_letters));
        join_all(resumed).await.into_iter().sum()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Whatever ended the build that is read, before it was told to stop.
    pub async fn join(&self) -> Result<(), Error> {
        self.ended.clone().await
    }
}

/// How a build's run ended, and the how many-th run of all it was.
type End = (Build, u64, Result<(), Error>);

/// The task that starts and stops them.
struct Supervision<S> {
    build_spec: BuildSpec,
    spawn: fn(Parts<S>, Build) -> Handle,
    parts: Parts<S>,
    state: Arc<Mutex<State>>,
    ends: FuturesUnordered<BoxFuture<'static, End>>,
    /// How many were started.
    started: u64,
    /// Builds that failed, and until when they are left alone.
    resting: BTreeMap<Build, Instant>,
    is_answering: bool,
}

impl<S: Store> Supervision<S> {
    async fn run(mut self) -> Result<(), Error> {
        let stop = self.parts.stop.clone();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(end) = self.ends.next(), if !self.ends.is_empty() => self.note_end(end)?,
                _ = looks.tick() => tokio::select! {
                    () = stop.cancelled() => break,
                    () = self.look() => {}
                },
            }
        }
        // Each was told by the same token.
        while let Some(end) = self.ends.next().await {
            self.note_end(end)?;
        }
        Ok(())
    }

    /// Starts what is wanted, and stops what is not.
    async fn look(&mut self) {
        let builds = match load(&self.parts.store, &self.build_spec).await {
            Ok(builds) => builds,
            Err(error) => {
                if std::mem::take(&mut self.is_answering) {
                    let projection = self.build_spec.projection;
                    tracing::warn!(projection, %error, "the builds cannot be looked at; those that run go on");
                }
                return;
            }
        };
        self.is_answering = true;
        self.note_builds(&builds);
        let wanted: Vec<_> = builds.of_fold(self.build_spec.fold).collect();
        self.stop_all_but(&wanted);
        for build in wanted {
            self.start(build).await;
        }
        self.note_missing(&builds);
    }

    /// Of what is read, everybody should know that it stands.
    fn note_missing(&self, builds: &ProjectionBuilds) {
        let live = builds.live_build;
        let mut state = lock(&self.state);
        if builds.live_fold == self.build_spec.fold && !state.running.contains_key(&live) {
            let projection = self.build_spec.projection;
            state.fault =
                Some(format!("build {live} of {projection} cannot be opened, see the log"));
        }
    }

    fn note_builds(&self, builds: &ProjectionBuilds) {
        let (projection, live_build) = (self.build_spec.projection, builds.live_build);
        let fault = self.of_another_fold(builds);
        let mut state = lock(&self.state);
        if state.live != live_build || !state.is_known {
            metric::live_build(projection, state.live, live_build);
        }
        state.is_known = true;
        state.live = live_build;
        if let Some(fault) = fault.as_ref().filter(|fault| state.fault.as_ref() != Some(fault)) {
            tracing::warn!(projection, "{fault}");
        }
        state.fault = fault;
    }

    /// Says so where what is read is of another version of the fold, and what there is to do.
    fn of_another_fold(&self, builds: &ProjectionBuilds) -> Option<String> {
        let BuildSpec { projection, fold, .. } = self.build_spec;
        let ProjectionBuilds { live_build, live_fold, previous_build, previous_fold, .. } = *builds;
        if live_fold == fold {
            return None;
        }
        let what = match (live_fold > fold, previous_fold == fold) {
            (true, true) => {
                format!("it goes on with build {previous_build}, for as long as one may go back")
            }
            (true, false) => "a program of that version folds it".to_owned(),
            (false, true) => format!(
                "`hubbub rebuild --projection {projection} --rollback` goes back to build \
                 {previous_build}, which is of this one"
            ),
            (false, false) => {
                format!("`hubbub rebuild --projection {projection}` makes a build of this one")
            }
        };
        Some(format!(
            "build {live_build} of {projection} is of version {live_fold} of its fold, and this \
             program has version {fold}: {what}"
        ))
    }

    fn stop_all_but(&self, wanted: &[Build]) {
        let projection = self.build_spec.projection;
        lock(&self.state).running.retain(|build, running| {
            let is_wanted = wanted.contains(build);
            if !is_wanted {
                tracing::info!(projection, build, "the build is folded no more");
                running.stop.cancel();
            }
            is_wanted
        });
    }

    async fn start(&mut self, build: Build) {
        let projection = self.build_spec.projection;
        let is_resting = self.resting.get(&build).is_some_and(|until| Instant::now() < *until);
        if is_resting || lock(&self.state).running.contains_key(&build) {
            return;
        }
        if build != 1
            && let Err(error) = self.parts.store.open_build(&self.build_spec.tables, build).await
        {
            tracing::warn!(projection, build, %error, "the build cannot be opened");
            self.resting.insert(build, Instant::now() + REST);
            return;
        }
        let stop = self.parts.stop.child_token();
        let parts = Parts { stop: stop.clone(), ..self.parts.clone() };
        let handle = (self.spawn)(parts, build);
        let ended = handle.clone();
        self.started += 1;
        let number = self.started;
        self.ends.push(async move { (build, number, ended.join().await) }.boxed());
        lock(&self.state).running.insert(build, Running { number, handle, stop });
    }

    fn note_end(&mut self, (build, number, end): End) -> Result<(), Error> {
        let mut state = lock(&self.state);
        // One that was stopped may fail on its way out, and be another's predecessor.
        let is_it = state.running.get(&build).is_some_and(|running| running.number == number);
        let Err(error) = end else {
            return Ok(());
        };
        if !is_it {
            return Ok(());
        }
        if build == state.live {
            return Err(error);
        }
        state.running.remove(&build);
        let projection = self.build_spec.projection;
        tracing::error!(projection, build, %error, "a build that is not read failed; it is begun again");
        self.resting.insert(build, Instant::now() + REST);
        Ok(())
    }
}

/// The first to run a projection notes that there is a build.
async fn load<S: Store>(
    store: &S,
    build_spec: &BuildSpec,
) -> Result<ProjectionBuilds, hubbub_store::Error> {
    let (stored, builds) = build_spec.load(store).await?;
    if stored.is_none() {
        store_first_builds(store, build_spec.projection, builds.clone()).await?;
    }
    Ok(builds)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
