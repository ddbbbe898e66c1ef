//! Waiting until both builds have passed what either of them reflects.

use std::time::Duration;

use hubbub_events::{Offset, TopicPartition};
use hubbub_store::{Error, Frontiers, Store, load_frontiers};
use hubbub_stream::{Error as LogError, Log};
use tokio::time::{Instant, sleep};

use super::{Extent, Side};

/// How long a build may stand before a record that the other one has, and a store take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Between two tries of what was not answered.
const AGAIN: Duration = Duration::from_millis(500);

/// Tries again for a while: a comparison may take hours, and a node be away for a moment.
pub(super) async fn patiently<A, F>(attempt: impl Fn() -> F) -> Result<A, Error>
where
    F: Future<Output = Result<A, Error>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt().await {
            Err(Error::Transient(_)) if Instant::now() < deadline => sleep(AGAIN).await,
            answer => return answer,
        }
    }
}

pub(super) fn of_log(error: LogError) -> Error {
    match error {
        LogError::Transient(detail) => Error::Transient(detail),
        error => Error::Permanent(error.to_string()),
    }
}

/// Waits for both builds.
pub(super) struct Settle<'a, L, R> {
    pub(super) log: &'a dyn Log,
    pub(super) projection: &'static str,
    pub(super) left: &'a Side<L>,
    pub(super) right: &'a Side<R>,
    pub(super) extent: Extent,
}

impl<L, R> Clone for Settle<'_, L, R> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<L: Store, R: Store> Settle<'_, L, R> {
    /// Waits until both builds have passed an offset in every partition of the log that the
    /// left one folds, or where it matters either: a row does not say which one it is from.
    pub(super) async fn until_passed(&self, offset: Offset) -> Result<(), Error> {
        let (left, right) = self.frontiers().await?;
        let mut goals = Vec::new();
        for of in left.keys().chain(right.keys().filter(|of| !left.contains_key(of))) {
            if self.extent == Extent::Left && !left.contains_key(of) {
                continue;
            }
            // What was read reflects nothing that is not in the log yet, however long others are.
            let end = patiently(|| async { self.log.bounds(*of).await.map_err(of_log) }).await?.end;
            goals.push((*of, offset.min(end - 1)));
        }
        let (mut last, mut deadline) = (None, Instant::now() + PATIENCE);
        while let Some((of, goal, frontier)) = self.behind(&goals).await? {
            // Whoever goes on is waited for, however long it takes.
            if last.replace((of, frontier)) != Some((of, frontier)) {
                deadline = Instant::now() + PATIENCE;
            }
            if Instant::now() > deadline {
                return Err(Error::Transient(format!(
                    "{} stands before offset {goal} of {of}, so its builds cannot be compared",
                    self.projection
                )));
            }
            sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }

    pub(super) async fn frontiers(&self) -> Result<(Frontiers, Frontiers), Error> {
        let Self { projection, left, right, .. } = self;
        let left = patiently(|| load_frontiers(&left.store, projection, left.build)).await?;
        let right = patiently(|| load_frontiers(&right.store, projection, right.build)).await?;
        Ok((left, right))
    }

    /// A goal that one of the builds has not come to, and where that stands.
    pub(super) async fn behind(
        &self,
        goals: &[(TopicPartition, Offset)],
    ) -> Result<Option<(TopicPartition, Offset, Offset)>, Error> {
        let (left, right) = self.frontiers().await?;
        for (of, goal) in goals {
            let [left, right] =
                [&left, &right].map(|side| side.get(of).map_or(-1, |found| found.0));
            let frontier = left.min(right);
            if frontier < *goal && self.has_record(*of, frontier + 1, *goal).await? {
                return Ok(Some((*of, *goal, frontier)));
            }
        }
        Ok(None)
    }

    /// Whether there is a record at these offsets: the end of a log may also be behind the
    /// mark of somebody's transaction.
    pub(super) async fn has_record(
        &self,
        of: TopicPartition,
        from: Offset,
        to: Offset,
    ) -> Result<bool, Error> {
        let next = patiently(|| async { self.log.read(of, from, 1).await.map_err(of_log) }).await?;
        Ok(next.first().is_some_and(|record| record.offset <= to))
    }
}
