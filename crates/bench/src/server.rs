//! The servers under measurement, each a process of its own on the first core.

use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use hubbub_testkit::server::free_port;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::sleep,
};

use crate::load::{self, Connection};

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running server; killed when dropped.
pub struct Server {
    pub port: u16,
    pub operations: u16,
    pub started_in: Duration,
    process: Child,
}

/// Keeps this process off the servers' core.
pub fn pin_to_client_core() {
    let mut cores = rustix::thread::CpuSet::new();
    cores.set(1);
    if rustix::thread::sched_setaffinity(None, &cores).is_err() {
        println!("(one core only: client and server share it)");
    }
}

impl Server {
    /// Starts hubbub with its defaults on a data folder.
    pub async fn hubbub(
        binary: &Path,
        data: &TempDir,
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let (port, operations) = (free_port(), free_port());
        let mut command = on_first_core(binary);
        command
            .env("HUBBUB__HTTP__LISTEN", format!("127.0.0.1:{port}"))
            .env("HUBBUB__OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"))
            .env("HUBBUB__DATA__PATH", data.path())
            .envs(settings.iter().copied());
        Self::started(command, port, operations, "/readyz").await
    }

    /// Starts a process of a fleet, by its command.
    pub async fn of_fleet(command: &std::process::Command) -> anyhow::Result<Self> {
        let (port, operations) = (free_port(), free_port());
        let mut pinned = on_first_core(Path::new(command.get_program()));
        pinned.args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => pinned.env(name, value),
                None => pinned.env_remove(name),
            };
        }
        pinned
            .env("HUBBUB__HTTP__LISTEN", format!("127.0.0.1:{port}"))
            .env("HUBBUB__OPERATIONS__LISTEN", format!("127.0.0.1:{operations}"));
        Self::started(pinned, port, operations, "/readyz").await
    }

    /// Starts a bare baseline.
    pub async fn bare(which: &str, arguments: &[&str]) -> anyhow::Result<Self> {
        let port = free_port();
        let mut command = on_first_core(&std::env::current_exe()?);
        command.args(["bare", which]).arg(port.to_string()).args(arguments);
        Self::started(command, port, port, "/readyz").await
    }

    async fn started(
        mut command: Command,
        port: u16,
        operations: u16,
        ready_path: &str,
    ) -> anyhow::Result<Self> {
        let began = Instant::now();
        let process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the server; `make bench` builds it first")?;
        let mut server = Self { port, operations, started_in: Duration::ZERO, process };
        let ready = load::request("GET", ready_path, "text/plain", b"");
        while began.elapsed() < START_TIMEOUT {
            if let Ok(mut connection) = Connection::open(operations).await
                && connection.exchange(&ready, 200).await.is_ok()
            {
                server.started_in = began.elapsed();
                return Ok(server);
            }
            if let Some(status) = server.process.try_wait()? {
                bail!("the server ended with {status}");
            }
            sleep(Duration::from_millis(2)).await;
        }
        bail!("the server was not ready within {START_TIMEOUT:?}")
    }

    /// Its resident memory in bytes, as the kernel counts it.
    pub fn resident(&self) -> anyhow::Result<u64> {
        Ok(self.status_kib("VmRSS:")? * 1024)
    }

    /// The most that it ever was.
    pub fn most_resident(&self) -> anyhow::Result<u64> {
        Ok(self.status_kib("VmHWM:")? * 1024)
    }

    /// The processor time it used so far.
    pub fn processor_time(&self) -> anyhow::Result<Duration> {
        processor_time_of(&self.id()?.to_string())
    }

    /// The sum of its samples of a metric that have all of these labels.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> anyhow::Result<f64> {
        let mut connection = Connection::open(self.operations).await?;
        let request = load::request("GET", "/metrics", "text/plain", b"");
        let metrics = String::from_utf8(connection.send(&request, 200).await?.to_vec())?;
        Ok(metrics
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{')))
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    fn id(&self) -> anyhow::Result<u32> {
        self.process.id().context("the server has ended")
    }

    fn status_kib(&self, name: &str) -> anyhow::Result<u64> {
        let id = self.id()?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let line =
            status.lines().find_map(|line| line.strip_prefix(name)).context("proc status")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Kills it at once.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.process.kill().await?)
    }

    /// Has it end in order, and waits for that.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let id = i32::try_from(self.id()?).ok().and_then(Pid::from_raw).context("a process id")?;
        kill_process(id, Signal::TERM)?;
        self.process.wait().await?;
        Ok(())
    }
}

/// The processor time that a process used so far; `self` is this one.
pub fn processor_time_of(process: &str) -> anyhow::Result<Duration> {
    const TICKS_A_SECOND: u64 = 100;
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // Fields 14 and 15 of proc(5), counted behind the name, which may hold spaces.
    let fields: Vec<_> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: u64 =
        fields.get(11..13).context("proc stat")?.iter().flat_map(|n| n.parse::<u64>()).sum();
    Ok(Duration::from_millis(ticks * 1000 / TICKS_A_SECOND))
}

pub fn on_first_core(binary: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(binary);
    command
}
