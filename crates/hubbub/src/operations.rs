//! The port for operators and their tools. It has no authentication.
//!
//! | route | answers |
//! |---|---|
//! | GET /livez | 200 while the process answers at all |
//! | GET /startupz | 200 once it serves requests |
//! | GET /readyz | 200 where requests should come here, 503 with what is wrong |
//! | GET /status | how each projection stands in each partition |
//! | GET /metrics | Prometheus's text format |
//! | GET /dead-letters, /dead-letters/{partition}/{offset} | what could not be folded |
//! | POST /dead-letters/{partition}/{offset}/repair | appends what it should have said |
//! | POST /resume | ends halts |
//! | GET, POST /builds/{projection} | how its builds stand; makes, switches, drops them |
//! | POST /builds/{projection}/compare | holds its builds against each other |
//! | GET /explain/posts/{id} | which events made a post, and how old its copies are |
//! | POST /verify | recomputes what is read, and compares |

mod builds;
mod dead_letters;
mod explain;
mod health;
mod resume;
mod verify;

use std::sync::{Arc, OnceLock, RwLock};

use axum::{
    Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use futures::{FutureExt, StreamExt, stream};
use http::header;
use hubbub_store::{Engine, Error as StoreError, Rows};
use hubbub_stream::Log;
use hubbub_tables::Frontiers;
use hubbub_web::{Problem, ProblemType};
use hubbub_worker::Supervisor;

use serde::Serialize;
use tokio::sync::mpsc;

use crate::telemetry::Metrics;

pub use builds::{Action, BuildStatus, BuildsStatus, Change, Changed, Comparing, Maintenance};
pub use dead_letters::{
    DeadLetter, DeadLetterPage, Decoded, DecodedField, Repair, Repaired, Source, Start, Unreadable,
};
pub use explain::{Caches, Copied, ExplainedEvent, Explanation};
pub use resume::{Resume, Resumed};
pub use verify::{Verify, Verifying};

/// Where a process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Its parts are being opened.
    Starting,
    /// Requests are served.
    Serving,
    /// Requests are still served; new ones should go elsewhere.
    Stopping,
}

/// What the port answers from. Clones are of the same.
#[derive(Clone)]
pub struct Operations(Arc<Shared>);

struct Shared {
    metrics: Metrics,
    phase: RwLock<Phase>,
    /// There once they are opened.
    parts: OnceLock<Parts>,
}

/// The parts of the process that can be asked.
pub struct Parts {
    /// The event log.
    pub log: Arc<dyn Log>,
    /// Whether the process is of no use without the log.
    pub needs_log: bool,
    /// A table, to see whether the store answers, where the process is of no use without it.
    pub frontiers: Option<Arc<dyn Rows<Frontiers>>>,
    /// The projections that run here.
    pub workers: Vec<Supervisor>,
    /// There where projections run.
    pub maintenance: Option<Maintenance>,
    /// The tables, where this process has them.
    pub store: Option<Engine>,
    /// What is kept in front of them here.
    pub caches: Caches,
}

impl Operations {
    /// Those of a process that is starting.
    #[must_use]
    pub fn new(metrics: Metrics) -> Self {
        let phase = RwLock::new(Phase::Starting);
        Self(Arc::new(Shared { metrics, phase, parts: OnceLock::new() }))
    }

    /// Gives the parts, once they are there.
    pub fn complete(&self, parts: Parts) {
        // Called once; were it called again, the first parts are as good.
        let _ = self.0.parts.set(parts);
    }

    /// Moves on in the process's life.
    pub fn enter(&self, phase: Phase) {
        *self.0.phase.write().unwrap_or_else(std::sync::PoisonError::into_inner) = phase;
    }

    /// The routes.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/livez", get(health::live))
            .route("/startupz", get(health::startup))
            .route("/readyz", get(health::ready))
            .route("/status", get(health::status))
            .route("/metrics", get(render_metrics))
            .route("/dead-letters", get(dead_letters::list))
            .route("/dead-letters/{partition}/{offset}", get(dead_letters::show))
            .route("/dead-letters/{partition}/{offset}/repair", post(dead_letters::repair))
            .route("/resume", post(resume::resume))
            .route("/builds/{projection}", get(builds::show).post(builds::change))
            .route("/builds/{projection}/compare", post(builds::compare_builds))
            .route("/explain/posts/{id}", get(explain::post))
            .route("/verify", post(verify::verify))
            .with_state(self.clone())
    }

    fn phase(&self) -> Phase {
        *self.0.phase.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The parts, or 503 while they are being opened.
    fn parts(&self) -> Result<&Parts, Problem> {
        let parts = self.0.parts.get();
        parts.ok_or_else(|| Problem::new(ProblemType::NotReady, "the process is starting"))
    }
}

impl Operations {
    fn maintenance(&self) -> Result<&Maintenance, Problem> {
        let maintenance = self.parts()?.maintenance.as_ref();
        maintenance.ok_or_else(|| {
            let detail = "this process folds nothing: a worker's operations port knows of builds";
            Problem::new(ProblemType::NotFound, detail)
        })
    }
}

/// An answer that is written line by line, as JSON, while some work goes on; how that ended
/// is the last line. Where the reader goes, nobody takes the steps any more.
fn lines<Step, Line>(
    steps: mpsc::Receiver<Step>,
    line: impl Fn(Step) -> Line + Send + 'static,
    work: impl Future<Output = Line> + Send + 'static,
) -> Response
where
    Step: Send + 'static,
    Line: Serialize + Send + 'static,
{
    // A task of its own, which clears up behind itself, whoever listens.
    let work = tokio::spawn(work).into_stream().filter_map(async |ended| ended.ok());
    let steps = stream::unfold(steps, async |mut steps| Some((steps.recv().await?, steps)));
    let lines = steps.map(line).chain(work).map(|line| {
        let mut text = serde_json::to_vec(&line)?;
        text.push(b'\n');
        Ok::<_, serde_json::Error>(text)
    });
    let content_type = [(header::CONTENT_TYPE, "application/x-ndjson")];
    (content_type, Body::from_stream(lines)).into_response()
}

fn store_problem(error: &StoreError) -> Problem {
    Problem::new(ProblemType::StoreUnavailable, error.to_string())
}

async fn render_metrics(
    State(operations): State<Operations>,
) -> ([(&'static str, &'static str); 1], String) {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([("content-type", content_type)], operations.0.metrics.render())
}
