//! One assigned partition, as the runner keeps it between batches.

use std::collections::VecDeque;

use hubbub_events::{Offset, Timestamp, TopicPartition};
use hubbub_projections::Projection;
use hubbub_store::Store;
use hubbub_stream::Record;
use tokio_util::sync::CancellationToken;

use crate::{Halt, HaltReason, batch::Item, lane::Lane, metric};

/// What a lane is doing.
pub(crate) enum Work<P: Projection, S: Store> {
    /// A batch is in flight, or the frontier is being loaded: the lane is with it.
    Busy,
    /// It waits for records.
    Idle(Box<Lane<P, S>>),
    /// It stands still.
    Halted(Box<Lane<P, S>>, Halt),
}

/// A partition's queue of records, and its lane.
pub(crate) struct Slot<P: Projection, S: Store> {
    pub of: TopicPartition,
    pub work: Work<P, S>,
    /// Ends what is in flight, leaving it half-done: safe, as it will be replayed.
    pub abandon: CancellationToken,
    pub is_paused: bool,
    queue: VecDeque<Record>,
    queued_bytes: usize,
    /// The offset that is expected to be delivered next.
    next: Offset,
    /// What the log said of the record behind the queue.
    unreadable: Option<Halt>,
}

impl<P: Projection, S: Store> Slot<P, S> {
    pub(crate) fn new(of: TopicPartition, abandon: CancellationToken) -> Self {
        Self {
            of,
            work: Work::Busy,
            abandon,
            is_paused: false,
            queue: VecDeque::new(),
            queued_bytes: 0,
            next: 0,
            unreadable: None,
        }
    }

    /// Delivery begins anew, behind a frontier.
    pub(crate) fn start_from(&mut self, next: Offset) {
        self.queue.clear();
        self.queued_bytes = 0;
        self.unreadable = None;
        self.is_paused = false;
        self.next = next;
    }

    pub(crate) fn enqueue(&mut self, records: Vec<Record>) {
        for record in records {
            if record.offset < self.next {
                continue;
            }
            if record.offset > self.next {
                let missing = record.offset - self.next;
                metric::gap(P::NAME, missing.unsigned_abs());
                tracing::warn!(
                    projection = P::NAME, topic = %self.of.topic, partition = self.of.partition,
                    offset = self.next, missing, "the log has no records at these offsets"
                );
            }
            self.next = record.offset + 1;
            self.queued_bytes += record.weight();
            self.queue.push_back(record);
        }
    }

    /// Takes back records that were not folded.
    pub(crate) fn put_back(&mut self, rest: Vec<Item<P>>) {
        for item in rest.into_iter().rev() {
            self.queued_bytes += item.record.weight();
            self.queue.push_front(item.record);
        }
    }

    /// The first and the last offset of the next records to fold, where there are any.
    pub(crate) fn next_span(&self, most: usize) -> Option<(Offset, Offset)> {
        let first = self.queue.front()?;
        let last = self.queue.iter().take(most).last()?;
        Some((first.offset, last.offset))
    }

    /// The next records to fold, or the halt before them.
    pub(crate) fn next_batch(
        &mut self,
        most: usize,
        partitions: i32,
    ) -> Result<Vec<Item<P>>, Halt> {
        let mut batch = Vec::new();
        while batch.len() < most {
            let Some(record) = self.queue.pop_front() else {
                break;
            };
            let weight = record.weight();
            match Item::decode(record, self.of, partitions) {
                Ok(item) => {
                    self.queued_bytes -= weight;
                    batch.push(item);
                }
                Err(refused) => {
                    let (record, halt) = *refused;
                    self.queue.push_front(record);
                    if batch.is_empty() {
                        return Err(halt);
                    }
                    break;
                }
            }
        }
        match self.unreadable.clone().filter(|_| batch.is_empty()) {
            Some(halt) => Err(halt),
            None => Ok(batch),
        }
    }

    pub(crate) fn set_unreadable(&mut self, at: Offset, detail: String) {
        self.unreadable = Some(Halt { reason: HaltReason::Unreadable, at, detail });
    }

    pub(crate) fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }

    pub(crate) fn oldest_waiting(&self) -> Option<Timestamp> {
        self.queue.front().map(|record| record.time)
    }

    pub(crate) fn is_busy(&self) -> bool {
        matches!(self.work, Work::Busy)
    }

    pub(crate) fn is_halted(&self) -> bool {
        matches!(self.work, Work::Halted(..))
    }
}
