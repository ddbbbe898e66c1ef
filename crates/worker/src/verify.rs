//! Recomputes a projection from the log, apart from everything, and holds what is read
//! against it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use hubbub_events::{LogIdentity, Offset, Timestamp, Topic, TopicPartition};
use hubbub_projections::Projection;
use hubbub_store::{Error as StoreError, Store, load_frontiers};
use hubbub_stream::{AppendError, Consumer, Error as LogError, Log, NewRecord, Polled, Record};
use hubbub_tables::Build;
use tokio::{sync::mpsc, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    HaltReason, Handle, PartitionState, Parts, Turn, WorkerSettings,
    compare::{Compared, Extent, Side, compare},
    handle::{Error, spawn},
};

const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// A step of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// So many of so many records are folded anew.
    Folded(i64, i64),
    /// So far a table is compared; the left side is what was recomputed.
    Compared(Compared),
}

/// Why a projection cannot be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The log cannot be folded.
    #[error("the log cannot be folded anew: {0}")]
    Fold(String),
    /// A store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for VerifyError {
    fn from(error: Error) -> Self {
        Self::Fold(error.to_string())
    }
}

/// What a verification works with.
pub struct Verification<L, S> {
    /// The log that everything follows from.
    pub log: Arc<dyn Log>,
    /// An empty store, for what is recomputed.
    pub scratch: L,
    /// What is verified.
    pub read: Side<S>,
    /// The partitions of the log that are folded; with `None` all of them. What only should
    /// not be there is found where all are.
    pub partitions: Option<BTreeSet<i32>>,
    /// Budgets and times of the fold.
    pub settings: WorkerSettings,
}

impl<L: Store, S: Store> Verification<L, S> {
    /// Verifies a projection. Its dead letters are not left in the log a second time.
    ///
    /// # Errors
    /// Where the log cannot be folded, or a store does not answer.
    pub async fn run<P: Projection>(
        &self,
        tell: &mpsc::Sender<Verified>,
    ) -> Result<(), VerifyError> {
        let stop = CancellationToken::new();
        let parts = Parts {
            log: Arc::new(ReadOnlyLog {
                log: Arc::clone(&self.log),
                partitions: self.partitions.clone(),
            }) as Arc<dyn Log>,
            store: self.scratch.clone(),
            settings: self.settings.clone(),
            observer: Arc::new(|_, _, _, _| {}),
            turn: Turn::default(),
            stop: stop.clone(),
            abandon: stop.clone(),
        };
        let stop = stop.drop_guard();
        let fold = spawn::<P, L>(parts, SCRATCH);
        let verified = self.fold_and_compare::<P>(&fold, tell).await;
        drop(stop);
        // Nothing of it is left that uses the store.
        let _ = fold.join().await;
        verified
    }

    async fn fold_and_compare<P: Projection>(
        &self,
        fold: &Handle,
        tell: &mpsc::Sender<Verified>,
    ) -> Result<(), VerifyError> {
        self.fold(P::NAME, fold, tell).await?;

        let scratch = Side { store: self.scratch.clone(), build: SCRATCH };
        let extent = if self.partitions.is_none() { Extent::Both } else { Extent::Left };
        let (told, steps) = mpsc::channel(1);
        let compared = async {
            let compared =
                compare::<P, L, S>(&*self.log, &scratch, &self.read, extent, &told).await;
            drop(told);
            compared
        };
        let passed_on = async move {
            let mut steps = steps;
            while let Some(step) = steps.recv().await {
                // Whoever asked may have gone: then the comparison ends, too, at its next step.
                if tell.send(Verified::Compared(step)).await.is_err() {
                    break;
                }
            }
        };
        let (compared, ()) = tokio::join!(compared, passed_on);
        Ok(compared?)
    }

