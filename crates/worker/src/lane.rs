//! The folding of one log partition, one batch after the other.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use hubbub_events::{LogIdentity, Offset, Topic, TopicPartition};
use hubbub_projections::{Interrupt, Mode, Outcome, Projection};
use hubbub_store::Store;
use hubbub_stream::{AppendError, Log};
use hubbub_tables::{Build, Change, Frontiers, Stored, bookkeeping::Frontier};
use tracing::Instrument;

use crate::{
    Halt, HaltReason, Turn, WorkerSettings,
    attempts::Attempts,
    batch::{Content, Item, Tally, message_of},
    dead_letters::{Window, cut, dead_letter},
    gather,
    handle::Error,
    load::{Loaded, load},
    metric,
    retry::Retry,
    status::Board,
    trace::BatchSpans,
    write::{Part, write},
};

/// What one store partition's share of a batch may weigh. A record can add two times
/// the largest content to it, so it stays below 1 MiB.
const SHARE_LIMIT: usize = 768 * 1024;

/// What every lane of a projection works with.
#[derive(Clone)]
pub(crate) struct Context<S> {
    pub log: Arc<dyn Log>,
    pub store: S,
    pub build: Build,
    pub settings: WorkerSettings,
    pub board: Board,
    pub turn: Turn,
}

/// All that is in memory of one log partition's fold.
pub(crate) struct Lane<P: Projection, S: Store> {
    pub of: TopicPartition,
    pub frontier: Offset,
    pub attempts: Attempts,
    context: Context<S>,
    identity: LogIdentity,
    tables: P::Tables,
    window: Window,
    retry: Retry,
}

/// What became of a batch.
pub(crate) struct Finished<P: Projection> {
    /// The records that were not folded: the last ones of the batch.
    pub rest: Vec<Item<P>>,
    /// Why the lane goes no further.
    pub halt: Option<Halt>,
}

/// How far a fold came.
struct Folded {
    outcomes: Vec<Outcome>,
    /// Why it stopped before the last record, where it was not for the batch's weight.
    halt: Option<Halt>,
}

impl<P: Projection, S: Store> Lane<P, S> {
    /// Loads the frontier, and holds it against the log.
    ///
    /// # Errors
    /// Where the log is not the one that the tables were folded from.
    pub(crate) async fn open(of: TopicPartition, context: Context<S>) -> Result<Self, Error> {
        let mut retry = Retry::new(of, context.board.clone(), &context.settings);
        let identity = context.log.identity();
        let frontier = loop {
            match read_frontier::<P, S>(of, &context).await {
                Ok(frontier) => break frontier,
                Err(hubbub_store::Error::Permanent(error)) => return Err(Error::Store(error)),
                Err(error) => retry.wait(&error.to_string()).await,
            }
        };
        if let Some(other) = frontier.as_ref().map(|found| &found.log_identity)
            && *other != identity.0
        {
            return Err(Error::Recreated(format!(
                "the tables of {} were folded from the log {other}, and this one is {identity}",
                P::NAME
            )));
        }
        let frontier = frontier.map_or(-1, |found| found.log_offset);
        let end = loop {
            match context.log.bounds(of).await {
                Ok(bounds) => break bounds.end,
                Err(hubbub_stream::Error::Transient(error)) => retry.wait(&error).await,
                Err(error) => return Err(error.into()),
            }
        };
        if end <= frontier {
            return Err(Error::Recreated(format!(
                "{of} ends before offset {end}, and {} has folded it up to {frontier}",
                P::NAME
            )));
        }
        let attempts = loop {
            let Context { store, build, .. } = &context;
            match Attempts::load::<P, S>(of, frontier, &identity, store, *build).await {
                Ok(attempts) => break attempts,
                Err(hubbub_store::Error::Permanent(error)) => return Err(Error::Store(error)),
                Err(error) => retry.wait(&error.to_string()).await,
            }
        };
        retry.done();
        let (tables, window) = (P::Tables::default(), Window::default());
        Ok(Self { of, frontier, attempts, context, identity, tables, window, retry })
    }

    /// Begins anew after a halt.
    pub(crate) fn resume(&mut self, accept_dead_letters: bool) {
        self.window.empty(accept_dead_letters);
        self.attempts.resume();
        gather::clear(&mut self.tables);
    }

    /// Notes that records are about to be folded, up to this one.
    ///
    /// # Errors
    /// Where the store refuses for good.
    pub(crate) async fn note(&mut self, last: Offset) -> Result<(), Halt> {
        let turn = self.attempts.turn(&self.context.turn, &self.context.board).await;
        while let Err(error) = self.attempts.note(self.frontier, last).await {
            self.retry_store(self.frontier + 1, &error).await?;
        }
        self.retry.done();
        self.attempts.hold(turn);
        Ok(())
    }

    /// Folds a batch and writes what follows from it, for as long as that takes.
    pub(crate) async fn work(&mut self, batch: Vec<Item<P>>) -> Finished<P> {
        let spans = BatchSpans::begin(self.of, &batch);
        let span = spans.batch.clone();
        self.fold_and_write(batch, spans).instrument(span).await
    }

