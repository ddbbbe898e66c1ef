//! The process that is killed and started again.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use hubbub_testkit::{
    client::eventually,
    load::Door,
    process::{Process, all_in_one},
};
use tempfile::TempDir;
use tokio::sync::watch;

/// A start that takes longer hangs.
const START: Duration = Duration::from_secs(60);

/// A hubbub on one data folder, one process after the other.
pub struct Hub {
    folder: TempDir,
    process: Process,
    urls: watch::Sender<Option<(String, String)>>,
    door: Door,
    pub kills: usize,
    pub slowest_start: Duration,
}

impl Hub {
    pub async fn start() -> Self {
        let folder = TempDir::new().expect("a folder for the data");
        let process = start(&folder);
        let (urls, door) = Door::closed();
        let mut hub = Self { folder, process, urls, door, kills: 0, slowest_start: Duration::ZERO };
        hub.open(Instant::now()).await;
        hub
    }

    /// A way in that stays good over all restarts.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// Kills it, and starts it again.
    pub async fn kill(&mut self) {
        self.end();
        let started = Instant::now();
        self.process = start(&self.folder);
        self.open(started).await;
    }

    /// Kills it, kills the next one while that reads what was left, and starts it again.
    pub async fn kill_in_recovery(&mut self) {
        self.end();
        self.process = start(&self.folder);
        let lock = self.folder.path().join("data/LOCK");
        let id = self.process.id().to_string();
        eventually(START, || async {
            let holder = fs::read_to_string(&lock).unwrap_or_default();
            if holder.trim() == id {
                Ok(())
            } else {
                Err(format!("the folder is held by {holder:?}"))
            }
        })
        .await;
        self.kill().await;
    }

    fn end(&mut self) {
        self.urls.send_replace(None);
        self.process.kill();
        self.kills += 1;
    }

    async fn open(&mut self, started: Instant) {
        let urls = self.process.ready(START).await;
        self.slowest_start = self.slowest_start.max(started.elapsed());
        self.urls.send_replace(Some((urls.api.clone(), urls.api)));
    }
}

fn start(folder: &TempDir) -> Process {
    let folder = folder.path();
    let command = all_in_one(Path::new(env!("CARGO_BIN_EXE_hubbub")), &folder.join("data"));
    Process::start(command, &folder.join("log"))
}
