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

mod dead_letters;
mod health;
mod resume;

use std::sync::{Arc, OnceLock, RwLock};

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use hubbub_store::Rows;
use hubbub_stream::Log;
use hubbub_tables::Frontiers;
use hubbub_web::{Problem, ProblemType};
use hubbub_worker::Handle;

use crate::telemetry::Metrics;

pub use dead_letters::{
    DeadLetter, DeadLetterPage, Decoded, DecodedField, Repair, Repaired, Source, Start, Unreadable,
};
pub use resume::{Resume, Resumed};

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
    pub workers: Vec<Handle>,
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

async fn render_metrics(
    State(operations): State<Operations>,
) -> ([(&'static str, &'static str); 1], String) {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([("content-type", content_type)], operations.0.metrics.render())
}
