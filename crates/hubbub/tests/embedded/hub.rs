//! The process that is killed, starved and started again.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use hubbub_testkit::{
    answer::Answer,
    client::{Client, eventually},
    load::{Door, HEALED},
    operations::{Metrics, Operations},
    process::{Process, all_in_one},
    small_disk::SmallDisk,
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard, watch};

/// A start that takes longer hangs.
const START: Duration = Duration::from_secs(60);

/// One at a time: what is measured of one must not be the other's doing.
static TURN: Mutex<()> = Mutex::const_new(());

/// A hubbub on one data folder, one process after the other.
pub struct Hub {
    process: Process,
    operations: Operations,
    urls: watch::Sender<Option<(String, String)>>,
    door: Door,
    disk: Option<SmallDisk>,
    folder: TempDir,
    pub kills: usize,
    pub slowest_start: Duration,
    _turn: MutexGuard<'static, ()>,
}

impl Hub {
    pub async fn start() -> Self {
        Self::on(None).await
    }

    /// On a disk of so many MiB, of which so many are its reserve.
    pub async fn on_small_disk(size_mib: u64, reserve_mib: u64) -> Self {
        Self::on(Some((size_mib, reserve_mib))).await
    }

    async fn on(disk: Option<(u64, u64)>) -> Self {
        let turn = TURN.lock().await;
        let folder = TempDir::new().expect("a folder for the data");
        let data = folder.path().join("data");
        let (disk, process) = match disk {
            None => (None, start(&folder)),
            Some((size, reserve)) => {
                let disk = SmallDisk::new(&data, size);
                let mut command = all_in_one(binary(), &data);
                command.env("HUBBUB__SEGMENTS__RESERVE", format!("{reserve}MiB"));
                let process = Process::start(disk.command(&command), &folder.path().join("log"));
                (Some(disk), process)
            }
        };
        let (urls, door) = Door::closed();
        let (operations, slowest_start) = (Operations::new([]), Duration::ZERO);
        let kills = 0;
        let mut hub = Self {
            process,
            operations,
            urls,
            door,
            disk,
            folder,
            kills,
            slowest_start,
            _turn: turn,
        };
        hub.open(Instant::now()).await;
        hub
    }

    /// A way in that stays good over all restarts.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    pub async fn client(&self) -> Client {
        self.door().client().await
    }

    /// Kills it, and starts it again.
    pub async fn kill(&mut self) {
        self.kill_and(|_| {}).await;
    }

    /// Kills it, does something to the files of its log, oldest first, and starts it again.
    pub async fn kill_and(&mut self, change: impl FnOnce(Vec<PathBuf>)) {
        self.end();
        let log = self.folder.path().join("data/log");
        let files = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
        let mut segments: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|is| is == "log")).collect();
        segments.sort();
        change(segments);
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

    /// Lets something else take its disk but for so many MiB.
    pub fn fill_disk_but(&self, left_mib: u64) {
        self.disk.as_ref().unwrap().fill_but(&self.process, left_mib << 20);
    }

    pub fn make_room(&self) {
        self.disk.as_ref().unwrap().make_room(&self.process);
    }

    /// Everything that the process has written to its log.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// What `/readyz` answers, and its causes.
    pub async fn readiness(&self) -> (u16, Vec<String>) {
        let answer = self.get("/readyz").await;
        let causes = answer.json()["causes"].as_array().cloned().unwrap_or_default();
        (answer.status, causes.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    pub async fn metrics(&self) -> Metrics {
        self.operations.metrics().await
    }

    /// Waits until all that is in the log is folded; how long that took.
    pub async fn healed(&self) -> Duration {
        let started = Instant::now();
        eventually(HEALED, || async {
            let (status, causes) = self.operations.try_get("/readyz").await.map_or_else(
                || (0, Value::Null),
                |answer| (answer.status, answer.json()["causes"].clone()),
            );
            if status != 200 {
                return Err(format!("{status}: {causes}"));
            }
            let status = self.get("/status").await.expect(200).json();
            let partitions = status["partitions"].as_array().cloned().unwrap_or_default();
            let behind = |of: &&Value| of["state"] != "running" || of["lag"] != 0;
            partitions.iter().find(behind).map_or(Ok(()), |behind| Err(behind.to_string()))
        })
        .await;
        started.elapsed()
    }

    async fn get(&self, path: &str) -> Answer {
        self.operations.get(path).await.remove(0)
    }

    fn end(&mut self) {
        self.urls.send_replace(None);
        self.process.kill();
        self.kills += 1;
    }

    async fn open(&mut self, started: Instant) {
        let urls = self.process.ready(START).await;
        self.slowest_start = self.slowest_start.max(started.elapsed());
        self.operations = Operations::new([&*urls.operations]);
        self.urls.send_replace(Some((urls.api.clone(), urls.api)));
    }
}

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_hubbub"))
}

fn start(folder: &TempDir) -> Process {
    let folder = folder.path();
    Process::start(all_in_one(binary(), &folder.join("data")), &folder.join("log"))
}
