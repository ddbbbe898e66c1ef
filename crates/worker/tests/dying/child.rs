//! A worker in a process of its own: this test's own program, started again.

use std::{
    env,
    io::Write,
    process::{Command, ExitStatus},
    sync::Arc,
    time::Duration,
};

use bytesize::ByteSize;
use hubbub_testkit::{
    client::eventually,
    process::{Process, Signal},
};
use hubbub_worker::{Parts, Report, Turn, WorkerSettings, spawn};
use tempfile::{NamedTempFile, TempPath};
use tokio_util::sync::CancellationToken;

use crate::{
    BATCH, PATIENCE,
    deadly::{Deadly, MENDED},
    ground::Ground,
};

/// Set where the first halt is resumed.
const RESUMED: &str = "DYING_IS_RESUMED";

/// What a child does.
#[derive(Debug, Clone, Copy, Default)]
pub struct Life {
    pub is_mended: bool,
    pub is_resumed: bool,
}

/// A worker, and what it says.
pub struct Child {
    process: Process,
    /// After the process, which is judged by it as it is dropped.
    _said: TempPath,
}

impl Child {
    pub fn start(ground: &Ground, life: Life) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "child::the_worker", "--nocapture"]);
        ground.hand_to(&mut command);
        for (name, is_set) in [(MENDED, life.is_mended), (RESUMED, life.is_resumed)] {
            match is_set {
                true => command.env(name, "1"),
                false => command.env_remove(name),
            };
        }
        let said = NamedTempFile::new().unwrap().into_temp_path();
        Self { process: Process::start(command, &said), _said: said }
    }

    pub fn output(&self) -> String {
        self.process.output()
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
        let (mut stays, process) = (false, &mut self.process);
        let deadline = std::time::Instant::now() + within;
        while !stays && !process.has_ended() {
            assert!(std::time::Instant::now() < deadline, "{}", process.output());
            stays = process.output().contains("halted");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stays
    }

    pub async fn ended(&mut self) -> ExitStatus {
        self.process.ended(PATIENCE).await
    }

    /// Tells it to end, and waits until it has.
    pub async fn end(&mut self) {
        self.process.signal(Signal::TERM);
        let status = self.ended().await;
        assert!(status.success(), "{status}: {}", self.output());
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The harness may have begun a line of its own.
    write!(out, "\n{line}\n").and_then(|()| out.flush()).unwrap();
}

/// No test of its own: what a child of the other tests runs.
#[tokio::test]
async fn the_worker() {
    let Some(ground) = Ground::of_child() else {
        return;
    };
    let (log, stop) = (ground.log().await, CancellationToken::new());
    let mut told =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    let (halted, mut halts) = tokio::sync::mpsc::unbounded_channel();
    let parts = Parts {
        log: Arc::clone(&log),
        store: ground.store().await,
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
