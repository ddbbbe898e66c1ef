//! A consumer of a simulated log.

use std::{pin::pin, sync::Arc};

use async_trait::async_trait;
use hubbub_events::{Offset, TopicPartition};
use hubbub_stream::{Consumer, Error, Polled};

use super::{MemberId, Shared, group::Held};

pub(super) struct MemoryConsumer {
    shared: Arc<Shared>,
    id: MemberId,
}

impl MemoryConsumer {
    pub fn new(shared: Arc<Shared>, id: MemberId) -> Self {
        Self { shared, id }
    }

    fn with<R>(&self, of: TopicPartition, change: impl FnOnce(&mut Held) -> R) -> Option<R> {
        self.shared.change(|state| state.groups.held(self.id, of).map(change))
    }
}

#[async_trait]
impl Consumer for MemoryConsumer {
    async fn poll(&mut self) -> Result<Polled, Error> {
        loop {
            let mut changed = pin!(self.shared.changed.notified());
            changed.as_mut().enable();
            {
                let mut state = self.shared.lock();
                if let Some(detail) = &state.recreated {
                    return Err(Error::Recreated(detail.clone()));
                }
                if let Some(polled) = state.next_for(self.id) {
                    return Ok(polled);
                }
            }
            changed.await;
        }
    }

    fn start(&mut self, of: TopicPartition, from: Offset) -> Result<(), Error> {
        self.with(of, |held| held.next = Some(from))
            .ok_or_else(|| Error::Permanent(format!("{of} is not assigned to this consumer")))
    }

    fn pause(&mut self, of: TopicPartition) {
        self.with(of, |held| held.is_paused = true);
    }

    fn resume(&mut self, of: TopicPartition) {
        self.with(of, |held| held.is_paused = false);
    }

    fn commit(&mut self, of: TopicPartition, next: Offset) {
        self.shared.change(|state| state.groups.commit(self.id, of, next));
    }

    fn release(&mut self, of: &[TopicPartition]) {
        self.shared.change(|state| state.groups.release(self.id, of));
    }

    async fn close(self: Box<Self>) {}
}

/// Closed, or dropped with its process: either way it has left.
impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        self.shared.change(|state| state.groups.leave(self.id));
    }
}
