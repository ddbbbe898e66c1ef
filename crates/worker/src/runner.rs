//! The task that owns all state of a projection's partitions.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    time::Duration,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use hubbub_events::{Offset, TopicPartition};
use hubbub_projections::Projection;
use hubbub_store::Store;
use hubbub_stream::{Consumer, Polled};
use hubbub_tables::Build;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    Halt, PartitionState,
    handle::{Error, Observer, Parts, Report, Resume},
    lane::{Context, Finished, Lane},
    metric,
    slot::{Slot, Work},
    status::Board,
};

/// Runs one build of a projection until it is told to stop.
///
/// # Errors
/// Where it cannot go on.
pub(crate) async fn run<P: Projection, S: Store>(
    parts: Parts<S>,
    build: Build,
    board: Board,
    inbox: mpsc::Receiver<Resume>,
) -> Result<(), Error> {
    let group = format!("hubbub.{}.b{}", P::NAME, build);
    let consumer = parts.log.consume(&group, P::TOPIC).await?;
    let runner = Runner::<P, S> {
        partitions: parts.log.partitions(P::TOPIC),
        context: Context {
            log: parts.log,
            store: parts.store,
            build,
            settings: parts.settings,
            board,
            turn: parts.turn,
        },
        consumer,
        observer: parts.observer,
        abandon: parts.abandon,
        slots: BTreeMap::new(),
        in_flight: FuturesUnordered::new(),
        revoked: BTreeSet::new(),
        revoked_at: None,
    };
    runner.run(parts.stop, inbox).await
}

struct Runner<P: Projection, S: Store> {
    context: Context<S>,
    partitions: i32,
    consumer: Box<dyn Consumer>,
    observer: Observer,
    abandon: CancellationToken,
    slots: BTreeMap<TopicPartition, Slot<P, S>>,
    in_flight: FuturesUnordered<BoxFuture<'static, Ended<P, S>>>,
    /// What was revoked and is not yet released.
    revoked: BTreeSet<TopicPartition>,
    /// When the oldest revocation that is not yet answered came.
    revoked_at: Option<Instant>,
}

/// A lane that comes back from its work.
enum Ended<P: Projection, S: Store> {
    Opened(TopicPartition, Result<Lane<P, S>, Error>),
    Noted(Box<Lane<P, S>>, Result<(), Halt>),
    Worked(Lane<P, S>, Finished<P>),
    Abandoned(TopicPartition),
}

