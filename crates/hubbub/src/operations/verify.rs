//! `POST /verify`: recomputes projections from the log, and tells what is read otherwise.

use std::{collections::BTreeSet, sync::Arc};

use axum::{extract::State, response::Response};
use bytesize::ByteSize;
use hubbub_projections::{Analysis, Likes, Posts};
use hubbub_store::{EmbeddedSettings, EmbeddedStore, Error, Store};
use hubbub_web::{Json, NoQuery, Problem, ProblemType};
use hubbub_worker::{Compared, Side, Verification, Verified, VerifyError};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::{Operations, builds, lines, store_problem};
use crate::settings::ProjectionName;

/// Little, as a worker has its own work.
const SCRATCH: EmbeddedSettings = EmbeddedSettings {
    cache_size: ByteSize::mib(8),
    memtable_size: ByteSize::mib(1),
    queue_size: ByteSize::mib(4),
};

/// What to verify. A JSON body, so that no web page can send it unasked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// The projection.
    pub projection: String,
    /// What these partitions of the log make; all of them where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partitions: Option<BTreeSet<i32>>,
}

/// A line of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verifying {
    /// How far the log is folded anew.
    Folded {
        /// So many records …
        records: i64,
        /// … of so many.
        of: i64,
    },
    /// How far a table is compared; the left side is what was recomputed.
    Compared(Compared),
    /// It ended early, for this reason.
    Failed(String),
    /// That was all.
    Done,
}

impl From<Verified> for Verifying {
    fn from(step: Verified) -> Self {
        match step {
            Verified::Folded(records, of) => Self::Folded { records, of },
            Verified::Compared(compared) => Self::Compared(compared),
        }
    }
}

/// Answers line by line; it ends with its reader, and leaves nothing behind.
pub(super) async fn verify(
    State(operations): State<Operations>,
    _: NoQuery,
    Json(Verify { projection, partitions }): Json<Verify>,
) -> Result<Response, Problem> {
    let projection = ProjectionName::find(&projection)
        .map_err(|detail| Problem::invalid("projection", detail))?;
    let (maintenance, parts) = (operations.maintenance()?, operations.parts()?);
    if partitions.as_ref().is_some_and(BTreeSet::is_empty) {
        return Err(Problem::invalid("partitions", "none are named: leave it out for all"));
    }
    let count = parts.log.partitions(projection.topic());
    let absent = partitions.iter().flatten().find(|partition| !(0..count).contains(*partition));
    if let Some(partition) = absent {
        let detail = format!("{partition} does not exist: 0 to {} are allowed", count - 1);
        return Err(Problem::invalid("partitions", detail));
    }
    let build_spec = projection.build_spec();
    let present = build_spec.builds(&maintenance.store).await.map_err(builds::problem)?;
    if present.live_fold != build_spec.fold {
        let detail = format!(
            "build {} of {} is of version {} of its fold, and this program has version {}",
            present.live_build, build_spec.projection, present.live_fold, build_spec.fold
        );
        return Err(builds::conflict(detail));
    }
    // One at a time, for its room and its work.
    let turn = Arc::clone(&maintenance.verifying).try_acquire_owned();
    let turn = turn.map_err(|_| builds::conflict("a verification goes on here".to_owned()))?;
    let folder = tempfile::Builder::new().prefix("hubbub-verify-").tempdir();
    let folder = folder.map_err(|error| no_room(&error))?;
    let scratch = scratch(&folder).await.map_err(|error| store_problem(&error))?;
    let opened = maintenance.store.open_build(&build_spec.tables, present.live_build).await;
    opened.map_err(|error| store_problem(&error))?;
    let verification = Verification {
        log: Arc::clone(&parts.log),
        scratch,
        read: Side { store: maintenance.store.clone(), build: present.live_build },
        partitions,
        settings: maintenance.runner.clone(),
    };
    let (tell, told) = mpsc::channel(16);
    Ok(lines(told, Verifying::from, async move {
        let verified: Result<(), VerifyError> = match projection {
            ProjectionName::Posts => verification.run::<Posts>(&tell).await,
            ProjectionName::Analysis => verification.run::<Analysis>(&tell).await,
            ProjectionName::Likes => verification.run::<Likes>(&tell).await,
        };
        // The store is closed before its folder goes.
        drop(verification);
        let _ = tokio::task::spawn_blocking(move || drop(folder)).await;
        drop(turn);
        verified.map_or_else(|error| Verifying::Failed(error.to_string()), |()| Verifying::Done)
    }))
}

/// A store for what is recomputed, on disk: it is as large as what it is held against.
async fn scratch(folder: &TempDir) -> Result<EmbeddedStore, Error> {
    let path = folder.path().to_owned();
    let open = move || EmbeddedStore::open(&SCRATCH, &path);
    let opened = tokio::task::spawn_blocking(open).await;
    opened.map_err(|error| Error::Permanent(error.to_string()))?
}

fn no_room(error: &std::io::Error) -> Problem {
    let folder = std::env::temp_dir();
    let detail = format!(
        "what is recomputed is kept in {} (TMPDIR names another folder), which cannot be written \
         to: {error}",
        folder.display()
    );
    Problem::new(ProblemType::NotReady, detail)
}
