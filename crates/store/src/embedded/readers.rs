//! Where reads run. fjall blocks its callers.

use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::Error;

/// Look-ups up to this number run where they are asked for: mostly they are answered
/// from memory in a few microseconds each, and a hop to another thread and back costs
/// more than that. A query's look-up is a head and a row.
pub(super) const IN_PLACE: usize = 4;

/// Longer reads at a time. They run on tokio's blocking threads, as those wait for the
/// disk without holding up anyone; more at once would only queue for the same disk.
const AT_ONCE: usize = 4;

/// Runs longer reads beside the async workers.
pub(super) struct Readers(Arc<Semaphore>);

impl Readers {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }

    pub(super) async fn run<A: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<A, Error> + Send + 'static,
    ) -> Result<A, Error> {
        let failed = |error: &dyn std::fmt::Display| {
            Error::Permanent(format!("a read of the embedded store was broken off: {error}"))
        };
        let permit = Arc::clone(&self.0).acquire_owned().await.map_err(|error| failed(&error))?;
        let read = tokio::task::spawn_blocking(move || {
            // Held to the end, also where the caller has gone.
            let _permit = permit;
            read()
        });
        read.await.map_err(|error| failed(&error))?
    }
}
