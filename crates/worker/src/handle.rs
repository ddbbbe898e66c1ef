//! A projection that runs, as the rest of the process sees it: what it runs on, what it tells, how it is ended.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use hubbub_events::{Offset, TopicPartition};
use hubbub_projections::Projection;
use hubbub_store::Store;
use hubbub_stream::Log;
use hubbub_tables::Build;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    Halt, PartitionStatus, Turn, WorkerSettings, runner::run, status::Board, watch::watch,
};

/// What ends a projection's run, and with it the process.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The log is not the one that the tables were folded from, or lost its end.
    #[error(
        "the topic was recreated: {0}; delete the tables to fold them anew, or bring the log back"
    )]
    Recreated(String),
    /// The log ended its consumer.
    #[error("the log cannot be consumed: {0}")]
    Log(String),
    /// The store refused for good before anything was folded.
    #[error("the store cannot be used: {0}")]
    Store(String),
    /// A partition stood still without a reason.
    #[error(
        "{projection} made no progress on {topic_partition} for {after:?} behind offset {frontier}, with a lag of {lag}"
    )]
    Stalled {
        /// The projection.
        projection: &'static str,
        /// The partition of the log.
        topic_partition: TopicPartition,
        /// Where it stands.
        frontier: Offset,
        /// The records that wait.
        lag: i64,
        /// For how long.
        after: Duration,
    },
    /// A defect of this build.
    #[error("the task of {0} panicked")]
    Panicked(&'static str),
}

impl From<hubbub_stream::Error> for Error {
    fn from(error: hubbub_stream::Error) -> Self {
        match error {
            hubbub_stream::Error::Recreated(detail) => Self::Recreated(detail),
            error => Self::Log(error.to_string()),
        }
    }
}

/// Something that a partition's readers want to know at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Everything up to this offset is folded and durable.
    Advanced(Offset),
    /// It stands still.
    Halted(Halt),
    /// It goes on after a halt.
    Resumed,
}

/// Told of every step of a projection's build, from the runner's own task: it must return at
/// once.
pub type Observer = Arc<dyn Fn(&'static str, Build, TopicPartition, Report) + Send + Sync>;

/// What a projection runs on.
#[derive(Clone)]
pub struct Parts<S> {
    /// Where the records come from, and dead letters go.
    pub log: Arc<dyn Log>,
    /// Where the tables are.
    pub store: S,
    /// Budgets and times.
    pub settings: WorkerSettings,
    /// Who is told of progress.
    pub observer: Observer,
    /// The same for all projections of a process.
    pub turn: Turn,
    /// Cancelled to end: nothing new is begun, what is in flight is finished.
    pub stop: CancellationToken,
    /// Cancelled when there is no more time for that: what is in flight is dropped.
    pub abandon: CancellationToken,
}

/// A running projection. Clones are of the same.
#[derive(Debug, Clone)]
pub struct Handle {
    projection: &'static str,
    board: Board,
    commands: mpsc::Sender<Resume>,
    ended: Shared<BoxFuture<'static, Result<(), Error>>>,
}

/// The end of halts, as a runner is told of it.
pub(crate) struct Resume {
    /// All of them, where none is named.
    pub partition: Option<i32>,
    pub accept_dead_letters: bool,
    /// Told how many partitions were halted.
    pub resumed: oneshot::Sender<usize>,
}

impl Handle {
    /// The projection's name.
    #[must_use]
    pub fn projection(&self) -> &'static str {
        self.projection
    }

    /// How its partitions stand.
    #[must_use]
    pub fn status(&self) -> Vec<PartitionStatus> {
        self.board.snapshot()
    }

    /// Ends the halt of one partition, or of all; answers how many were halted.
    /// Accepting dead letters lifts their limit until none is left in the window.
    pub async fn resume(&self, partition: Option<i32>, accept_dead_letters: bool) -> usize {
        let (resumed, answer) = oneshot::channel();
        let command = Resume { partition, accept_dead_letters, resumed };
        if self.commands.send(command).await.is_err() {
            return 0;
        }
        answer.await.unwrap_or(0)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Whatever ended it before it was told to stop.
    pub async fn join(&self) -> Result<(), Error> {
        self.ended.clone().await
    }
}

/// Runs one build of a projection until it is stopped, or cannot go on.
#[must_use]
pub fn spawn<P: Projection, S: Store>(parts: Parts<S>, build: Build) -> Handle {
    let board = Board::new(P::NAME, build);
    let (commands, inbox) = mpsc::channel(8);
    // A task of its own, so that it sees a runner that blocks its thread.
    let watching = watch(board.clone(), parts.log.clone(), parts.settings.stall_timeout);
    let watching = AbortOnDropHandle::new(tokio::spawn(watching));
    let running = tokio::spawn(run::<P, S>(parts, build, board.clone(), inbox));
    let ended = ended(P::NAME, running, watching, board.clone()).boxed().shared();
    Handle { projection: P::NAME, board, commands, ended }
}

async fn ended(
    projection: &'static str,
    mut running: JoinHandle<Result<(), Error>>,
    watching: AbortOnDropHandle<Error>,
    board: Board,
) -> Result<(), Error> {
    let ended = tokio::select! {
        biased;
        ended = &mut running => ended.unwrap_or(Err(Error::Panicked(projection))),
        stalled = watching => {
            running.abort();
            Err(stalled.unwrap_or(Error::Panicked(projection)))
        }
    };
    // Whoever reads metrics must not think that it stands as it stood last.
    board.clear();
    ended
}
