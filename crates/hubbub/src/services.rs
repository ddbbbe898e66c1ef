//! The parts of a process and how they hang together: the only place that knows all of
//! them.

use std::{collections::HashMap, net::SocketAddr, sync::Arc, time::Duration};

use futures::{
    StreamExt,
    future::{join_all, pending},
    stream::FuturesUnordered,
};
use hubbub_events::{Offset, TopicPartition};
use hubbub_query::Answers;
use hubbub_store::{
    Engine, Error as StoreError, RedisCache, StoreSettings, Watched, frontiers_table,
    load_frontiers,
};
use hubbub_stream::{DataFolder, DataFolderError, Log, LogSettings};
use hubbub_web::{BindError, Drain, Edge, Server};
use hubbub_worker::{Supervisor, Turn};
use tokio::{
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::AbortOnDropHandle,
};

use crate::{
    apis::Apis,
    disk_watch::DiskWatch,
    operations::{Caches, Maintenance, Operations, Parts, Phase},
    reading::{Reading, every_build},
    settings::{CacheKind, LogKind, ProjectionName, Role, Settings, ShutdownSettings, StoreKind},
    spawner::{Spawner, observer},
    telemetry::{Metrics, watch_dead_letters},
};

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
    Store(#[from] StoreError),
    /// The event log cannot be opened, or does not fit the settings.
    #[error(transparent)]
    Log(#[from] hubbub_stream::Error),
    /// Metrics cannot be recorded.
    #[error("metrics cannot be recorded: {0}")]
    Metrics(anyhow::Error),
}

/// A running hubbub: the parts of its role, and the port for operators.
///
/// Dropping it ends the process's parts at once; [`Services::shutdown`] ends them in
/// order.
pub struct Services {
    api: Option<Serving>,
    operations: Serving,
    state: Operations,
    log: Arc<dyn Log>,
    workers: Vec<Supervisor>,
    disk: Option<DiskWatch>,
    stop_workers: DropGuard,
    abandon: DropGuard,
    _upkeep: AbortOnDropHandle<()>,
    _letters: Option<AbortOnDropHandle<()>>,
    _following: AbortOnDropHandle<()>,
}

/// A port that is served.
struct Serving {
    address: SocketAddr,
    stop: DropGuard,
    served: JoinHandle<()>,
}

impl Services {
    /// Starts everything that the role and the settings ask for, and returns once requests
    /// are served. Needs a tokio runtime.
    ///
    /// # Errors
    /// Whatever stands in the way; then nothing runs.
    pub async fn spawn(settings: Settings) -> Result<Self, StartError> {
        let role = settings.role;
        let metrics = Metrics::of_process().map_err(StartError::Metrics)?;
        metrics.note_role(role);
        let data = data_folder(&settings)?;
        // Ports first: a taken one should be known before anything is opened.
        let has_api = role.ingests() || role.queries();
        let api = has_api.then(|| bind("http.listen", &settings.http)).transpose()?;
        let operations = bind("operations.listen", &settings.operations)?;
        let upkeep = AbortOnDropHandle::new(tokio::spawn(metrics.clone().upkeep()));
        let state = Operations::new(metrics);
        let finish = settings.shutdown.finish_timeout;
        let operations = serve(
            operations,
            Edge::new(state.router(), &settings.operations).untraced(),
            LAST_ANSWERS,
        );

        // The write API reads the tables for those who wait, and for them alone: it takes
        // writes without them.
        let store = match role {
            Role::Ingest => None,
            _ => Some(Engine::from_config(store_settings(&settings, data.as_ref())).await?),
        };
        let log = open_log(&settings, data.as_ref(), store.as_ref()).await?;
        let reading = Reading::new(settings.http.max_connections.get());
        if let Some(store) = &store {
            reading.connect(store, settings.store.kind).await?;
        }

        let redis = match settings.cache.kind {
            CacheKind::Redis if role != Role::Ingest => {
                Some(RedisCache::connect(&settings.redis, log.identity()).await?)
            }
            _ => None,
        };
        let answers = Answers::new(&settings.query.cache);
        let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
        let workers = match &store {
            Some(store) if role.folds() => Spawner {
                log: Arc::clone(&log),
                store: Watched::new(
                    Watched::new(store.clone(), redis.clone()),
                    role.queries().then(|| answers.clone()),
                ),
                settings: &settings,
                observer: observer(reading.progress.clone()),
                turn: Turn::default(),
                stop: stop.clone(),
                abandon: abandon.clone(),
            }
            .spawn_all(),
            _ => Vec::new(),
        };
        // Whoever makes dead letters tells of them.
        let letters = role.folds().then(|| watch_dead_letters(Arc::clone(&log)));
        let letters = letters.map(|watch| AbortOnDropHandle::new(tokio::spawn(watch)));
        // From here on what was begun ends when these are dropped.
        let (stop_workers, abandon) = (stop.drop_guard(), abandon.drop_guard());
        state.complete(Parts {
            log: Arc::clone(&log),
            // What only reads is of use without the log.
            needs_log: role != Role::Query,
            frontiers: store.as_ref().map(frontiers_table).transpose()?,
            workers: workers.clone(),
            maintenance: store.clone().filter(|_| role.folds()).map(|store| Maintenance {
                store,
                runner: settings.worker.runner.clone(),
                verifying: Arc::new(Semaphore::new(1)),
            }),
            store: store.clone(),
            caches: Caches {
                answers: role.queries().then(|| answers.clone()),
                redis: redis.clone(),
            },
        });

        let apis = Apis {
            settings: &settings,
            log: Arc::clone(&log),
            store: store.clone(),
            reading: reading.clone(),
            answers,
            redis,
        };
        let (routes, reader) = apis.routes()?;
        let following = match store {
            Some(store) => tokio::spawn(reading.follow(store, reader)),
            None => tokio::spawn(reading.connect_late(store_settings(&settings, None))),
        };
        let following = AbortOnDropHandle::new(following);
        let api = api.map(|api| serve(api, Edge::new(routes, &settings.http), finish));
        let disk = data.map(|data| DiskWatch {
            data,
            reserve: settings.segments.reserve,
            log: Arc::clone(&log),
            workers: workers.clone(),
        });
        state.enter(Phase::Serving);
        Ok(Self {
            api,
            operations,
            state,
            log,
            workers,
            disk,
            stop_workers,
            abandon,
            _upkeep: upkeep,
            _letters: letters,
            _following: following,
        })
    }

    /// Where the API is served; none where only projections run.
    #[must_use]
    pub fn api_addr(&self) -> Option<SocketAddr> {
        self.api.as_ref().map(|api| api.address)
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

    /// Waits until the process can be mended by being started anew.
    pub async fn mendable(&self) {
        match &self.disk {
            Some(disk) => disk.until_mendable().await,
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
        if let Some(api) = self.api {
            api.end(deadline - LAST_BATCHES.min(how.finish_timeout)).await;
        }

        drop(self.stop_workers);
        let ended = join_all(self.workers.iter().map(Supervisor::join));
        if timeout_at(deadline, ended).await.is_err() {
            tracing::warn!("batches in flight are dropped; they will be replayed");
            drop(self.abandon);
            let ended = join_all(self.workers.iter().map(Supervisor::join));
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

/// The folder that an embedded log or store has its files in.
fn data_folder(settings: &Settings) -> Result<Option<DataFolder>, DataFolderError> {
    let is_used =
        settings.log.kind == LogKind::Segments || settings.store.kind == StoreKind::Embedded;
    is_used.then(|| DataFolder::open(&settings.data.path)).transpose()
}

fn store_settings(settings: &Settings, data: Option<&DataFolder>) -> StoreSettings {
    match data.filter(|_| settings.store.kind == StoreKind::Embedded) {
        Some(data) => {
            StoreSettings::Embedded { settings: settings.embedded.clone(), folder: data.store() }
        }
        None => StoreSettings::Cassandra(Box::new(settings.cassandra.clone())),
    }
}

async fn open_log(
    settings: &Settings,
    data: Option<&DataFolder>,
    store: Option<&Engine>,
) -> Result<Arc<dyn Log>, StartError> {
    let log = match (data.filter(|_| settings.log.kind == LogKind::Segments), store) {
        (Some(data), Some(store)) => LogSettings::Segments {
            settings: settings.segments.clone(),
            data: data.clone(),
            floors: floors(store, data).await?,
        },
        _ => LogSettings::Kafka(Box::new(settings.kafka.clone())),
    };
    Ok(hubbub_stream::from_config(log).await?)
}

/// The highest frontiers, which the log must still reach.
async fn floors(
    store: &Engine,
    data: &DataFolder,
) -> Result<HashMap<TopicPartition, Offset>, StoreError> {
    let mut floors = HashMap::new();
    for projection in ProjectionName::ALL {
        for build in every_build(store, projection).await? {
            let of_build = load_frontiers(store, projection.as_str(), build).await?;
            // The frontiers of another log say nothing of this one; the worker refuses it.
            let of_this_log =
                of_build.into_iter().filter(|(_, (_, identity))| *identity == data.identity());
            for (of, (frontier, _)) in of_this_log {
                let floor = floors.entry(of).or_insert(frontier);
                *floor = frontier.max(*floor);
            }
        }
    }
    Ok(floors)
}
