//! The hubbub under test, which the whole suite shares: one process of the real binary, or a fleet of them, by the suite's
//! name; or whatever the environment names.

use std::{env, mem, path::Path, time::Duration};

use hubbub_testkit::{
    client::{Client, eventually},
    fleet::Fleet,
    nginx::{Nginx, Upstreams},
    operations::Operations,
    process::{Process, Urls, all_in_one, patient, start_shared},
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

const START: Duration = Duration::from_secs(30);
const PROJECTIONS: usize = 3;
/// Those of a fleet's topic by default.
const PARTITIONS: usize = 12;
/// How long nginx waits for those behind it: longer than any of their own limits.
const PATIENCE: Duration = Duration::from_secs(30);

struct System {
    ingest: String,
    query: String,
    operations: Vec<String>,
    /// They end with the suite's process.
    _processes: Vec<Process>,
    _nginx: Option<Nginx>,
}

/// The suite is compiled twice.
pub const IS_FLEET: bool = matches!(env!("CARGO_CRATE_NAME").as_bytes(), b"e2e_fleet");

static SYSTEM: OnceCell<System> = OnceCell::const_new();

/// A client of the hubbub under test, which is ready.
pub async fn hub() -> Client {
    SYSTEM.get_or_init(System::start).await.client()
}

/// The same of one that no other test uses, for what would have them wait.
pub async fn hub_apart() -> Client {
    static APART: OnceCell<System> = OnceCell::const_new();
    APART.get_or_init(System::start).await.client()
}

/// A client of its operations ports.
pub async fn operations() -> Operations {
    SYSTEM.get_or_init(System::start).await.operations()
}

/// The base URLs of its operations ports.
pub async fn operations_urls() -> &'static [String] {
    &SYSTEM.get_or_init(System::start).await.operations
}

impl System {
    async fn start() -> Self {
        let system = match env::var("HUBBUB_TEST_INGEST_URL") {
            Ok(ingest) => Self {
                query: variable("HUBBUB_TEST_QUERY_URL"),
                operations: variable("HUBBUB_TEST_OPERATIONS_URLS")
                    .split(',')
                    .map(str::to_owned)
                    .collect(),
                ingest,
                _processes: Vec::new(),
                _nginx: None,
            },
            Err(_) if IS_FLEET => Self::of_a_fleet().await,
            Err(_) => Self::of_one_process().await,
        };
        let operations = system.operations();
        eventually(START, || async {
            let answers = operations.get("/readyz").await;
            answers.into_iter().find(|answer| answer.status != 200).map_or(Ok(()), Err)
        })
        .await;
        if IS_FLEET && env::var("HUBBUB_TEST_INGEST_URL").is_err() {
            operations.until_folding(PROJECTIONS * PARTITIONS).await;
        }
        system
    }

    async fn of_one_process() -> Self {
        // The process that is started takes the folder along when it ends.
        let folder = TempDir::new().expect("a folder for the data").keep();
        let command = all_in_one(Path::new(env!("CARGO_BIN_EXE_hubbub")), &folder.join("data"));
        let mut process = start_shared(&patient(command), &folder);
        let urls = process.ready(START).await;
        Self {
            ingest: urls.api.clone(),
            query: urls.api,
            operations: vec![urls.operations],
            _processes: vec![process],
            _nginx: None,
        }
    }

    /// Two replicas of each role, behind nginx.
    async fn of_a_fleet() -> Self {
        let fleet = Fleet::new(Path::new(env!("CARGO_BIN_EXE_hubbub"))).await;
        let mut processes = Vec::new();
        let mut urls = Vec::new();
        for role in ["ingest", "ingest", "query", "query", "worker", "worker"] {
            let folder = TempDir::new().expect("a folder for the log").keep();
            let mut process = start_shared(&patient(fleet.command(&[role])), &folder);
            urls.push(process.ready(START).await);
            processes.push(process);
        }
        let apis = |urls: &[Urls]| urls.iter().map(|urls| urls.api.clone()).collect();
        let upstreams =
            Upstreams { ingest: apis(&urls[..2]), query: apis(&urls[2..4]), patience: PATIENCE };
        let folder = TempDir::new().expect("a folder for nginx").keep();
        let nginx = Nginx::start_shared(&folder, &upstreams).await;
        // Its topics and tables stay for as long as the suite, and are removed by the next fleet.
        mem::forget(fleet);
        Self {
            ingest: nginx.url().to_owned(),
            query: nginx.url().to_owned(),
            operations: urls.into_iter().map(|urls| urls.operations).collect(),
            _processes: processes,
            _nginx: Some(nginx),
        }
    }

    fn client(&self) -> Client {
        Client::new(&self.ingest, &self.query)
    }

    fn operations(&self) -> Operations {
        Operations::new(self.operations.iter().map(String::as_str))
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set, and HUBBUB_TEST_INGEST_URL is"))
}
