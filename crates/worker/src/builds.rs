//! A projection's builds as an operator sees them: made, switched to, dropped.
//!
//! What is done is one row of the table of builds at a time; workers and readers look at it
//! and follow. For one operator at a time.

use std::{collections::BTreeMap, time::Duration};

use hubbub_events::{Offset, TopicPartition};
use hubbub_projections::{Projection, Tables, View, Visitor};
use hubbub_store::{Frontiers, Store, load_builds, load_frontiers, store_builds};
use hubbub_tables::{Build, ProjectionBuilds, Stored, Table};
use tokio::time::{Instant, sleep};

use crate::supervisor::LOOK;

/// How long a build may take to catch up the last bit.
const CATCH_UP: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// Until every worker has seen that a build is folded no more, and has ended its batches, and
/// every reader has had another try to go over to the one that is read.
const GRACE: Duration = LOOK.saturating_mul(10);

/// What all builds of a projection have in common.
#[derive(Debug, Clone)]
pub struct BuildSpec {
    /// Its name.
    pub projection: &'static str,
    /// The version of its fold in this program.
    pub fold: i32,
    /// The tables that each build has of its own.
    pub tables: Vec<&'static str>,
}

/// Why builds stay as they are.
#[derive(Debug, thiserror::Error)]
pub enum BuildsError {
    /// What is asked for does not go with the builds that there are.
    #[error("{0}")]
    Refused(String),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] hubbub_store::Error),
}

/// Where a build stands that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Previous,
    Next,
}

impl BuildSpec {
    /// Those of a projection.
    #[must_use]
    pub fn of<P: Projection>() -> Self {
        let mut names = Names(Vec::new());
        P::Tables::default().visit(&mut names);
        Self { projection: P::NAME, fold: P::FOLD, tables: names.0 }
    }

