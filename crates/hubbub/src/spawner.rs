//! Starts the projections of a process.

use std::sync::Arc;

use hubbub_projections::{Analysis, Likes, Posts};
use hubbub_query::Answers;
use hubbub_store::{Engine, Progress, RedisCache, Watched};
use hubbub_stream::Log;
use hubbub_worker::{Observer, Report, Supervisor, Turn};
use tokio_util::sync::CancellationToken;

use crate::settings::{ProjectionName, Settings};

/// What the projections of a process run on.
pub struct Spawner<'a> {
    pub log: Arc<dyn Log>,
    /// Whoever keeps copies of rows is told when they are written.
    pub store: Watched<Watched<Engine, Option<RedisCache>>, Option<Answers>>,
    pub settings: &'a Settings,
    pub observer: Observer,
    pub turn: Turn,
    /// Cancelled to end: what is in flight is finished.
    pub stop: CancellationToken,
    /// Cancelled when there is no more time for that.
    pub abandon: CancellationToken,
}

impl Spawner<'_> {
    /// Starts those that the settings name.
    pub fn spawn_all(&self) -> Vec<Supervisor> {
        let projections = self.settings.worker.projections.iter();
        projections.map(|projection| self.spawn(*projection)).collect()
    }

    fn spawn(&self, projection: ProjectionName) -> Supervisor {
        let parts = hubbub_worker::Parts {
            log: Arc::clone(&self.log),
            store: self.store.clone(),
            settings: self.settings.worker.runner.clone(),
            observer: Arc::clone(&self.observer),
            turn: self.turn.clone(),
            stop: self.stop.clone(),
            abandon: self.abandon.clone(),
        };
        match projection {
            ProjectionName::Posts => hubbub_worker::spawn_all::<Posts, _>(parts),
            ProjectionName::Analysis => hubbub_worker::spawn_all::<Analysis, _>(parts),
            ProjectionName::Likes => hubbub_worker::spawn_all::<Likes, _>(parts),
        }
    }
}

/// Tells readers how far each partition is.
pub fn observer(progress: Progress) -> Observer {
    Arc::new(move |projection, build, of, report| match report {
        Report::Advanced(frontier) => progress.advanced(projection, build, of, frontier),
        Report::Halted(halt) => {
            progress.halted(projection, build, of, Some(halt.reason.to_string()));
        }
        Report::Resumed => progress.halted(projection, build, of, None),
    })
}