    async fn fold_and_write(&mut self, mut batch: Vec<Item<P>>, spans: BatchSpans) -> Finished<P> {
        let folded = match self.fold(&batch).await {
            Ok(folded) => folded,
            Err(halt) => return self.halted(batch, halt),
        };
        let rest = batch.split_off(folded.outcomes.len());
        let writing = spans.writing(batch.len());
        if let Err(halt) = self.write(&batch, &folded.outcomes).await {
            batch.extend(rest);
            return self.halted(batch, halt);
        }
        drop(writing);
        spans.end(&folded.outcomes);
        self.retry.done();
        Finished { rest, halt: folded.halt }
    }

    fn halted(&mut self, rest: Vec<Item<P>>, halt: Halt) -> Finished<P> {
        gather::clear(&mut self.tables);
        Finished { rest, halt: Some(halt) }
    }

    /// Folds from the first record on, as far as one write may go.
    async fn fold(&mut self, batch: &[Item<P>]) -> Result<Folded, Halt> {
        let Some(first) = batch.first().map(Item::offset) else {
            return Ok(Folded { outcomes: Vec::new(), halt: None });
        };
        let mut batch = batch;
        let mut halt = None;
        let mut mode = Mode::Folding;
        let mut outcomes = Vec::with_capacity(batch.len());
        let mut window = self.window.clone();
        while let Some(item) = batch.get(outcomes.len()) {
            let at = item.offset();
            let restart = match self.fold_one(item, mode) {
                Ok(outcome) if window.admit(matches!(outcome, Outcome::DeadLetter(_))) => {
                    outcomes.push(outcome);
                    if gather::largest_change(&mut self.tables) > SHARE_LIMIT {
                        break;
                    }
                    continue;
                }
                Ok(outcome) => {
                    let Outcome::DeadLetter(reason) = outcome else { continue };
                    halt = Some(Halt {
                        reason: HaltReason::DeadLetterRatio,
                        at,
                        detail: format!("one dead letter too many; the last is: {reason}"),
                    });
                    true
                }
                Err(Stop::Panic(detail)) => {
                    halt = Some(Halt { reason: HaltReason::Panic, at, detail });
                    true
                }
                Err(Stop::Interrupt(Interrupt::Reflected)) => {
                    window.admit(false);
                    outcomes.push(Outcome::Skipped);
                    continue;
                }
                Err(Stop::Interrupt(Interrupt::Miss)) => {
                    self.probe(&batch[outcomes.len() + 1..]);
                    self.load(first).await? == Loaded::Torn
                }
                Err(Stop::Interrupt(Interrupt::Ahead)) => true,
            };
            if !restart {
                continue;
            }
            // A record that is not to be folded may have put half of what it means, and
            // a store that is ahead makes everything in memory old: either way, the
            // records before it are folded again from what the store holds.
            if let Some(halt) = halt.as_ref().filter(|_| outcomes.is_empty()) {
                return Err(halt.clone());
            }
            if halt.is_some() {
                batch = &batch[..outcomes.len()];
            } else {
                metric::ahead(P::NAME);
            }
            mode = Mode::Replaying;
            window = self.window.clone();
            outcomes.clear();
            self.reload(batch).await?;
        }
        self.window = window;
        // Where the write is full before the record that it halts at, it is met again.
        let halt = halt.filter(|_| outcomes.len() == batch.len());
        Ok(Folded { outcomes, halt })
    }

    fn fold_one(&mut self, item: &Item<P>, mode: Mode) -> Result<Outcome, Stop> {
        let event = match &item.content {
            Content::Event(event) => event,
            Content::Dead(reason) => return Ok(Outcome::DeadLetter(reason.clone())),
        };
        let at = self.of.at(item.offset());
        gather::begin(&mut self.tables, at.stamp(), mode);
        let fold = AssertUnwindSafe(|| P::fold(at, event, &mut self.tables));
        match catch_unwind(fold) {
            Ok(result) => result.map_err(Stop::Interrupt),
            Err(panic) => Err(Stop::Panic(message_of(panic.as_ref()))),
        }
    }

    /// Collects what records will miss. What they come to is of no account here.
    fn probe(&mut self, batch: &[Item<P>]) {
        for item in batch {
            drop(self.fold_one(item, Mode::Probing));
        }
    }

    async fn load(&mut self, first: Offset) -> Result<Loaded, Halt> {
        match load(&mut self.tables, &self.context.store, self.context.build).await {
            Ok(loaded) => Ok(loaded),
            // What is still missing is asked for again when the fold goes on.
            Err(hubbub_store::Error::Transient(error)) => {
                self.retry.wait(&error).await;
                Ok(Loaded::Whole)
            }
            Err(error) => Err(store_halt(first, &error)),
        }
    }

