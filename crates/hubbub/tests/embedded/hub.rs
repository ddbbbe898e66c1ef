//! The process that is killed, starved and started again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use hubbub_testkit::{
    answer::Answer,
    client::{Client, eventually},
    load::{Door, HEALED, Load, Pump, Reader, Spoken, Total},
    operations::{Metrics, Operations},
    process::{Process, all_in_one},
    server::free_port,
    small_disk::SmallDisk,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    sync::{Mutex, MutexGuard, watch},
    task::block_in_place,
};

/// A start that takes longer hangs.
const START: Duration = Duration::from_secs(60);

/// The partitions that are folded again from their beginning: a quarter of the four.
const SAMPLE: &str = "0";

/// One at a time: what is measured of one must not be the other's doing.
static TURN: Mutex<()> = Mutex::const_new(());

/// A hubbub on one data folder, one process after the other.
pub struct Hub {
    process: Process,
    operations: Operations,
    operations_url: String,
    urls: watch::Sender<Option<(String, String)>>,
    door: Door,
    /// After the process, which is judged by its log as it is dropped.
    ground: Ground,
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
        let ground = Ground { small_disk: None, folder };
        let ground = match disk {
            None => ground,
            Some((size_mib, reserve_mib)) => ground.with_small_disk(size_mib, reserve_mib),
        };
        let process = ground.start();
        let (urls, door) = Door::closed();
        let (operations, slowest_start) = (Operations::new([]), Duration::ZERO);
        let kills = 0;
        let mut hub = Self {
            process,
            operations,
            operations_url: String::new(),
            urls,
            door,
            ground,
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
        let log = self.ground.folder.path().join("data/log");
        let files = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
        let mut segments: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|is| is == "log")).collect();
        segments.sort();
        change(segments);
        let started = Instant::now();
        self.process = self.ground.start();
        self.open(started).await;
    }

    /// Kills it, kills the next one while that reads what was left, and starts it again.
    pub async fn kill_in_recovery(&mut self) {
        self.end();
        self.process = self.ground.start();
        let lock = self.ground.folder.path().join("data/LOCK");
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
        self.small_disk().fill_but(&self.process, left_mib << 20);
    }

    pub fn make_room(&self) {
        self.small_disk().make_room(&self.process);
    }

    /// Everything that the process has written to its log.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// What `/readyz` answers, and its causes.
    pub async fn readiness(&self) -> (u16, Vec<String>) {
        self.operations.readiness().await
    }

    pub async fn metrics(&self) -> Metrics {
        self.operations.metrics().await
    }

    /// Waits for a load's end, and judges what is there then; how long there was lag.
    pub async fn judge(&self, load: Load, pumps: &[Pump]) -> (Total, Duration) {
        let said = load.ends().await;
        let ended = Instant::now();
        let reader = self.sound_reader(&said).await;
        let healed = ended.elapsed();
        assert!(healed <= HEALED, "I10: there was lag for {healed:?}");
        let total = said.check(&reader, pumps).await;
        let letters = self.get("/dead-letters").await.expect(200).json();
        assert_eq!(letters["items"], json!([]), "I9");
        let status = self.get("/status").await.expect(200).json();
        for of in status["partitions"].as_array().unwrap() {
            let [frontier, end] = ["frontier", "end"].map(|name| of[name].as_i64().unwrap());
            assert!(of["state"] == "running" && frontier == end - 1, "I7: {of}");
        }
        // I6: the tables, row by row, as they are folded from the log's beginning.
        let verify = ["verify", "--partitions", SAMPLE, "--url", &self.operations_url];
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
        let verified = block_in_place(|| command.args(verify).output()).unwrap();
        assert!(verified.status.success(), "I6: {verified:?}");
        (total, healed)
    }

    /// Waits until the process is ready and has folded everything.
    async fn sound_reader(&self, said: &Spoken) -> Reader {
        eventually(HEALED, || async {
            // It may be about to start anew.
            let answer = self.operations.try_get("/readyz").await;
            match answer {
                Some(answer) if answer.status == 200 => Ok(()),
                Some(answer) => Err(answer.to_string()),
                None => Err("no answer".to_owned()),
            }
        })
        .await;
        said.caught_up().await
    }

    async fn get(&self, path: &str) -> Answer {
        self.operations.get(path).await.remove(0)
    }

    fn small_disk(&self) -> &SmallDisk {
        &self.ground.small_disk.as_ref().unwrap().0
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
        self.operations_url = urls.operations;
        self.urls.send_replace(Some((urls.api.clone(), urls.api)));
    }
}

/// What one process after the other stands on.
struct Ground {
    small_disk: Option<(SmallDisk, Vec<(&'static str, String)>)>,
    folder: TempDir,
}

impl Ground {
    /// A disk of so many MiB, of which so many are its reserve. A process that starts anew keeps its ports.
    fn with_small_disk(self, size_mib: u64, reserve_mib: u64) -> Self {
        let listen = || format!("127.0.0.1:{}", free_port());
        let settings = vec![
            ("HUBBUB__SEGMENTS__RESERVE", format!("{reserve_mib}MiB")),
            ("HUBBUB__HTTP__LISTEN", listen()),
            ("HUBBUB__OPERATIONS__LISTEN", listen()),
        ];
        let disk = SmallDisk::new(&self.folder.path().join("data"), size_mib);
        Self { small_disk: Some((disk, settings)), ..self }
    }

    fn start(&self) -> Process {
        let folder = self.folder.path();
        let binary = Path::new(env!("CARGO_BIN_EXE_hubbub"));
        let mut command = all_in_one(binary, &folder.join("data"));
        if let Some((disk, settings)) = &self.small_disk {
            command.envs(settings.iter().map(|(name, value)| (name, value)));
            command = disk.command(&command);
        }
        Process::start(command, &folder.join("log"))
    }
}
