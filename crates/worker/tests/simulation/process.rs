//! A worker: the three projections on one log and one store, which live and die together.

use std::{sync::Arc, time::Duration};

use bytesize::ByteSize;
use hubbub_events::{Offset, TopicPartition};
use hubbub_projections::{Analysis, Likes, Posts, Projection};
use hubbub_testkit::{
    memory_log::MemoryLog,
    memory_store::{Fate, MemoryStore, Operation},
};
use hubbub_worker::{Handle, PartitionState, Parts, Turn, WorkerSettings, spawn};
use tokio_util::sync::CancellationToken;

use crate::plan::{End, Life, Plan};

pub fn settings() -> WorkerSettings {
    WorkerSettings {
        batch_records: 8,
        queue_size: ByteSize::mib(1),
        view_size: ByteSize::mib(1),
        retry_min: Duration::from_millis(50),
        retry_max: Duration::from_secs(5),
        stall_timeout: Duration::from_secs(24 * 3600),
        revocation_timeout: Duration::from_secs(5),
    }
}

pub struct Process {
    pub log: MemoryLog,
    store: MemoryStore,
    handles: [Handle; 3],
    stop: CancellationToken,
    abandon: CancellationToken,
}

impl Process {
    pub fn start(log: MemoryLog, store: MemoryStore, settings: WorkerSettings) -> Self {
        let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
        let turn = Turn::default();
        let parts = || Parts {
            log: Arc::new(log.clone()),
            store: store.clone(),
            settings: settings.clone(),
            observer: Arc::new(|_, _, _, _| {}),
            turn: turn.clone(),
            stop: stop.clone(),
            abandon: abandon.clone(),
        };
        let handles = [
            spawn::<Posts, _>(parts(), 1),
            spawn::<Analysis, _>(parts(), 1),
            spawn::<Likes, _>(parts(), 1),
        ];
        Self { log, store, handles, stop, abandon }
    }

    pub fn operations(&self) -> u64 {
        self.store.operations()
    }

    /// Whether each of its projections says so.
    pub fn has_folded(&self, of: TopicPartition, last: Offset) -> bool {
        self.handles.iter().all(|handle| {
            let mut statuses = handle.status().into_iter();
            statuses.any(|found| found.topic_partition == of && found.frontier >= last)
        })
    }

    /// Whether a partition stands still.
    pub fn is_halted(&self) -> bool {
        let mut statuses = self.handles.iter().flat_map(Handle::status);
        statuses.any(|status| matches!(status.state, PartitionState::Halted(_)))
    }

    /// Lets halted partitions go on.
    pub async fn resume(&self) {
        for handle in &self.handles {
            handle.resume(None, false).await;
        }
    }

    /// Finishes what is in flight. What ended a projection before is its end.
    pub async fn stop(self) -> Vec<String> {
        self.stop.cancel();
        let mut errors = Vec::new();
        for handle in &self.handles {
            if let Err(error) = handle.join().await {
                errors.push(error.to_string());
            }
        }
        errors
    }

    /// Drops what is in flight.
    pub async fn kill(self) {
        self.abandon.cancel();
        self.stop().await;
    }
}

pub fn group<P: Projection>() -> String {
    format!("hubbub.{}.b1", P::NAME)
}

/// What becomes of an operation in a life; without one, it only takes its time.
pub fn fate(plan: &Plan, life: Option<&Life>, operation: &Operation) -> Fate {
    let number = operation.number;
    let slow = |factor: u64| match plan.delays.len() as u64 {
        0 => Duration::ZERO,
        count => Duration::from_millis(u64::from(plan.delays[(number % count) as usize]) * factor),
    };
    let as_usual = Fate { before: slow(1), after: slow(1) / 2, ..Fate::done() };
    let Some(life) = life else {
        return as_usual;
    };
    if number < life.operation {
        let mut time_outs = life.time_outs.iter().filter(|(at, _)| *at == number);
        return time_outs.next().map_or(as_usual, |(_, applied)| Fate {
            before: slow(1),
            ..Fate::transient().applying(*applied)
        });
    }
    let is_later = number > life.operation;
    let late = |late: u16| Duration::from_millis(late.into());
    match life.end {
        End::Killed(_) if is_later => Fate::death(),
        End::Killed(by) => Fate { before: late(by), ..Fate::death().applying(life.applied) },
        End::Left => as_usual,
        End::Evicted(by) => {
            Fate { before: slow(1) + late(by), between: slow(3), after: slow(5), ..Fate::done() }
        }
        End::Island(_) if is_later => Fate::done(),
        End::Island(by) => Fate::done().late(late(by)),
    }
}
