//! The parts of a process and how they hang together: the only place that knows all of
//! them.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use futures::{
    StreamExt,
    future::{join_all, pending},
    stream::FuturesUnordered,
};
use hubbub_events::{Offset, TopicPartition};
use hubbub_ingest::Ingest;
use hubbub_projections::{Analysis, Likes, Posts};
use hubbub_query::Query;
use hubbub_store::{Engine, Progress, Store, frontiers_table, load_frontiers};
use hubbub_stream::{DataFolder, DataFolderError, Log};
use hubbub_tables::{Build, Receipts};
use hubbub_web::{BindError, Drain, Edge, Server};
use hubbub_worker::{Handle, Observer, Report};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::AbortOnDropHandle,
};

use crate::{
    operations::{Operations, Parts, Phase},
    settings::{ProjectionName, Settings, ShutdownSettings},
    telemetry::Metrics,
};

/// The build of every projection's tables.
const BUILD: Build = 1;

/// What the operations port still gets when all else has ended.
const LAST_ANSWERS: Duration = Duration::from_millis(500);
/// What the projections get at least to finish their batches.
const LAST_BATCHES: Duration = Duration::from_secs(1);
/// How long dropped batches may take to be gone, and the log to write what it has taken.
const ABANDON: Duration = Duration::from_millis(500);
const FLUSH: Duration = Duration::from_secs(3);

