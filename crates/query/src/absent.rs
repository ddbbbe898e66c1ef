//! What is absent may be on its way: a plain POST, then GET, should work. So an absence is waited
//! on for a moment before it is answered, by a bounded number of requests, and cached by nobody.

use std::{sync::Arc, time::Duration};

use hubbub_events::{Offset, TopicPartition};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep_until},
};

use crate::consistency::{Consistency, Source};

/// Between two looks for the same thing there is a pause, twice as long each time: a partition may
/// be moving fast, and the store must not be asked at each step.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// Who may wait for what is absent, and for how long.
pub(crate) struct AbsentWait {
    waiters: Arc<Semaphore>,
    wait: Duration,
}

impl AbsentWait {
    pub(crate) fn new(waiters: usize, wait: Duration) -> Self {
        let waiters = Arc::new(Semaphore::new(waiters.min(Semaphore::MAX_PERMITS)));
        Self { waiters, wait }
    }

    /// The patience of one request with one thing, from now on.
    pub(crate) fn begin(&self, source: Source, within: TopicPartition) -> Patience<'_> {
        Patience { wait: self, source, within, place: None, pause: Duration::ZERO }
    }
}

/// How long a request goes on looking for something of one projection in one partition.
pub(crate) struct Patience<'a> {
    wait: &'a AbsentWait,
    source: Source,
    within: TopicPartition,
    place: Option<Place>,
    pause: Duration,
}

/// A place among the waiters.
struct Place {
    deadline: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Patience<'_> {
    /// Waits until the projection has passed an offset, as another look may then find what was
    /// absent. False where it is to be taken as absent.
    pub(crate) async fn lasts_until(&mut self, consistency: &Consistency, offset: Offset) -> bool {
        let Some(deadline) = self.deadline() else {
            return false;
        };
        if Instant::now() >= deadline {
            return false;
        }
        sleep_until(deadline.min(Instant::now() + self.pause)).await;
        self.pause = FIRST_PAUSE.max(self.pause * 2);
        consistency.passes(self.source, self.within, offset, deadline).await
    }

    /// When to give up; `None` where every place is taken.
    fn deadline(&mut self) -> Option<Instant> {
        if self.place.is_none() {
            let permit = Arc::clone(&self.wait.waiters).try_acquire_owned().ok()?;
            let deadline = Instant::now() + self.wait.wait;
            self.place = Some(Place { deadline, _permit: permit });
        }
        self.place.as_ref().map(|place| place.deadline)
    }
}
