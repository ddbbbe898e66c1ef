//! The real nginx in front of the hubbub under test, with the routes and answers that are deployed.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    process::{Process, start_shared},
    server::free_port,
};

/// nginx starts within milliseconds.
const START: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);
/// What it logs once it has its port.
const STARTED: &str = "event method";
const PORT_TAKEN: &str = "Address already in use";

/// Whom nginx passes requests on to, by base URL, and how long it waits for them.
#[derive(Clone, Debug)]
pub struct Upstreams {
    /// The replicas of the write API.
    pub ingest: Vec<String>,
    /// The replicas of the read API.
    pub query: Vec<String>,
    /// Between two signs of life of one that was asked.
    pub patience: Duration,
}

/// A running nginx, which is killed when this is dropped.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    folder: PathBuf,
    url: String,
}

impl Nginx {
    /// Starts it on a free port, with all of its files in a folder.
    ///
    /// # Panics
    /// Where it is not installed, or does not start.
    pub async fn start(folder: &Path, upstreams: &Upstreams) -> Self {
        let start = |command| Process::start(command, &folder.join("nginx.log"));
        Self::start_with(folder, upstreams, start).await
    }

    /// The same for one that ends with the tests that share it, and takes its folder along: see [`start_shared`].
    ///
    /// # Panics
    /// As [`Nginx::start`].
    pub async fn start_shared(folder: &Path, upstreams: &Upstreams) -> Self {
        Self::start_with(folder, upstreams, |command| start_shared(&command, folder)).await
    }

    async fn start_with(
        folder: &Path,
        upstreams: &Upstreams,
        start: impl Fn(Command) -> Process,
    ) -> Self {
        let program = program();
        loop {
            let port = free_port();
            let settings = folder.join("nginx.conf");
            fs::write(&settings, configuration(folder, port, upstreams))
                .unwrap_or_else(|error| panic!("{}: {error}", settings.display()));
            let mut command = Command::new(&program);
            command.arg("-p").arg(folder).arg("-c").arg(&settings).args(["-e", "stderr"]);
            let process = start(command);
            // Whoever took the port meanwhile keeps it.
            if has_started(&process).await {
                let url = format!("http://127.0.0.1:{port}");
                return Self { process, folder: folder.to_owned(), url };
            }
        }
    }

    /// The base URL that it serves.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it wrote about itself and about errors.
    #[must_use]
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// The requests that it has answered so far, as its access log has them.
    ///
    /// # Panics
    /// Where a line is no JSON.
    #[must_use]
    pub fn requests(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.folder.join("access.log")).unwrap_or_default();
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))
        };
        whole.lines().map(parse).collect()
    }
}

async fn has_started(process: &Process) -> bool {
    let deadline = Instant::now() + START;
    loop {
        let output = process.output();
        if output.contains(PORT_TAKEN) {
            return false;
        }
        assert!(!output.contains("[emerg]"), "nginx does not start:\n{output}");
        if output.contains(STARTED) {
            return true;
        }
        assert!(Instant::now() < deadline, "nginx did not start within {START:?}:\n{output}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Debian keeps it where only root looks.
fn program() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders
        .map(|folder| folder.join("nginx"))
        .find(|program| program.exists())
        .unwrap_or_else(|| panic!("nginx is not installed: apt-get install -y nginx-light"))
}

/// One process, as a kill of nginx's master leaves its workers behind.
fn configuration(folder: &Path, port: u16, upstreams: &Upstreams) -> String {
    let deployed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docker/nginx");
    let (folder, deployed) = (folder.display(), deployed.display());
    let servers = |urls: &[String]| -> String {
        let address = |url: &String| url.trim_start_matches("http://").to_owned();
        urls.iter().map(|url| format!("server {}; ", address(url))).collect()
    };
    let (ingest, query) = (servers(&upstreams.ingest), servers(&upstreams.query));
    let patience = upstreams.patience.as_millis();
    format!(
        "daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {deployed}/hubbub.conf;
    upstream hubbub_ingest {{ {ingest} keepalive 16; }}
    upstream hubbub_query {{ {query} keepalive 16; }}
    access_log {folder}/access.log hubbub;
    proxy_read_timeout {patience}ms;
    server {{
        listen 127.0.0.1:{port};
        include {deployed}/routes.conf;
    }}
}}
"
    )
}