    /// Drops everything in memory, and loads what the batch's records are judged by.
    async fn reload(&mut self, batch: &[Item<P>]) -> Result<(), Halt> {
        let Some(first) = batch.first() else {
            return Ok(());
        };
        loop {
            gather::clear(&mut self.tables);
            self.probe(batch);
            if self.load(first.offset()).await? == Loaded::Whole {
                return Ok(());
            }
        }
    }

    /// Derived rows, then dead letters, then deciding rows, and last the frontier; each
    /// only after the acknowledgement of the one before. A replay skips what a deciding
    /// row has, so nothing that it must still do may come after.
    async fn write(&mut self, batch: &[Item<P>], outcomes: &[Outcome]) -> Result<(), Halt> {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else {
            return Ok(());
        };
        let (first, last) = (first.offset(), last.offset());
        self.write_part(Part::Derived, first).await?;
        self.bury(batch, outcomes).await?;
        self.write_part(Part::Deciding, first).await?;
        while let Err(error) = self.write_frontier(last).await {
            self.retry_store(first, &error).await?;
        }
        gather::written(&mut self.tables);
        self.frontier = last;
        self.count(batch.len(), outcomes);
        Ok(())
    }

    async fn write_part(&mut self, part: Part, first: Offset) -> Result<(), Halt> {
        let Context { store, build, .. } = self.context.clone();
        while let Err(error) = write(&mut self.tables, &store, build, part).await {
            self.retry_store(first, &error).await?;
        }
        Ok(())
    }

    async fn retry_store(&mut self, at: Offset, error: &hubbub_store::Error) -> Result<(), Halt> {
        if matches!(error, hubbub_store::Error::Permanent(_)) {
            return Err(store_halt(at, error));
        }
        self.retry.wait(&error.to_string()).await;
        Ok(())
    }

    async fn write_frontier(&mut self, last: Offset) -> Result<(), hubbub_store::Error> {
        let frontier = Frontier { log_offset: last, log_identity: self.identity.0.clone() };
        let stored = Stored { stamp: self.of.at(last).stamp(), record: frontier };
        let change = Change {
            partition: (P::NAME.to_owned(), self.context.build),
            head: None,
            rows: vec![(Frontiers::key(self.of), stored)],
        };
        let frontiers = self.context.store.table::<Frontiers>(Frontiers::BUILD)?;
        frontiers.apply(vec![change]).await
    }

    /// Appends the dead letters of a batch, and waits until the log has them.
    async fn bury(&mut self, batch: &[Item<P>], outcomes: &[Outcome]) -> Result<(), Halt> {
        let partitions = self.context.log.partitions(Topic::DeadLetters);
        let mut letters: Vec<_> = batch
            .iter()
            .zip(outcomes)
            .filter_map(|(item, outcome)| match outcome {
                Outcome::DeadLetter(reason) => {
                    Some(dead_letter(self.of, &item.record, P::NAME, reason, partitions))
                }
                _ => None,
            })
            .collect();
        let count = letters.len() as u64;
        while !letters.is_empty() {
            let results = self.context.log.append(letters.clone()).await;
            let mut failed = None;
            let mut results = results.into_iter();
            letters.retain_mut(|letter| match results.next() {
                Some(Err(AppendError::TooLarge(_))) if cut(letter) => true,
                Some(Err(error)) => {
                    failed = Some(error);
                    true
                }
                _ => false,
            });
            match failed {
                // Those that were cut are tried at once.
                None => {}
                Some(AppendError::Storage(detail)) => {
                    let at = batch.first().map_or(self.frontier + 1, Item::offset);
                    return Err(Halt { reason: HaltReason::Store, at, detail });
                }
                Some(error) => self.retry.wait(&error.to_string()).await,
            }
        }
        metric::dead_letters(P::NAME, self.context.build, count);
        Ok(())
    }

    fn count(&mut self, records: usize, outcomes: &[Outcome]) {
        let tally = Tally::of(outcomes);
        metric::batch(P::NAME, records);
        metric::records(P::NAME, self.context.build, self.of, &tally);
    }

    /// Lets go of rows in memory where they are more than this; nothing is lost by it.
    pub(crate) fn trim(&mut self, bytes: usize) {
        if gather::weight(&mut self.tables) > bytes {
            gather::clear(&mut self.tables);
        }
    }
}

/// Why a record was not folded.
enum Stop {
    Interrupt(Interrupt),
    Panic(String),
}

async fn read_frontier<P: Projection, S: Store>(
    of: TopicPartition,
    context: &Context<S>,
) -> Result<Option<Frontier>, hubbub_store::Error> {
    let frontiers = context.store.table::<Frontiers>(Frontiers::BUILD)?;
    let key = ((P::NAME.to_owned(), context.build), Frontiers::key(of));
    let found = frontiers.rows(&[key]).await?;
    Ok(found.into_iter().next().flatten().map(|stored| stored.record))
}

fn store_halt(at: Offset, error: &hubbub_store::Error) -> Halt {
    Halt { reason: HaltReason::Store, at, detail: error.to_string() }
}
