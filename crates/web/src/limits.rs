//! How much of a request is read, and for how long.

use std::{sync::Arc, time::Duration};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{problem::Problem, problem_type::ProblemType, settings::HttpSettings};

pub(crate) struct ReadLimits {
    pub(crate) max_body: usize,
    pub(crate) body_idle_timeout: Duration,
    pub(crate) request_timeout: Duration,
    body_memory: BodyMemory,
}

impl ReadLimits {
    pub(crate) fn new(settings: &HttpSettings) -> Self {
        Self {
            max_body: usize::try_from(settings.max_body_bytes.as_u64()).unwrap_or(usize::MAX),
            body_idle_timeout: settings.body_idle_timeout,
            request_timeout: settings.request_timeout,
            body_memory: BodyMemory::new(settings.max_body_memory.as_u64()),
        }
    }

    /// Grows a request's share of the budget until it covers `bytes`.
    pub(crate) fn hold(
        &self,
        share: &mut Option<OwnedSemaphorePermit>,
        bytes: usize,
    ) -> Result<(), Problem> {
        self.body_memory.hold(share, bytes)
    }
}

/// The budget for the bodies of all requests together, counted in KiB.
struct BodyMemory(Arc<Semaphore>);

impl BodyMemory {
    fn new(bytes: u64) -> Self {
        let kib = usize::try_from(bytes / 1024).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(kib.min(Semaphore::MAX_PERMITS))))
    }

    fn hold(&self, share: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), Problem> {
        let held = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = bytes.div_ceil(1024).saturating_sub(held);
        if missing == 0 {
            return Ok(());
        }
        let more = u32::try_from(missing)
            .ok()
            .and_then(|kib| Arc::clone(&self.0).try_acquire_many_owned(kib).ok())
            .ok_or_else(|| {
                Problem::new(
                    ProblemType::Overloaded,
                    "the memory for request bodies is taken by other requests",
                )
            })?;
        match share {
            Some(share) => share.merge(more),
            None => *share = Some(more),
        }
        Ok(())
    }
}
