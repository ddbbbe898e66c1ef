//! `/builds/{projection}`: how its builds stand, making the next one, comparing it with the one
//! that is read, going over to it, going back, and dropping the one that is not read.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, response::Response};
use hubbub_events::{Offset, TopicPartition};
use hubbub_projections::{Analysis, Likes, Posts};
use hubbub_store::{Engine, Store};
use hubbub_stream::Log;
use hubbub_tables::Build;
use hubbub_web::{Json, NoQuery, Path, Problem, ProblemType};
use hubbub_worker::{BuildsError, Compared, Extent, Side, WorkerSettings, compare};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc};

use super::{Operations, lines, store_problem};
use crate::settings::ProjectionName;

/// Who can make builds and hold them against each other.
pub struct Maintenance {
    /// Where the tables are.
    pub store: Engine,
    /// How a projection is folded to verify it.
    pub runner: WorkerSettings,
    /// Held by whoever verifies: one at a time.
    pub verifying: Arc<Semaphore>,
}

#[derive(Deserialize)]
pub(super) struct OfProjection {
    #[serde(deserialize_with = "projection")]
    projection: ProjectionName,
}

fn projection<'de, D: serde::Deserializer<'de>>(of: D) -> Result<ProjectionName, D::Error> {
    ProjectionName::find(&String::deserialize(of)?).map_err(serde::de::Error::custom)
}

/// How the builds of a projection stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildsStatus {
    /// The version of the fold that the answering program has.
    pub fold: i32,
    /// The one that is read.
    pub live: BuildStatus,
    /// The one that is to be read next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<BuildStatus>,
    /// The one that was read before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<BuildStatus>,
}

/// How a build stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildStatus {
    /// Its number.
    pub build: Build,
    /// The version of its fold; 0: it is being dropped.
    pub fold: i32,
    /// The records that it has folded.
    pub folded: i64,
    /// The records in the log that it has not.
    pub lag: i64,
    /// Partitions in which it is halted, as far as this process folds them.
    pub halted: Vec<i32>,
}

/// What is to become of the builds. A JSON body, so that no web page can send it unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What to do.
    pub action: Action,
}

/// What can be done with builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Begin the next build, or go on with the one that was begun.
    Begin,
    /// Have the next build read.
    Switch,
    /// Have the previous build read again.
    RollBack,
    /// Drop the build that is not read.
    Drop,
}

/// The answer to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The build that was begun, is read from now on, or was dropped.
    pub build: Build,
}

/// A line of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparing {
    /// How far a table is compared.
    Compared(Compared),
    /// It ended early, for this reason.
    Failed(String),
    /// That was all.
    Done,
}

pub(super) async fn show(
    State(operations): State<Operations>,
    Path(OfProjection { projection }): Path<OfProjection>,
    _: NoQuery,
) -> Result<Json<BuildsStatus>, Problem> {
    let (maintenance, parts) = (operations.maintenance()?, operations.parts()?);
    let build_spec = projection.build_spec();
    let builds = build_spec.builds(&maintenance.store).await.map_err(problem)?;
    let mut all = BTreeMap::new();
    for (build, fold) in builds.all() {
        let frontiers = build_spec.frontiers(&maintenance.store, build).await.map_err(problem)?;
        let statuses = parts.workers.iter().flat_map(|worker| worker.status());
        let halted = statuses.filter(|status| {
            status.projection == build_spec.projection
                && status.build == build
                && status.is_halted()
        });
        let halted = halted.map(|status| status.topic_partition.partition).collect();
        let (folded, lag) = extent(&*parts.log, projection, &frontiers).await?;
        all.insert(build, BuildStatus { build, fold, folded, lag, halted });
    }
    Ok(Json(BuildsStatus {
        fold: build_spec.fold,
        live: all.remove(&builds.live_build).ok_or_else(|| {
            Problem::new(ProblemType::NotReady, "no build of the projection is read".to_owned())
        })?,
        next: all.remove(&builds.next_build),
        previous: all.remove(&builds.previous_build),
    }))
}

