//! Real processes of the binary under test: started, watched, told to end, and killed.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use bytesize::ByteSize;
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde_json::Value;

/// How a panic is logged, that of a request and that of any other task.
const PANICKED: &str = " panicked";
/// What no hubbub takes, whatever happens to what it runs on.
const MEMORY: u64 = 256 << 20;

/// Between two looks at a process.
const PAUSE: Duration = Duration::from_millis(5);

/// The command that serves everything in one process: on free ports, with its data in a folder, and with no settings from
/// the outside.
#[must_use]
pub fn all_in_one(binary: &Path, data: &Path) -> Command {
    let mut command = hubbub(binary);
    command.env("HUBBUB__DATA__PATH", data);
    command
}

/// The same, where reads without a token wait for what was just written as long as a machine that pauses may need.
#[must_use]
pub fn patient(mut command: Command) -> Command {
    command.env("HUBBUB__QUERY__ABSENT_WAIT", "5s");
    command
}

/// The command of the binary, with free ports and no settings from the outside.
#[must_use]
pub fn hubbub(binary: &Path) -> Command {
    let mut command = Command::new(binary);
    let is_ours = |name: &str| name.starts_with("HUBBUB__") || name.starts_with("OTEL_");
    for (name, _) in env::vars_os().filter(|(name, _)| is_ours(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
        .env("HUBBUB__HTTP__LISTEN", "127.0.0.1:0")
        .env("HUBBUB__OPERATIONS__LISTEN", "127.0.0.1:0")
        .env("HUBBUB__TELEMETRY__LOG_FORMAT", "json");
    command
}

/// Where a process serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    /// The base URL of its API; empty where it has none.
    pub api: String,
    /// The base URL of its operations port.
    pub operations: String,
}

/// A running process, which is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command; what it writes goes to a file.
    ///
    /// # Panics
    /// Where it cannot be started.
    #[must_use]
    pub fn start(mut command: Command, log: &Path) -> Self {
        let start = || {
            let file = File::create(log)?;
            command.stdout(file.try_clone()?).stderr(file).spawn()
        };
        let child = start_or_panic(start, log);
        Self { child, log: log.to_owned() }
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has written so far.
    #[must_use]
    pub fn output(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Waits until it says where it listens.
    ///
    /// # Panics
    /// Where it ends, or says nothing in time.
    pub async fn ready(&mut self, within: Duration) -> Urls {
        let deadline = Instant::now() + within;
        loop {
            let output = self.output();
            if let Some(urls) = output.lines().find_map(urls) {
                return urls;
            }
            if let Some(status) = self.ended_by_now() {
                panic!("it ended with {status}:\n{}", self.output());
            }
            assert!(Instant::now() < deadline, "not ready within {within:?}:\n{output}");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// Where there is no such process any more.
    pub fn signal(&self, signal: Signal) {
        self.assert_sound(self.memory("VmHWM:"));
        let sent = i32::try_from(self.id())
            .ok()
            .and_then(Pid::from_raw)
            .map(|id| kill_process(id, signal));
        assert!(matches!(sent, Some(Ok(()))), "{signal:?} cannot be sent: {sent:?}");
    }

    /// Ends it with SIGKILL, and waits until it is gone.
    ///
    /// # Panics
    /// Where that is not possible.
    pub fn kill(&mut self) {
        self.assert_sound(self.memory("VmHWM:"));
        let killed = self.child.kill().and_then(|()| self.child.wait());
        assert!(killed.is_ok(), "it cannot be killed: {killed:?}");
    }

    /// Waits for its own end.
    ///
    /// # Panics
    /// Where it goes on for longer.
    pub async fn ended(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.ended_by_now() {
                return status;
            }
            assert!(Instant::now() < deadline, "it runs on after {within:?}:\n{}", self.output());
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether it is gone.
    ///
    /// # Panics
    /// Where it cannot be asked.
    pub fn has_ended(&mut self) -> bool {
        self.ended_by_now().is_some()
    }

    /// Whatever becomes of a hubbub, it never panics and never takes much memory.
    fn assert_sound(&self, peak: u64) {
        let output = self.output();
        assert!(!output.contains(PANICKED), "it panicked:\n{output}");
        assert!(peak <= MEMORY, "it took {} of memory", ByteSize(peak));
    }

    /// The memory that it has of its own now, without the pages of its program, in bytes.
    #[must_use]
    pub fn own_memory(&self) -> u64 {
        self.memory("RssAnon:")
    }

    /// A size that the kernel tells, in bytes; 0 where it is gone, or is a server that a hubbub runs on.
    fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap_or_default();
        if !status.starts_with("Name:\thubbub") {
            return 0;
        }
        let size = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = size.and_then(|size| size.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.unwrap_or_default() << 10
    }

    fn ended_by_now(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap_or_else(|error| panic!("it cannot be waited for: {error}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let peak = self.memory("VmHWM:");
        // It may have ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
        match thread::panicking() {
            // So that whoever reads the failure sees the other side of it.
            true => tell(&last_lines(&self.output())),
            false => self.assert_sound(peak),
        }
    }
}

#[expect(clippy::print_stderr, reason = "it is shown with the failure of the test")]
fn tell(lines: &str) {
    eprintln!("what it said last:\n{lines}");
}

fn last_lines(output: &str) -> String {
    const LINES: usize = 50;
    let lines: Vec<_> = output.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

/// A process that ends with the tests that share it, however these end, and takes its folder along. (Statics are never
/// dropped, and a test that is killed drops nothing.)
///
/// # Panics
/// Where it cannot be started.
#[must_use]
pub fn start_shared(command: &Command, folder: &Path) -> Process {
    // The pipe to its standard input closes with the process that holds the other end.
    const SCRIPT: &str =
        r#""$@" </dev/null & read -r _; kill -9 $!; wait $! 2>/dev/null; rm -rf "$SHARED_FOLDER""#;
    let mut shell = Command::new("sh");
    shell.args(["-c", SCRIPT, "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.env("SHARED_FOLDER", folder).stdin(Stdio::piped());
    Process::start(shell, &folder.join("log"))
}

fn start_or_panic(start: impl FnOnce() -> std::io::Result<Child>, log: &Path) -> Child {
    start().unwrap_or_else(|error| {
        panic!("it cannot be started with its log in {}: {error}", log.display())
    })
}

/// The URLs that a line of the log names.
fn urls(line: &str) -> Option<Urls> {
    let line: Value = serde_json::from_str(line).ok()?;
    let url = |name: &str| Some(format!("http://{}", line[name].as_str()?));
    Some(Urls { operations: url("operations")?, api: url("api").unwrap_or_default() })
}
