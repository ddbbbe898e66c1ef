//! What the APIs know of the tables: how far the projections are, and which of their builds
//! are read.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use hubbub_query::Reader;
use hubbub_store::{Engine, Error, Progress, Rows, Store, StoreSettings, load_builds};
use hubbub_tables::{Build, ProjectionBuilds, Receipts, Stored};
use tokio::time::sleep;

use crate::settings::{ProjectionName, StoreKind};

/// How often it is asked which builds are read.
const LOOK: Duration = Duration::from_secs(1);
/// Between two tries to go over to a build: readers are told nothing new during one.
const REST: Duration = Duration::from_secs(5);
/// Between the tries of a write API to connect to the tables, each of which waits itself.
const RECONNECT_WAIT: Duration = Duration::from_secs(5);

/// What the tables tell the APIs. Clones are of the same.
#[derive(Clone)]
pub struct Reading {
    /// Of every projection, those included that do not run here.
    pub progress: Progress,
    /// Where receipts are, once the store is there.
    pub receipts: Arc<RwLock<Option<Arc<dyn Rows<Receipts>>>>>,
}

impl Reading {
    /// Nothing is known yet; so many may wait at a time.
    #[must_use]
    pub fn new(max_waiters: usize) -> Self {
        let projections = ProjectionName::ALL.map(|name| (name.as_str(), 1));
        Self {
            progress: Progress::new(projections.to_vec(), max_waiters),
            receipts: Arc::default(),
        }
    }

    /// Learns from a store which builds are read, and how far they are.
    ///
    /// # Errors
    /// Where the store does not answer.
    pub async fn connect(&self, store: &Engine, kind: StoreKind) -> Result<(), Error> {
        for projection in ProjectionName::ALL {
            let build = live_build(store, projection).await?;
            self.progress.begin(projection.as_str(), build);
            note_read(projection.as_str(), build, build);
        }
        let receipts = store.table(self.progress.build(ProjectionName::Posts.as_str()))?;
        self.progress.refresh(store).await?;
        // Projections that run elsewhere tell of themselves by the store alone.
        if kind == StoreKind::Cassandra {
            self.progress.spawn_poller(store.clone());
        }
        self.set_receipts(receipts);
        Ok(())
    }

    /// Connects as soon as the store can be used, and follows it from then on.
    pub async fn connect_late(self, settings: StoreSettings) {
        loop {
            let connected = async {
                let store = Engine::from_config(settings.clone()).await?;
                self.connect(&store, StoreKind::Cassandra).await?;
                Ok::<_, Error>(store)
            };
            match connected.await {
                Ok(store) => return self.follow(store, None).await,
                Err(error) => {
                    tracing::warn!(%error, "writes are taken, and those that wait get no outcome");
                    sleep(RECONNECT_WAIT).await;
                }
            }
        }
    }

    /// Goes over to other builds as they become those that are read, for as long as it runs.
    pub async fn follow(self, store: Engine, reader: Option<Reader<Engine>>) {
        loop {
            let mut rest = LOOK;
            for projection in ProjectionName::ALL {
                if let Err(error) = self.look(&store, reader.as_ref(), projection).await {
                    let projection = projection.as_str();
                    tracing::warn!(%error, projection, "whether another build is to be read is not known, or it cannot be read yet");
                    rest = REST;
                }
            }
            sleep(rest).await;
        }
    }

    async fn look(
        &self,
        store: &Engine,
        reader: Option<&Reader<Engine>>,
        projection: ProjectionName,
    ) -> Result<(), Error> {
        let name = projection.as_str();
        let build = live_build(store, projection).await?;
        let present = self.progress.build(name);
        if build == present {
            return Ok(());
        }
        store.open_build(&projection.build_spec().tables, build).await?;
        let is_posts = projection == ProjectionName::Posts;
        let receipts = is_posts.then(|| store.table::<Receipts>(build)).transpose()?;
        let switch = reader.map(|reader| reader.prepare(name, build)).transpose()?;
        let change = || {
            if let Some(switch) = switch {
                switch();
            }
            if let Some(receipts) = receipts {
                self.set_receipts(receipts);
            }
        };
        self.progress.switch(store, name, build, change).await?;
        note_read(name, present, build);
        tracing::info!(projection = name, build, before = present, "another build is read");
        Ok(())
    }

    fn set_receipts(&self, receipts: Arc<dyn Rows<Receipts>>) {
        *self.receipts.write().unwrap_or_else(PoisonError::into_inner) = Some(receipts);
    }
}

/// Tells which build this process reads.
fn note_read(projection: &'static str, before: Build, now: Build) {
    for (build, value) in [(before, 0.0), (now, 1.0)] {
        let build = build.to_string();
        metrics::gauge!("hubbub_build_read", "projection" => projection, "build" => build)
            .set(value);
    }
}

/// The build of a projection that is to be read.
///
/// # Errors
/// Where the store does not answer.
pub async fn live_build(store: &Engine, projection: ProjectionName) -> Result<Build, Error> {
    let stored = load_builds(store, projection.as_str()).await?;
    Ok(stored.map_or(1, |stored| stored.record.live_build))
}

/// The builds of a projection that are folded.
///
/// # Errors
/// Where the store does not answer.
pub async fn every_build(store: &Engine, projection: ProjectionName) -> Result<Vec<Build>, Error> {
    let stored = load_builds(store, projection.as_str()).await?;
    let builds = |stored: Stored<ProjectionBuilds>| stored.record.all().map(|(build, _)| build);
    Ok(stored.map_or(vec![1], |stored| builds(stored).collect()))
}
