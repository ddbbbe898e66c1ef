//! Runs a projection: polls the log, decodes, folds, loads, writes, and moves the
//! frontier.
//!
//! One task owns all state of a projection's partitions; each partition has at most
//! one batch in flight. The runner drives any [`Projection`](hubbub_projections::Projection)
//! over any log and store, and does not know what a post is.

mod attempts;
mod batch;
mod builds;
mod compare;
mod dead_letters;
mod explain;
mod gather;
mod halt;
mod handle;
mod lane;
mod load;
mod metric;
mod retry;
mod runner;
mod settings;
mod slot;
mod status;
mod supervisor;
mod trace;
mod verify;
mod watch;
mod write;

pub use attempts::Turn;
pub use builds::{BuildSpec, BuildsError};
pub use compare::{Compared, Difference, DifferingRange, Extent, Side, compare};
pub use dead_letters::{HEADER_PREFIX, LIMIT_PERCENT, WINDOW_RECORDS};
pub use explain::{Changed, Explained, Explainer};
pub use halt::{Halt, HaltReason};
pub use handle::{Error, Handle, Observer, Parts, Report, spawn};
pub use settings::WorkerSettings;
pub use status::{PartitionState, PartitionStatus};
pub use supervisor::{Supervisor, spawn_all};
pub use verify::{Verification, Verified, VerifyError};
