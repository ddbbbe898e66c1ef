//! Servers of one test's own, to be killed, frozen and damaged: what a test does to the shared ones of [`crate::stack`]
//! would be done to all tests.

pub mod cassandra;
pub mod kafka;
pub mod redis;

use std::{
    env, fs, iter,
    net::{TcpListener, TcpStream},
    ops::Range,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::process::{Process, Signal};

/// How long a server may take until it answers: the machine is shared.
const START: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(20);

/// A server on a port of its own, with all of its files in a folder. It ends with this.
pub struct Server {
    port: u16,
    folder: TempDir,
    command: Box<dyn Fn(&Path) -> Command + Send + Sync>,
    process: Process,
}

impl Server {
    /// Runs what `command` makes of the server's folder, and waits until the port is open.
    fn start(
        port: u16,
        folder: TempDir,
        command: impl Fn(&Path) -> Command + Send + Sync + 'static,
    ) -> Self {
        let process = run(&command, folder.path());
        let mut server = Self { port, folder, command: Box::new(command), process };
        server.wait();
        server
    }

    /// Where it answers, as `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Has it do nothing, and keep its connections.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Has it go on.
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, with what it has on disk.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn restart(&mut self) {
        self.process = run(&self.command, self.folder.path());
        self.wait();
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + START;
        while TcpStream::connect(self.address()).is_err() {
            let log = self.process.output();
            assert!(!self.process.has_ended() && Instant::now() < deadline, "no start: {log}");
            std::thread::sleep(PAUSE);
        }
    }
}

fn run(command: &impl Fn(&Path) -> Command, folder: &Path) -> Process {
    Process::start(command(folder), &folder.join("log"))
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"))
}

/// Ports that nobody gets who asks for any: Linux gives those from 32768 on, `scripts/test.sh` takes those from 20000 on.
const PORTS: Range<u16> = 10_000..20_000;

/// A port that nobody has at the moment, and that this process has not given to anybody before.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn free_port() -> u16 {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    // Processes that run side by side begin far apart.
    let first = process::id() as usize * 97;
    let next = || first + NEXT.fetch_add(1, Ordering::Relaxed);
    let ports = iter::repeat_with(|| PORTS.start + (next() % PORTS.len()) as u16);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.take(PORTS.len()).find(is_free).unwrap_or_else(|| panic!("no port is free"))
}

/// A recipe of the stack.
fn recipe(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docker/stack").join(name)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// The folder of the Java libraries that a server is made of, which `scripts/stack` fetched.
fn jars(server: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/stack");
    let folder = env::var_os("STACK_DIR").map_or(own, PathBuf::from).join("jars");
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let is_whole = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.starts_with(&format!("{server}-")) && path.join(".complete").exists()
    };
    let found = entries.map(|entry| entry.path()).find(is_whole);
    found.unwrap_or_else(|| {
        panic!("no {server} in {}: `make stack-up` fetches it", folder.display())
    })
}