    /// Waits until everything that is read now is recomputed.
    async fn fold(
        &self,
        projection: &'static str,
        fold: &Handle,
        tell: &mpsc::Sender<Verified>,
    ) -> Result<(), VerifyError> {
        let mut goal = load_frontiers(&self.read.store, projection, self.read.build).await?;
        goal.retain(|of, _| is_within(self.partitions.as_ref(), *of));
        let all = goal.values().map(|(offset, _)| offset + 1).sum();
        loop {
            let now = load_frontiers(&self.scratch, projection, SCRATCH).await?;
            let at = |of: &TopicPartition| now.get(of).map_or(-1, |(offset, _)| *offset);
            let folded = goal.iter().map(|(of, (offset, _))| at(of).min(*offset) + 1).sum();
            // Nobody waits any more.
            if tell.send(Verified::Folded(folded, all)).await.is_err() || folded == all {
                return Ok(());
            }
            tokio::select! {
                ended = fold.join() => return ended.map_err(VerifyError::from),
                () = sleep(POLL_INTERVAL) => {}
            }
            for status in fold.status() {
                match status.state {
                    // Somebody has accepted them, or what is read would stand here.
                    PartitionState::Halted(halt) if halt.reason == HaltReason::DeadLetterRatio => {
                        fold.resume(Some(status.topic_partition.partition), true).await;
                    }
                    PartitionState::Halted(halt) => {
                        let of = status.topic_partition;
                        let why = format!("offset {} of {of}: {}", halt.at, halt.detail);
                        return Err(VerifyError::Fold(why));
                    }
                    _ => {}
                }
            }
        }
    }
}

/// The build of what is recomputed, in a store of its own. No build that is kept has this number, so
/// that metrics tell them apart.
const SCRATCH: Build = 0;

fn is_within(partitions: Option<&BTreeSet<i32>>, of: TopicPartition) -> bool {
    partitions.is_none_or(|partitions| partitions.contains(&of.partition))
}

/// A log as somebody sees it who leaves no trace in it.
struct ReadOnlyLog {
    log: Arc<dyn Log>,
    partitions: Option<BTreeSet<i32>>,
}

#[async_trait]
impl Log for ReadOnlyLog {
    fn identity(&self) -> LogIdentity {
        self.log.identity()
    }

    fn partitions(&self, topic: Topic) -> i32 {
        self.log.partitions(topic)
    }

    /// The dead letters are there: from when the records were folded first.
    async fn append(&self, records: Vec<NewRecord>) -> Vec<Result<Offset, AppendError>> {
        records.iter().map(|_| Ok(0)).collect()
    }

    /// In a group of its own.
    async fn consume(&self, group: &str, topic: Topic) -> Result<Box<dyn Consumer>, LogError> {
        let group = format!("{group}.verify.{}", Timestamp::now().0);
        let consumer = self.log.consume(&group, topic).await?;
        Ok(Box::new(FilteredConsumer { consumer, partitions: self.partitions.clone() }))
    }

    async fn bounds(&self, of: TopicPartition) -> Result<std::ops::Range<Offset>, LogError> {
        self.log.bounds(of).await
    }

    async fn read(
        &self,
        of: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Record>, LogError> {
        self.log.read(of, from, max_bytes).await
    }

    async fn ready(&self) -> Result<(), AppendError> {
        self.log.ready().await
    }

    /// It is not this one's to close.
    async fn close(&self) {}
}

/// A consumer of some partitions.
struct FilteredConsumer {
    consumer: Box<dyn Consumer>,
    partitions: Option<BTreeSet<i32>>,
}

#[async_trait]
impl Consumer for FilteredConsumer {
    async fn poll(&mut self) -> Result<Polled, LogError> {
        let polled = self.consumer.poll().await?;
        Ok(match polled {
            Polled::Assigned(mut assigned) => {
                assigned.retain(|of| is_within(self.partitions.as_ref(), *of));
                Polled::Assigned(assigned)
            }
            polled => polled,
        })
    }

    fn start(&mut self, of: TopicPartition, from: Offset) -> Result<(), LogError> {
        self.consumer.start(of, from)
    }

    fn pause(&mut self, of: TopicPartition) {
        self.consumer.pause(of);
    }

    fn resume(&mut self, of: TopicPartition) {
        self.consumer.resume(of);
    }

    /// Nobody looks at its lag.
    fn commit(&mut self, _: TopicPartition, _: Offset) {}

    fn release(&mut self, of: &[TopicPartition]) {
        self.consumer.release(of);
    }

    async fn close(self: Box<Self>) {
        self.consumer.close().await;
    }
}