/// Why a process does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder is in use, of a newer format, or cannot be read.
    #[error(transparent)]
    Data(#[from] DataFolderError),
    /// A port cannot be opened.
    #[error("{setting}: {source}")]
    Port {
        /// The setting that names the port.
        setting: &'static str,
        /// What stands in the way.
        source: BindError,
    },
    /// The tables cannot be opened.
    #[error(transparent)]
    Store(#[from] hubbub_store::Error),
    /// The event log cannot be opened, or does not fit the settings.
    #[error(transparent)]
    Log(#[from] hubbub_stream::Error),
    /// Metrics cannot be recorded.
    #[error("metrics cannot be recorded: {0}")]
    Metrics(anyhow::Error),
}

/// A running hubbub: both APIs, the projections, and the port for operators.
///
/// Dropping it ends the process's parts at once; [`Services::shutdown`] ends them in
/// order.
pub struct Services {
    api: Serving,
    operations: Serving,
    state: Operations,
    log: Arc<dyn Log>,
    workers: Vec<Handle>,
    stop_workers: DropGuard,
    abandon: DropGuard,
    _upkeep: AbortOnDropHandle<()>,
}

/// A port that is served.
struct Serving {
    address: SocketAddr,
    stop: DropGuard,
    served: JoinHandle<()>,
}

impl Services {
    /// Starts everything that the settings ask for, and returns once requests are
    /// served. Needs a tokio runtime.
    ///
    /// # Errors
    /// Whatever stands in the way; then nothing runs.
    pub async fn spawn(settings: Settings) -> Result<Self, StartError> {
        let metrics = Metrics::of_process().map_err(StartError::Metrics)?;
        let data = DataFolder::open(&settings.data.path)?;
        // Ports first: a taken one should be known before anything is opened.
        let api = bind("http.listen", &settings.http)?;
        let operations = bind("operations.listen", &settings.operations)?;
        let upkeep = AbortOnDropHandle::new(tokio::spawn(metrics.clone().upkeep()));
        let state = Operations::new(metrics);
        let finish = settings.shutdown.finish_timeout;
        let operations =
            serve(operations, Edge::new(state.router(), &settings.operations), LAST_ANSWERS);

        let store = Engine::from_config(&settings.store, &data.store()).await?;
        let log =
            hubbub_stream::from_config(&settings.log, &data, floors(&store, &data).await?).await?;
        let progress = progress(&store, &settings).await?;
        let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
        let spawner = Spawner {
            log: Arc::clone(&log),
            store: store.clone(),
            settings: &settings,
            observer: observer(progress.clone()),
            stop: stop.clone(),
            abandon: abandon.clone(),
        };
        // From here on what was begun ends when these are dropped.
        let (stop_workers, abandon) = (stop.drop_guard(), abandon.drop_guard());
        let workers = spawner.spawn_all();
        state.complete(Parts {
            log: Arc::clone(&log),
            frontiers: frontiers_table(&store)?,
            workers: workers.clone(),
        });

        let ingest = hubbub_ingest::router(Ingest {
            log: Arc::clone(&log),
            receipts: store.table::<Receipts>(BUILD)?,
            progress: progress.clone(),
            settings: settings.ingest,
        });
        let query = hubbub_query::router(Query {
            store,
            log: Arc::clone(&log),
            progress,
            settings: settings.query,
        })?;
        let edge = Edge::new(ingest.merge(query), &settings.http);
        let api = serve(api, edge, finish);
        state.enter(Phase::Serving);
        Ok(Self { api, operations, state, log, workers, stop_workers, abandon, _upkeep: upkeep })
    }

    /// Where the API is served.
    #[must_use]
    pub fn api_addr(&self) -> SocketAddr {
        self.api.address
    }

    /// Where operators are served.
    #[must_use]
    pub fn ops_addr(&self) -> SocketAddr {
        self.operations.address
    }

    /// Waits until a projection ends by itself, which it does only when it cannot go on.
    pub async fn failed(&self) -> hubbub_worker::Error {
        let failures = self.workers.iter().map(|worker| async {
            match worker.join().await {
                Err(error) => error,
                // Told to stop, which only a shutdown does.
                Ok(()) => pending().await,
            }
        });
        match failures.collect::<FuturesUnordered<_>>().next().await {
            Some(error) => error,
            None => pending().await,
        }
    }

    /// Ends everything in order: unready first, then no more requests, then no more
    /// records, then the log, in which the projections may still leave dead letters.
    pub async fn shutdown(self, how: ShutdownSettings) {
        self.state.enter(Phase::Stopping);
        sleep(how.unready_wait).await;
        let deadline = Instant::now() + how.finish_timeout;
        // One slow client must not use up the time of the projections.
        self.api.end(deadline - LAST_BATCHES.min(how.finish_timeout)).await;

        drop(self.stop_workers);
        let ended = join_all(self.workers.iter().map(Handle::join));
        if timeout_at(deadline, ended).await.is_err() {
            tracing::warn!("batches in flight are dropped; they will be replayed");
            drop(self.abandon);
            let ended = join_all(self.workers.iter().map(Handle::join));
            let _ = timeout(ABANDON, ended).await;
        }
        if timeout(FLUSH, self.log.close()).await.is_err() {
            tracing::warn!("the event log did not finish its last writes in time");
        }
        self.operations.end(Instant::now() + LAST_ANSWERS).await;
    }
}

impl Serving {
    async fn end(self, deadline: Instant) {
        drop(self.stop);
        // A request that outlives the deadline is left to the end of the process.
        let _ = timeout_at(deadline, self.served).await;
    }
}

fn bind(setting: &'static str, http: &hubbub_web::HttpSettings) -> Result<Server, StartError> {
    Server::bind(http).map_err(|source| StartError::Port { setting, source })
}

fn serve(server: Server, edge: Edge, finish: Duration) -> Serving {
    let address = server.local_addr();
    let stop = CancellationToken::new();
    let drain = Drain { stop: stop.clone(), finish };
    let served = tokio::spawn(server.serve(edge, drain));
    Serving { address, stop: stop.drop_guard(), served }
}

/// The highest frontiers, which the log must still reach.
async fn floors(
    store: &Engine,
    data: &DataFolder,
) -> Result<HashMap<TopicPartition, Offset>, hubbub_store::Error> {
    let mut floors = HashMap::new();
    for projection in ProjectionName::ALL {
        for (of, (frontier, identity)) in load_frontiers(store, projection.as_str(), BUILD).await? {
            // The frontiers of another log say nothing of this one; the worker refuses it.
            if identity == data.identity() {
                let floor = floors.entry(of).or_insert(frontier);
                *floor = frontier.max(*floor);
            }
        }
    }
    Ok(floors)
}

/// How far every projection is, those included that do not run here.
async fn progress(store: &Engine, settings: &Settings) -> Result<Progress, hubbub_store::Error> {
    let projections = ProjectionName::ALL.map(|name| (name.as_str(), BUILD));
    let progress = Progress::new(projections.to_vec(), settings.http.max_connections.get());
    progress.refresh(store).await?;
    Ok(progress)
}

fn observer(progress: Progress) -> Observer {
    Arc::new(move |projection, of, report| match report {
        Report::Advanced(frontier) => progress.advanced(projection, of, frontier),
        Report::Halted(halt) => progress.halted(projection, of, Some(halt.reason.to_string())),
        Report::Resumed => progress.halted(projection, of, None),
    })
}

/// Starts projections.
struct Spawner<'a> {
    log: Arc<dyn Log>,
    store: Engine,
    settings: &'a Settings,
    observer: Observer,
    stop: CancellationToken,
    abandon: CancellationToken,
}

impl Spawner<'_> {
    fn spawn_all(&self) -> Vec<Handle> {
        let projections = self.settings.worker.projections.iter();
        projections.map(|projection| self.spawn(*projection)).collect()
    }

    fn spawn(&self, projection: ProjectionName) -> Handle {
        let parts = hubbub_worker::Parts {
            log: Arc::clone(&self.log),
            store: self.store.clone(),
            build: BUILD,
            settings: self.settings.worker.runner.clone(),
            observer: Arc::clone(&self.observer),
            stop: self.stop.clone(),
            abandon: self.abandon.clone(),
        };
        match projection {
            ProjectionName::Posts => hubbub_worker::spawn::<Posts, _>(parts),
            ProjectionName::Analysis => hubbub_worker::spawn::<Analysis, _>(parts),
            ProjectionName::Likes => hubbub_worker::spawn::<Likes, _>(parts),
        }
    }
}