/// How many records are folded, and how many are not.
async fn extent(
    log: &dyn Log,
    projection: ProjectionName,
    frontiers: &BTreeMap<TopicPartition, Offset>,
) -> Result<(i64, i64), Problem> {
    let topic = projection.topic();
    let (mut folded, mut lag) = (0, 0);
    for partition in 0..log.partitions(topic) {
        let of = TopicPartition { topic, partition };
        let bounds = log.bounds(of).await.map_err(|error| {
            Problem::new(ProblemType::NotReady, format!("the event log does not answer: {error}"))
        })?;
        let next = frontiers.get(&of).unwrap_or(&-1) + 1;
        folded += next;
        lag += (bounds.end - next).max(0);
    }
    Ok((folded, lag))
}

pub(super) async fn change(
    State(operations): State<Operations>,
    Path(OfProjection { projection }): Path<OfProjection>,
    _: NoQuery,
    Json(Change { action }): Json<Change>,
) -> Result<Json<Changed>, Problem> {
    let store = &operations.maintenance()?.store;
    let build_spec = projection.build_spec();
    // To its end, also where whoever asked has gone: half of a change is none.
    let (store, name) = (store.clone(), build_spec.projection);
    let done = tokio::spawn(async move {
        match action {
            Action::Begin => build_spec.begin(&store).await,
            Action::Switch => build_spec.switch(&store).await.map(|(_, to)| to),
            Action::RollBack => build_spec.roll_back(&store).await.map(|(_, to)| to),
            Action::Drop => build_spec.drop_other(&store).await,
        }
    });
    let build = done.await.map_err(Problem::internal)?.map_err(problem)?;
    tracing::info!(projection = name, ?action, build, "builds changed");
    Ok(Json(Changed { build }))
}

/// Answers line by line, as far as the comparison is; it ends with its reader.
pub(super) async fn compare_builds(
    State(operations): State<Operations>,
    Path(OfProjection { projection }): Path<OfProjection>,
    _: NoQuery,
    Json(Nothing {}): Json<Nothing>,
) -> Result<Response, Problem> {
    let (maintenance, parts) = (operations.maintenance()?, operations.parts()?);
    let store = maintenance.store.clone();
    let build_spec = projection.build_spec();
    let builds = build_spec.builds(&store).await.map_err(problem)?;
    let others =
        [(builds.next_build, builds.next_fold), (builds.previous_build, builds.previous_fold)];
    // No fold has version 0: what has it is being dropped.
    let Some((other, _)) = others.into_iter().find(|(build, fold)| *build != 0 && *fold != 0)
    else {
        return Err(conflict(format!("{} has no second build", build_spec.projection)));
    };
    let opened = store.open_build(&build_spec.tables, other).await;
    opened.map_err(|error| store_problem(&error))?;
    let log = Arc::clone(&parts.log);
    let left = Side { store: store.clone(), build: builds.live_build };
    let right = Side { store, build: other };
    let (tell, told) = mpsc::channel(16);
    Ok(lines(told, Comparing::Compared, async move {
        let log = &*log;
        let all = Extent::Both;
        let compared = match projection {
            ProjectionName::Posts => compare::<Posts, _, _>(log, &left, &right, all, &tell).await,
            ProjectionName::Analysis => {
                compare::<Analysis, _, _>(log, &left, &right, all, &tell).await
            }
            ProjectionName::Likes => compare::<Likes, _, _>(log, &left, &right, all, &tell).await,
        };
        compared.map_or_else(|error| Comparing::Failed(error.to_string()), |()| Comparing::Done)
    }))
}

/// An empty JSON object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

pub(super) fn problem(error: BuildsError) -> Problem {
    match error {
        BuildsError::Refused(detail) => conflict(detail),
        BuildsError::Store(error) => store_problem(&error),
    }
}

/// The builds do not allow it.
pub(super) fn conflict(detail: String) -> Problem {
    Problem::new(ProblemType::BuildConflict, detail)
}
