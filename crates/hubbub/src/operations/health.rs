//! Health: what an orchestrator's probes ask, and how the projections stand.

use std::time::Duration;

use axum::extract::State;
use hubbub_tables::Frontiers;
use hubbub_web::{Json, NoQuery, Problem, ProblemType};
use hubbub_worker::{PartitionState, PartitionStatus, Supervisor};
use serde::Serialize;
use tokio::time::timeout;

use super::{Operations, Parts, Phase};

/// How long the store may take to answer a probe.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Serialize)]
pub(super) struct Healthy {
    status: &'static str,
}

#[derive(Serialize)]
pub(super) struct Status {
    phase: &'static str,
    partitions: Vec<Partition>,
}

/// How a projection stands in a partition of the log.
#[derive(Serialize)]
struct Partition {
    projection: &'static str,
    build: i32,
    topic: String,
    partition: i32,
    state: &'static str,
    /// Why it retries or is halted.
    detail: Option<String>,
    frontier: i64,
    end: i64,
    lag: i64,
}

/// Asks no dependency: a restart would mend none of them.
pub(super) async fn live(_: NoQuery) -> Json<Healthy> {
    Json(Healthy { status: "live" })
}

pub(super) async fn startup(
    State(operations): State<Operations>,
    _: NoQuery,
) -> Result<Json<Healthy>, Problem> {
    match operations.phase() {
        Phase::Starting => Err(not_ready(vec!["the process is starting".to_owned()])),
        Phase::Serving | Phase::Stopping => Ok(Json(Healthy { status: "started" })),
    }
}

pub(super) async fn ready(
    State(operations): State<Operations>,
    _: NoQuery,
) -> Result<Json<Healthy>, Problem> {
    let causes = match operations.phase() {
        Phase::Starting => vec!["the process is starting".to_owned()],
        Phase::Stopping => vec!["the process is stopping".to_owned()],
        Phase::Serving => causes(operations.parts()?).await,
    };
    if causes.is_empty() { Ok(Json(Healthy { status: "ready" })) } else { Err(not_ready(causes)) }
}

pub(super) async fn status(
    State(operations): State<Operations>,
    _: NoQuery,
) -> Result<Json<Status>, Problem> {
    let phase = match operations.phase() {
        Phase::Starting => "starting",
        Phase::Serving => "serving",
        Phase::Stopping => "stopping",
    };
    let partitions = operations.parts()?.workers.iter().flat_map(|worker| worker.status());
    Ok(Json(Status { phase, partitions: partitions.map(Partition::from).collect() }))
}

/// Everything that keeps the process from serving well.
async fn causes(parts: &Parts) -> Vec<String> {
    let mut causes = Vec::new();
    if parts.needs_log
        && let Err(error) = parts.log.ready().await
    {
        causes.push(error.to_string());
    }
    if let Some(frontiers) = &parts.frontiers {
        let key = (String::new(), Frontiers::BUILD);
        match timeout(STORE_TIMEOUT, frontiers.scan(&key, None, 1)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => causes.push(error.to_string()),
            Err(_) => causes.push(format!("the store did not answer within {STORE_TIMEOUT:?}")),
        }
    }
    causes.extend(parts.workers.iter().filter_map(Supervisor::fault));
    // Nobody reads the other builds.
    let partitions = parts.workers.iter().flat_map(|worker| {
        let live = worker.live();
        worker.status().into_iter().filter(move |status| status.build == live)
    });
    let halted = partitions.filter(PartitionStatus::is_halted);
    causes.extend(halted.map(|PartitionStatus { projection, topic_partition, state, .. }| {
        format!("{projection} on {topic_partition} is {state}")
    }));
    causes
}

fn not_ready(causes: Vec<String>) -> Problem {
    Problem::new(ProblemType::NotReady, causes.join("; ")).with("causes", causes)
}

impl From<PartitionStatus> for Partition {
    fn from(status: PartitionStatus) -> Self {
        let lag = status.lag();
        let (state, detail) = match status.state {
            PartitionState::Starting => ("starting", None),
            PartitionState::Running => ("running", None),
            PartitionState::Retrying(error) => ("retrying", Some(error)),
            PartitionState::Halted(halt) => {
                let detail = format!("{} before offset {}: {}", halt.reason, halt.at, halt.detail);
                ("halted", Some(detail))
            }
        };
        Self {
            projection: status.projection,
            build: status.build,
            topic: status.topic_partition.topic.to_string(),
            partition: status.topic_partition.partition,
            state,
            detail,
            frontier: status.frontier,
            end: status.end,
            lag,
        }
    }
}