    /// The builds that there are.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn builds<S: Store>(&self, store: &S) -> Result<ProjectionBuilds, BuildsError> {
        Ok(self.load(store).await?.1)
    }

    /// Begins a build beside the one that is read, or goes on with one that was begun; its
    /// number.
    ///
    /// # Errors
    /// Where there is another one beside it, or the store does not answer.
    pub async fn begin<S: Store>(&self, store: &S) -> Result<Build, BuildsError> {
        let Self { projection, fold, tables } = self;
        let (stored, builds) = self.load(store).await?;
        if builds.next_build != 0 && builds.next_fold == *fold {
            return Ok(builds.next_build);
        }
        let mut others = [builds.next_build, builds.previous_build].into_iter();
        if let Some(other) = others.find(|other| *other != 0) {
            return Err(BuildsError::Refused(format!(
                "there is build {other} of {projection} beside the one that is read: \
                 `hubbub rebuild --projection {projection} --drop` drops it"
            )));
        }
        let next_build = builds.last_build + 1;
        store.make_build(tables, next_build).await?;
        let begun =
            ProjectionBuilds { next_build, next_fold: *fold, last_build: next_build, ..builds };
        store_builds(store, projection, stored.as_ref(), begun).await?;
        Ok(next_build)
    }

    /// Has readers go over to the next build, once it has all that the live one has; the
    /// numbers of both.
    ///
    /// # Errors
    /// Where there is none, it does not catch up, or the store does not answer.
    pub async fn switch<S: Store>(&self, store: &S) -> Result<(Build, Build), BuildsError> {
        let (stored, builds) = self.load(store).await?;
        let ProjectionBuilds { live_build, live_fold, next_build, next_fold, .. } = builds;
        if next_build == 0 || next_fold == 0 {
            return Err(self.refused("has no next build to switch to"));
        }
        self.catch_up(store, next_build, live_build).await?;
        self.refuse_changed(store, &builds).await?;
        let switched = ProjectionBuilds {
            live_build: next_build,
            live_fold: next_fold,
            next_build: 0,
            next_fold: 0,
            previous_build: live_build,
            previous_fold: live_fold,
            ..builds
        };
        store_builds(store, self.projection, stored.as_ref(), switched).await?;
        Ok((live_build, next_build))
    }

    /// Has readers go back to the build that they read before; the numbers of both.
    ///
    /// # Errors
    /// Where it is kept no more, does not catch up, or the store does not answer.
    pub async fn roll_back<S: Store>(&self, store: &S) -> Result<(Build, Build), BuildsError> {
        let (stored, builds) = self.load(store).await?;
        let ProjectionBuilds { live_build, live_fold, previous_build, previous_fold, .. } = builds;
        if previous_build == 0 || previous_fold == 0 {
            return Err(self.refused("has no previous build to go back to"));
        }
        self.catch_up(store, previous_build, live_build).await?;
        self.refuse_changed(store, &builds).await?;
        let back = ProjectionBuilds {
            live_build: previous_build,
            live_fold: previous_fold,
            previous_build: live_build,
            previous_fold: live_fold,
            ..builds
        };
        store_builds(store, self.projection, stored.as_ref(), back).await?;
        Ok((live_build, previous_build))
    }

    /// Drops the build beside the one that is read, whether it is the previous one or one that
    /// was begun; its number. What was broken off is ended by another call.
    ///
    /// # Errors
    /// Where there is none, or the store does not answer.
    pub async fn drop_other<S: Store>(&self, store: &S) -> Result<Build, BuildsError> {
        let (stored, builds) = self.load(store).await?;
        let (place, build) = match (builds.previous_build, builds.next_build) {
            (0, 0) => return Err(self.refused("has no build but the one that is read")),
            (0, next) => (Place::Next, next),
            (previous, _) => (Place::Previous, previous),
        };
        // No fold has version 0, so nobody folds it from here on.
        let unused = place.set(builds, build, 0);
        store_builds(store, self.projection, stored.as_ref(), unused).await?;
        sleep(GRACE).await;
        let (stored, builds) = self.load(store).await?;
        let still = place.of(&builds) == (build, 0) && builds.live_build != build;
        if !still {
            return Err(self.refused("was given other builds by somebody else meanwhile"));
        }
        // What the build has folded at last is all that anybody was told of it.
        if place == Place::Previous {
            self.catch_up(store, builds.live_build, build).await?;
        }
        store.drop_build(self.projection, &self.tables, build).await?;
        let dropped = place.set(builds, 0, 0);
        store_builds(store, self.projection, stored.as_ref(), dropped).await?;
        Ok(build)
    }

    /// How far a build is.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn frontiers<S: Store>(
        &self,
        store: &S,
        build: Build,
    ) -> Result<BTreeMap<TopicPartition, Offset>, BuildsError> {
        Ok(offsets(load_frontiers(store, self.projection, build).await?))
    }

    /// What is noted of the builds, and what they are: without a note there is the first.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub(crate) async fn load<S: Store>(
        &self,
        store: &S,
    ) -> Result<(Option<Stored<ProjectionBuilds>>, ProjectionBuilds), hubbub_store::Error> {
        let stored = load_builds(store, self.projection).await?;
        if let Some(Stored { record, .. }) = &stored {
            let builds = record.clone();
            return Ok((stored, builds));
        }
        // What was folded before there was a note of it was folded by the first version.
        let is_new = load_frontiers(store, self.projection, 1).await?.is_empty();
        Ok((None, ProjectionBuilds::first(if is_new { self.fold } else { 1 })))
    }

    /// Waits until a build has what another one has now.
    async fn catch_up<S: Store>(
        &self,
        store: &S,
        behind: Build,
        ahead: Build,
    ) -> Result<(), BuildsError> {
        let deadline = Instant::now() + CATCH_UP;
        let ahead = self.frontiers(store, ahead).await?;
        loop {
            let now = self.frontiers(store, behind).await?;
            let missing = ahead.iter().find(|(of, offset)| now.get(*of).unwrap_or(&-1) < *offset);
            let Some((of, offset)) = missing else {
                return Ok(());
            };
            if Instant::now() > deadline {
                return Err(self.refused(&format!(
                    "build {behind} has not yet passed offset {offset} of {of}, as the build that \
                     is read has"
                )));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Catching up takes its time, and somebody else may have changed the builds meanwhile.
    async fn refuse_changed<S: Store>(
        &self,
        store: &S,
        known: &ProjectionBuilds,
    ) -> Result<(), BuildsError> {
        match self.load(store).await?.1 == *known {
            true => Ok(()),
            false => Err(self.refused("was given other builds by somebody else meanwhile")),
        }
    }

    fn refused(&self, why: &str) -> BuildsError {
        BuildsError::Refused(format!("{} {why}", self.projection))
    }
}

fn offsets(frontiers: Frontiers) -> BTreeMap<TopicPartition, Offset> {
    frontiers.into_iter().map(|(of, (offset, _))| (of, offset)).collect()
}

impl Place {
    fn of(self, builds: &ProjectionBuilds) -> (Build, i32) {
        match self {
            Self::Previous => (builds.previous_build, builds.previous_fold),
            Self::Next => (builds.next_build, builds.next_fold),
        }
    }

    fn set(self, builds: ProjectionBuilds, build: Build, fold: i32) -> ProjectionBuilds {
        match self {
            Self::Previous => {
                ProjectionBuilds { previous_build: build, previous_fold: fold, ..builds }
            }
            Self::Next => ProjectionBuilds { next_build: build, next_fold: fold, ..builds },
        }
    }
}

struct Names(Vec<&'static str>);

impl<'a> Visitor<'a> for Names {
    fn deciding<T: Table>(&mut self, _: &'a mut View<T>) {
        self.0.push(T::NAME);
    }

    fn derived<T: Table>(&mut self, _: &'a mut View<T>) {
        self.0.push(T::NAME);
    }
}
