//! The hubbub under test: one process of the real binary that the whole suite shares, or whatever the environment names.

use std::{env, path::Path, time::Duration};

use hubbub_testkit::{
    client::{Client, eventually},
    operations::Operations,
    process::{Process, all_in_one, start_shared},
};
use tempfile::TempDir;
use tokio::sync::OnceCell;

const START: Duration = Duration::from_secs(30);

struct System {
    ingest: String,
    query: String,
    operations: Vec<String>,
    /// It ends with the suite's process.
    _process: Option<Process>,
}

static SYSTEM: OnceCell<System> = OnceCell::const_new();

/// A client of the hubbub under test, which is ready.
pub async fn hub() -> Client {
    let system = SYSTEM.get_or_init(System::start).await;
    Client::new(&system.ingest, &system.query)
}

/// A client of its operations ports.
pub async fn operations() -> Operations {
    SYSTEM.get_or_init(System::start).await.operations()
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
                _process: None,
            },
            Err(_) => Self::of_one_process().await,
        };
        let operations = system.operations();
        eventually(START, || async {
            let answers = operations.get("/readyz").await;
            answers.into_iter().find(|answer| answer.status != 200).map_or(Ok(()), Err)
        })
        .await;
        system
    }

    async fn of_one_process() -> Self {
        // The process that is started takes the folder along when it ends.
        let folder = TempDir::new().expect("a folder for the data").keep();
        let command = all_in_one(Path::new(env!("CARGO_BIN_EXE_hubbub")), &folder.join("data"));
        let mut process = start_shared(&command, &folder);
        let urls = process.ready(START).await;
        Self {
            ingest: urls.api.clone(),
            query: urls.api,
            operations: vec![urls.operations],
            _process: Some(process),
        }
    }

    fn operations(&self) -> Operations {
        Operations::new(self.operations.iter().map(String::as_str))
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set, and HUBBUB_TEST_INGEST_URL is"))
}
