//! A worker in a process of its own: this test's own program, started again.

use std::{
    collections::HashMap,
    env,
    io::Write,
    path::Path,
    process::{Command, ExitStatus},
    sync::Arc,
    time::Duration,
};

use bytesize::ByteSize;
use hubbub_events::{Offset, TopicPartition};
use hubbub_store::{EmbeddedSettings, EmbeddedStore, load_frontiers};
use hubbub_stream::{DataFolder, Log, LogSettings, segments::SegmentsSettings};
use hubbub_testkit::{
    client::eventually,
    process::{Process, Signal},
};
use hubbub_worker::{Parts, Report, Turn, WorkerSettings, spawn};
use tokio_util::sync::CancellationToken;

use crate::{
    BATCH, PARTITIONS, PATIENCE,
    deadly::{Deadly, MENDED},
};

/// Where the log and the tables of a child are; nobody else is one.
const FOLDER: &str = "DYING_FOLDER";
/// Set where the first halt is resumed.
const RESUMED: &str = "DYING_IS_RESUMED";

/// What a child does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Life {
    pub is_mended: bool,
    pub is_resumed: bool,
}

/// A worker, and what it says.
pub struct Child(Process);

impl Child {
    pub fn start(folder: &Path, life: Life) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "child::the_worker", "--nocapture"]).env(FOLDER, folder);
        for (name, is_set) in [(MENDED, life.is_mended), (RESUMED, life.is_resumed)] {
            match is_set {
                true => command.env(name, "1"),
                false => command.env_remove(name),
            };
        }
        Self(Process::start(command, &folder.join("said")))
    }

    pub fn output(&self) -> String {
        self.0.output()
    }

    /// Waits until it says a line.
    pub async fn says(&mut self, line: &str, within: Duration) {
        eventually(within, || async {
            let output = self.output();
            if output.lines().any(|said| said == line) { Ok(()) } else { Err(output) }
        })
        .await;
    }

    /// Waits until it is halted, and lives; `false` where it dies.
    pub async fn stays(&mut self, within: Duration) -> bool {
        let (mut stays, process) = (false, &mut self.0);
        let deadline = std::time::Instant::now() + within;
        while !stays && !process.has_ended() {
            assert!(std::time::Instant::now() < deadline, "{}", process.output());
            stays = process.output().contains("halted");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stays
    }

    pub async fn ended(&mut self) -> ExitStatus {
        self.0.ended(PATIENCE).await
    }

    /// Tells it to end, and waits until it has.
    pub async fn end(&mut self) {
        self.0.signal(Signal::TERM);
        let status = self.ended().await;
        assert!(status.success(), "{status}: {}", self.output());
    }
}

pub async fn open_log(folder: &Path) -> Arc<dyn Log> {
    let log = LogSettings::Segments {
        settings: SegmentsSettings { partitions: PARTITIONS as u16, ..SegmentsSettings::default() },
        data: DataFolder::open(folder).unwrap(),
        floors: HashMap::new(),
    };
    hubbub_stream::from_config(log).await.unwrap()
}

fn open_store(folder: &Path) -> EmbeddedStore {
    let settings = EmbeddedSettings {
        cache_size: ByteSize::mib(1),
        memtable_size: ByteSize::mib(1),
        queue_size: ByteSize::mib(1),
    };
    EmbeddedStore::open(&settings, &folder.join("store")).unwrap()
}

/// The frontier that a dead child left; −1: none.
pub async fn frontier(folder: &Path, of: TopicPartition) -> Offset {
    let frontiers = load_frontiers(&open_store(folder), "likes", 1).await.unwrap();
    frontiers.get(&of).map_or(-1, |(frontier, _)| *frontier)
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The harness may have begun a line of its own.
    write!(out, "\n{line}\n").and_then(|()| out.flush()).unwrap();
}

/// No test of its own: what a child of the other tests runs.
#[tokio::test]
async fn the_worker() {
    let Some(folder) = env::var_os(FOLDER) else {
        return;
    };
    let folder = Path::new(&folder);
    let (log, stop) = (open_log(folder).await, CancellationToken::new());
    let mut told =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    let (halted, mut halts) = tokio::sync::mpsc::unbounded_channel();
    let parts = Parts {
        log: Arc::clone(&log),
        store: open_store(folder),
        settings: WorkerSettings {
            batch_records: BATCH,
            queue_size: ByteSize::mib(1),
            view_size: ByteSize::mib(1),
            retry_min: Duration::from_millis(50),
            retry_max: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(600),
            revocation_timeout: Duration::from_secs(5),
        },
        observer: Arc::new(move |_, _, of, report| match report {
            Report::Advanced(offset) => say(&format!("folded {} {offset}", of.partition)),
            Report::Halted(halt) => {
                say(&format!("halted {} {}", halt.reason, halt.at));
                let _ = halted.send(());
            }
            Report::Resumed => say("resumed"),
        }),
        turn: Turn::default(),
        stop: stop.clone(),
        abandon: CancellationToken::new(),
    };
    let handle = spawn::<Deadly, _>(parts, 1);
    say("started");
    if env::var_os(RESUMED).is_some() {
        halts.recv().await;
        assert_eq!(handle.resume(None, false).await, 1);
    }
    told.recv().await;
    stop.cancel();
    handle.join().await.unwrap();
    log.close().await;
}
