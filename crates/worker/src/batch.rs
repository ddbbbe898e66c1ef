//! Records on their way through a fold.

use std::{any::Any, panic::catch_unwind};

use hubbub_events::{DecodeError, Offset, TopicPartition, partition_of};
use hubbub_projections::{Outcome, Projection};
use hubbub_stream::Record;

use crate::{Halt, HaltReason};

/// A record, read as far as it goes.
pub(crate) struct Item<P: Projection> {
    pub record: Record,
    pub content: Content<P::Event>,
}

/// What a record turned out to hold.
pub(crate) enum Content<E> {
    Event(E),
    /// Nothing that can be folded, and why.
    Dead(String),
}

impl<P: Projection> Item<P> {
    /// Reads a record.
    ///
    /// # Errors
    /// Gives back the record, and why this build may not go past it.
    pub(crate) fn decode(
        record: Record,
        of: TopicPartition,
        partitions: i32,
    ) -> Result<Self, Box<(Record, Halt)>> {
        let home = partition_of(&record.key, partitions);
        if home != of.partition {
            // A row has one source partition: folding it here would break that.
            let reason = format!("its key belongs to partition {home}, not {}", of.partition);
            return Ok(Self { record, content: Content::Dead(reason) });
        }
        let (reason, detail) = match catch_unwind(|| P::decode(&record.key, &record.value)) {
            Ok(Ok(event)) => return Ok(Self { record, content: Content::Event(event) }),
            Ok(Err(DecodeError::Invalid(reason))) => {
                return Ok(Self { record, content: Content::Dead(reason) });
            }
            Ok(Err(error @ DecodeError::Newer { .. })) => {
                (HaltReason::NewerEvent, error.to_string())
            }
            Err(panic) => (HaltReason::Panic, message_of(panic.as_ref())),
        };
        let at = record.offset;
        Err(Box::new((record, Halt { reason, at, detail })))
    }

    pub(crate) fn offset(&self) -> Offset {
        self.record.offset
    }
}

/// What a defect of this build said.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the fold panicked: {}", text.unwrap_or("no message"))
}

/// What became of a batch's records, counted for the metrics.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub applied: u64,
    pub skipped: u64,
    pub rejected: u64,
    pub dead: u64,
}

impl Tally {
    pub(crate) fn of(outcomes: &[Outcome]) -> Self {
        let mut tally = Self::default();
        for outcome in outcomes {
            match outcome {
                Outcome::Applied => tally.applied += 1,
                Outcome::Skipped => tally.skipped += 1,
                Outcome::Rejected(_) => tally.rejected += 1,
                Outcome::DeadLetter(_) => tally.dead += 1,
            }
        }
        tally
    }
}
