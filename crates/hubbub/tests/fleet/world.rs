//! A fleet of a test's own, and what its workers do.

use std::{
    collections::BTreeSet,
    mem,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use hubbub_events::{Offset, Topic};
use hubbub_stream::{Log, NewRecord};
pub use hubbub_testkit::load::{Load, outage};
use hubbub_testkit::{
    answer::Answer,
    client::{Client, eventually},
    fleet::{Addresses, Fleet},
    load::{ANALYZER, Door},
    operations::{Metrics, Operations},
    process::{Process, Signal},
    proxy::Proxy,
    server::Server,
    stack, story,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    sync::{Mutex, MutexGuard, watch},
    task::block_in_place,
};

/// How long a role may take to start, and partitions to move.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The analyzer of the next version, for which an apostrophe ends a word of ASCII text.
pub const NEXT_ANALYZER: &str = "uax29-nfc/1-next";

/// An orchestrator kills what has not ended by itself after some more than this.
const IN_ORDER: Duration = Duration::from_secs(25);

/// One fleet at a time: what is measured of one must not be the other's doing.
static TURN: Mutex<()> = Mutex::const_new(());

/// Ingest, query and any number of workers.
pub struct World {
    fleet: Fleet,
    /// The program of whatever starts from now on.
    binary: PathBuf,
    /// What must have made the analyses that are read.
    pub analyzer: &'static str,
    door: Door,
    open: watch::Sender<Option<(String, String)>>,
    ingest: Process,
    query: Process,
    pub operations: Operations,
    started: usize,
    /// After the processes, which are judged by their logs as they are dropped.
    folder: TempDir,
    /// Last, as the processes must be gone before what they run on is.
    pub servers: Servers,
    _turn: MutexGuard<'static, ()>,
}

/// Servers of a test's own, where it has any.
#[derive(Default)]
pub struct Servers {
    pub kafka: Option<Server>,
    pub cassandra: Option<Server>,
    pub redis: Option<Server>,
    /// Where a server is reached, if not where it is.
    pub kafka_address: Option<String>,
    pub cassandra_address: Option<String>,
    pub redis_address: Option<String>,
    pub proxy: Option<Proxy>,
}

impl Servers {
    fn addresses(&self) -> Addresses {
        let at = |address: &Option<String>, own: &Option<Server>, shared: fn() -> String| {
            let own = || own.as_ref().map_or_else(shared, Server::address);
            address.clone().unwrap_or_else(own)
        };
        Addresses {
            kafka: at(&self.kafka_address, &self.kafka, stack::kafka),
            cassandra: at(&self.cassandra_address, &self.cassandra, stack::cassandra),
            redis: at(&self.redis_address, &self.redis, stack::redis),
        }
    }
}

/// A worker of one projection or of all.
pub struct Worker {
    process: Process,
    url: String,
    operations: Operations,
}

impl World {
    pub async fn start() -> Self {
        Self::on(Servers::default).await
    }

    /// On servers that are made when it is this world's turn.
    pub async fn on(servers: impl FnOnce() -> Servers) -> Self {
        let turn = TURN.lock().await;
        let servers = servers();
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_hubbub"));
        let fleet = Fleet::on(&binary, servers.addresses()).await;
        let folder = TempDir::new().unwrap();
        let start = |role| Process::start(fleet.command(&[role]), &folder.path().join(role));
        let (mut ingest, mut query) = (start("ingest"), start("query"));
        let urls = (ingest.ready(PATIENCE).await, query.ready(PATIENCE).await);
        let operations = Operations::new([&*urls.0.operations, &*urls.1.operations]);
        let (open, door) = Door::closed();
        open.send_replace(Some((urls.0.api, urls.1.api)));
        let started = 0;
        Self {
            fleet,
            binary,
            analyzer: ANALYZER,
            door,
            open,
            ingest,
            query,
            operations,
            started,
            folder,
            servers,
            _turn: turn,
        }
    }

    pub fn door(&self) -> Door {
        self.door.clone()
    }

    pub async fn client(&self) -> Client {
        self.door().client().await
    }

    /// Appends a record past ingest; its offset.
    pub async fn append(&self, record: NewRecord) -> Offset {
        self.fleet.log().await.append(vec![record]).await.remove(0).unwrap()
    }

    /// Starts a worker of some projections.
    pub async fn worker(&mut self, projections: &str) -> Worker {
        let command = self.command(&["worker", "--projections", projections]);
        let mut process = self.process(command);
        let urls = process.ready(PATIENCE).await;
        let operations = Operations::new([&*urls.operations]);
        Worker { process, url: urls.operations, operations }
    }

    /// Kills both APIs in the middle of what they do, and starts them again.
    pub async fn kill_apis(&mut self) {
        self.open.send_replace(None);
        self.ingest.kill();
        self.query.kill();
        let commands = ["ingest", "query"].map(|role| self.command(&[role]));
        let [ingest, query] = commands.map(|command| self.process(command));
        (self.ingest, self.query) = (ingest, query);
        let urls = (self.ingest.ready(PATIENCE).await, self.query.ready(PATIENCE).await);
        self.operations = Operations::new([&*urls.0.operations, &*urls.1.operations]);
        self.open.send_replace(Some((urls.0.api, urls.1.api)));
    }

    /// Starts both APIs anew, sends clients there, and only then tells the old ones to end; how long that took.
    pub async fn replace_apis(&mut self) -> Duration {
        let commands = ["ingest", "query"].map(|role| self.command(&[role]));
        let [mut ingest, mut query] = commands.map(|command| self.process(command));
        let urls = (ingest.ready(PATIENCE).await, query.ready(PATIENCE).await);
        self.operations = Operations::new([&*urls.0.operations, &*urls.1.operations]);
        self.open.send_replace(Some((urls.0.api, urls.1.api)));
        mem::swap(&mut self.ingest, &mut ingest);
        mem::swap(&mut self.query, &mut query);
        let ended = tokio::join!(terminate(ingest), terminate(query));
        ended.0.max(ended.1)
    }

    /// Appends records to the log that are no events, one for each key; their partitions and offsets.
    pub async fn inject(&self, keys: &[String]) -> Vec<(u64, u64)> {
        let log = self.fleet.log().await;
        let poison = keys.iter().map(|key| {
            story::raw(key.as_bytes(), b"\xFF\xFF no event", log.partitions(Topic::Posts))
        });
        let poison: Vec<_> = poison.collect();
        let partitions: Vec<_> = poison.iter().map(|it| it.topic_partition.partition).collect();
        let offsets = log.append(poison).await.into_iter().map(|offset| offset.unwrap());
        let places = partitions.into_iter().zip(offsets);
        places.map(|(partition, offset)| (partition as u64, offset as u64)).collect()
    }

    /// Whatever starts from now on is of the next version: this very source with another event schema and analyzer.
    pub fn upgrade(&mut self) {
        self.binary = Path::new(env!("CARGO_BIN_EXE_hubbub")).with_file_name("hubbub-next");
        assert!(self.binary.exists(), "no next version: build it with scripts/next-version.sh");
    }

    /// Whatever starts from now on is of this version again.
    pub fn go_back(&mut self) {
        self.binary = PathBuf::from(env!("CARGO_BIN_EXE_hubbub"));
    }

    fn command(&self, args: &[&str]) -> Command {
        self.fleet.command_of(&self.binary, args)
    }

    fn process(&mut self, command: Command) -> Process {
        self.started += 1;
        Process::start(command, &self.folder.path().join(format!("log-{}", self.started)))
    }

    /// The memory that ingest and query have of their own, in bytes.
    pub fn memory(&self) -> [u64; 2] {
        [self.ingest.own_memory(), self.query.own_memory()]
    }

    /// Whether ingest and query say that they are ready.
    pub async fn readiness(&self) -> [bool; 2] {
        let answers = self.operations.get("/readyz").await;
        [answers[0].status == 200, answers[1].status == 200]
    }
}

impl Worker {
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// Tells it to end, and waits until it has.
    pub async fn stop(mut self) {
        self.process.signal(Signal::INT);
        let status = self.process.ended(PATIENCE).await;
        assert!(status.success(), "{status}: {}", self.process.output());
    }

    /// Tells it to end as an orchestrator does, and waits until it has; how long that took.
    pub async fn terminate(self) -> Duration {
        terminate(self.process).await
    }

    /// The memory that it has of its own, in bytes.
    pub fn memory(&self) -> u64 {
        self.process.own_memory()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.operations.get(path).await.remove(0)
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.operations.post(path, body).await.remove(0)
    }

    /// What `/readyz` answers, and its causes.
    pub async fn readiness(&self) -> (u16, Vec<String>) {
        self.operations.readiness().await
    }

    /// Waits until it folds so many partitions, those of all its projections.
    pub async fn until_folding(&self, partitions: usize) {
        self.operations.until_folding(partitions).await;
    }

    /// How a projection stands in a partition.
    pub async fn partition(&self, projection: &str, partition: i32) -> Option<Value> {
        let status = self.get("/status").await.expect(200).json();
        let is_it = |of: &&Value| of["projection"] == projection && of["partition"] == partition;
        status["partitions"].as_array()?.iter().find(is_it).cloned()
    }

    /// What an operator's command says of this worker.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
        command.args(arguments).args(["--url", &self.url]).output().unwrap()
    }

    /// The same for one that must succeed; what it says.
    pub fn succeed(&self, arguments: &[&str]) -> String {
        let output = block_in_place(|| self.command(arguments));
        let told = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
        let told = told.concat();
        assert!(output.status.success(), "{arguments:?}: {told}");
        told
    }

    pub async fn metrics(&self) -> Metrics {
        self.operations.metrics().await
    }

    /// The partitions that stand still, as its status shows them.
    pub async fn halted(&self) -> Vec<Value> {
        let status = self.get("/status").await.expect(200).json();
        let partitions = status["partitions"].as_array().cloned().unwrap_or_default();
        partitions.into_iter().filter(|of| of["state"] == "halted").collect()
    }

    /// Records that it has folded for a projection.
    pub async fn folded(&self, projection: &str) -> f64 {
        let labels = [("projection", projection)];
        self.metrics().await.sum("hubbub_records_total", &labels)
    }

    /// The partitions that are its, all of them past their start.
    pub async fn partitions(&self) -> Option<BTreeSet<u64>> {
        let status = self.get("/status").await.expect(200).json();
        let partitions = status["partitions"].as_array()?.iter();
        partitions
            .map(|of| (of["state"] != "starting").then(|| of["partition"].as_u64()).flatten())
            .collect()
    }
}

/// Sends SIGTERM, and waits for the end, which must be orderly and in time.
async fn terminate(mut process: Process) -> Duration {
    let told = Instant::now();
    process.signal(Signal::TERM);
    let status = process.ended(IN_ORDER).await;
    assert!(status.success(), "{status}: {}", process.output());
    told.elapsed()
}

/// Waits until some workers of one projection share its partitions, all of them.
pub async fn shared(workers: &[&Worker], partitions: usize) {
    eventually(PATIENCE, || async {
        let mut held = Vec::new();
        for worker in workers {
            let own = worker.partitions().await.unwrap_or_default();
            if own.is_empty() {
                return Err(format!("a worker has nothing, others {held:?}"));
            }
            held.extend(own);
        }
        let each: BTreeSet<_> = held.iter().collect();
        match (each.len(), held.len()) {
            (all, total) if all == partitions && total == partitions => Ok(()),
            _ => Err(format!("{held:?}")),
        }
    })
    .await;
}