impl<P: Projection, S: Store> Runner<P, S> {
    async fn run(
        mut self,
        stop: CancellationToken,
        mut inbox: mpsc::Receiver<Resume>,
    ) -> Result<(), Error> {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(resume) = inbox.recv() => self.resume(resume)?,
                Some(ended) = self.in_flight.next(), if !self.in_flight.is_empty() => self.end(ended)?,
                () = past(self.revoked_at, self.context.settings.revocation_timeout) => self.abandon_revoked(),
                polled = self.consumer.poll() => self.take(polled?)?,
            }
        }
        while let Some(ended) = self.in_flight.next().await {
            if let Some(of) = self.note_end(ended)? {
                self.withdraw(of);
            }
        }
        self.consumer.close().await;
        Ok(())
    }

    fn take(&mut self, polled: Polled) -> Result<(), Error> {
        match polled {
            Polled::Assigned(assigned) => {
                metric::assigned(P::NAME, assigned.len());
                assigned.into_iter().for_each(|of| self.open(of));
            }
            Polled::Revoked(revoked) => self.revoke(&revoked),
            Polled::Records(of, records) => {
                let budget = self.per_partition(self.context.settings.queue_size.as_u64());
                let Some(slot) = self.slots.get_mut(&of) else {
                    return Ok(());
                };
                slot.enqueue(records);
                if slot.queued_bytes() > budget && !slot.is_paused {
                    slot.is_paused = true;
                    self.consumer.pause(of);
                }
                self.begin_batch(of);
            }
            Polled::Unreadable(at, detail) => {
                let of = at.topic_partition();
                if let Some(slot) = self.slots.get_mut(&of) {
                    slot.set_unreadable(at.offset, detail);
                }
                self.begin_batch(of);
            }
        }
        Ok(())
    }

    fn open(&mut self, of: TopicPartition) {
        let abandon = self.abandon.child_token();
        self.context.board.add(of);
        self.slots.insert(of, Slot::new(of, abandon.clone()));
        let opening = Lane::open(of, self.context.clone());
        self.in_flight.push(
            async move {
                tokio::select! {
                    biased;
                    () = abandon.cancelled() => Ended::Abandoned(of),
                    lane = opening => Ended::Opened(of, lane),
                }
            }
            .boxed(),
        );
    }

    /// Hands the next batch to the lane, if it is idle and there is one.
    fn begin_batch(&mut self, of: TopicPartition) {
        let Some(slot) = self.slots.get_mut(&of).filter(|_| !self.revoked.contains(&of)) else {
            return;
        };
        let mut lane = match std::mem::replace(&mut slot.work, Work::Busy) {
            Work::Idle(lane) => lane,
            work => {
                slot.work = work;
                return;
            }
        };
        let most = lane.attempts.most(self.context.settings.batch_records);
        if lane.attempts.is_due()
            && let Some((first, last)) = slot.next_span(most)
        {
            return self.note(lane, first, last);
        }
        let batch = match slot.next_batch(most, self.partitions) {
            Ok(batch) => batch,
            Err(halt) => return self.halt(lane, halt),
        };
        let oldest = batch.first().map(|item| item.record.time);
        self.context.board.update(of, |status| status.oldest_waiting = oldest);
        if batch.is_empty() {
            lane.attempts.end(lane.frontier);
            slot.work = Work::Idle(lane);
            return;
        }
        let abandon = slot.abandon.clone();
        self.in_flight.push(
            async move {
                tokio::select! {
                    biased;
                    () = abandon.cancelled() => Ended::Abandoned(of),
                    finished = lane.work(batch) => Ended::Worked(*lane, finished),
                }
            }
            .boxed(),
        );
    }

    /// Has it noted which records come next, unless they were tried too often.
    fn note(&mut self, mut lane: Box<Lane<P, S>>, first: Offset, last: Offset) {
        let of = lane.of;
        if let Some(halt) = lane.attempts.halt(first) {
            return self.halt(lane, halt);
        }
        let Some(abandon) = self.slots.get(&of).map(|slot| slot.abandon.clone()) else {
            return;
        };
        self.in_flight.push(
            async move {
                tokio::select! {
                    biased;
                    () = abandon.cancelled() => Ended::Abandoned(of),
                    noted = lane.note(last) => Ended::Noted(lane, noted),
                }
            }
            .boxed(),
        );
    }

    /// What was noted is not begun: another lane may wait for this one's turn.
    fn withdraw(&mut self, of: TopicPartition) {
        if let Some(Work::Idle(lane)) = self.slots.get_mut(&of).map(|slot| &mut slot.work) {
            lane.attempts.end(lane.frontier);
        }
    }

    /// A lane came back: notes what it did, and gives it more.
    fn end(&mut self, ended: Ended<P, S>) -> Result<(), Error> {
        let Some(of) = self.note_end(ended)? else {
            return Ok(());
        };
        if self.revoked.contains(&of) {
            self.withdraw(of);
        }
        self.release_revoked();
        self.resume_delivery(of);
        self.begin_batch(of);
        Ok(())
    }

    fn note_end(&mut self, ended: Ended<P, S>) -> Result<Option<TopicPartition>, Error> {
        match ended {
            Ended::Opened(of, lane) => {
                let lane = lane?;
                let next = lane.frontier + 1;
                if self.revoked.contains(&of) {
                    self.forget(of);
                    return Ok(Some(of));
                }
                self.consumer.start(of, next)?;
                self.context.board.loaded(of, lane.frontier);
                self.context.board.set_state(of, PartitionState::Running);
                self.report(of, Report::Advanced(lane.frontier));
                if let Some(slot) = self.slots.get_mut(&of) {
                    slot.start_from(next);
                    slot.work = Work::Idle(Box::new(lane));
                }
                Ok(Some(of))
            }
            Ended::Noted(lane, noted) => {
                let of = lane.of;
                match (noted, self.slots.get_mut(&of)) {
                    (Err(halt), _) => self.halt(lane, halt),
                    (Ok(()), Some(slot)) => slot.work = Work::Idle(lane),
                    (Ok(()), None) => {}
                }
                Ok(Some(of))
            }
            Ended::Worked(lane, finished) => Ok(Some(self.note_work(lane, finished))),
            Ended::Abandoned(of) => {
                tracing::warn!(projection = P::NAME, topic = %of.topic, partition = of.partition, "dropped what was in flight; it will be replayed");
                self.forget(of);
                self.release_revoked();
                Ok(None)
            }
        }
    }

    fn note_work(&mut self, mut lane: Lane<P, S>, finished: Finished<P>) -> TopicPartition {
        let of = lane.of;
        let frontier = lane.frontier;
        lane.attempts.end(frontier);
        self.context.board.update(of, |status| status.frontier = frontier);
        self.consumer.commit(of, frontier + 1);
        self.report(of, Report::Advanced(frontier));
        lane.trim(self.per_partition(self.context.settings.view_size.as_u64()));
        if let Some(slot) = self.slots.get_mut(&of) {
            slot.put_back(finished.rest);
            let oldest = slot.oldest_waiting();
            self.context.board.update(of, |status| status.oldest_waiting = oldest);
        }
        match finished.halt {
            Some(halt) => self.halt(Box::new(lane), halt),
            None => {
                if let Some(slot) = self.slots.get_mut(&of) {
                    slot.work = Work::Idle(Box::new(lane));
                }
            }
        }
        of
    }

    fn report(&self, of: TopicPartition, report: Report) {
        (self.observer)(P::NAME, self.context.build, of, report);
    }

    fn resume_delivery(&mut self, of: TopicPartition) {
        let budget = self.per_partition(self.context.settings.queue_size.as_u64());
        if let Some(slot) = self.slots.get_mut(&of)
            && slot.is_paused
            && !slot.is_halted()
            && slot.queued_bytes() <= budget / 2
        {
            slot.is_paused = false;
            self.consumer.resume(of);
        }
    }

    fn halt(&mut self, mut lane: Box<Lane<P, S>>, halt: Halt) {
        let of = lane.of;
        lane.attempts.end(lane.frontier);
        tracing::error!(
            projection = P::NAME, build = self.context.build, topic = %of.topic,
            partition = of.partition, offset = halt.at, reason = %halt.reason, detail = halt.detail, "the partition is halted"
        );
        self.consumer.pause(of);
        self.context.board.set_state(of, PartitionState::Halted(halt.clone()));
        self.report(of, Report::Halted(halt.clone()));
        if let Some(slot) = self.slots.get_mut(&of) {
            slot.is_paused = true;
            let oldest = slot.oldest_waiting();
            self.context.board.update(of, |status| status.oldest_waiting = oldest);
            slot.work = Work::Halted(lane, halt);
        }
    }

    fn resume(&mut self, command: Resume) -> Result<(), Error> {
        let mut resumed = 0;
        for slot in self.slots.values_mut() {
            let of = slot.of;
            if command.partition.is_some_and(|wanted| wanted != of.partition) {
                continue;
            }
            match std::mem::replace(&mut slot.work, Work::Busy) {
                Work::Halted(mut lane, halt) => {
                    lane.resume(command.accept_dead_letters);
                    slot.start_from(lane.frontier + 1);
                    self.consumer.start(of, lane.frontier + 1)?;
                    self.consumer.resume(of);
                    slot.work = Work::Idle(lane);
                    self.context.board.set_state(of, PartitionState::Running);
                    (self.observer)(P::NAME, self.context.build, of, Report::Resumed);
                    tracing::info!(
                        projection = P::NAME, topic = %of.topic, partition = of.partition,
                        offset = halt.at, reason = %halt.reason, "the partition is resumed"
                    );
                    resumed += 1;
                }
                work => slot.work = work,
            }
        }
        // Whoever asked may have gone; the partitions are resumed all the same.
        let _ = command.resumed.send(resumed);
        Ok(())
    }

    fn revoke(&mut self, revoked: &[TopicPartition]) {
        self.revoked.extend(revoked);
        self.revoked_at.get_or_insert_with(Instant::now);
        self.release_revoked();
    }

    /// Lets go of the revoked partitions once none of them is at work.
    fn release_revoked(&mut self) {
        let mut slots = self.revoked.iter().filter_map(|of| self.slots.get(of));
        if self.revoked.is_empty() || slots.any(Slot::is_busy) {
            return;
        }
        let released = Vec::from_iter(std::mem::take(&mut self.revoked));
        released.iter().for_each(|of| self.forget(*of));
        self.consumer.release(&released);
        self.revoked_at = None;
    }

    fn abandon_revoked(&mut self) {
        let slots = self.revoked.iter().filter_map(|of| self.slots.get(of));
        slots.for_each(|slot| slot.abandon.cancel());
        self.revoked_at = self.revoked_at.map(|_| Instant::now());
    }

    fn forget(&mut self, of: TopicPartition) {
        self.slots.remove(&of);
        self.context.board.remove(of);
    }

    /// A projection's budget, shared evenly by its partitions.
    fn per_partition(&self, bytes: u64) -> usize {
        const LEAST: usize = 64 * 1024;
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        (bytes / self.slots.len().max(1)).max(LEAST)
    }
}

async fn past(since: Option<Instant>, timeout: Duration) {
    match since {
        Some(since) => tokio::time::sleep_until(since + timeout).await,
        None => pending().await,
    }
}
