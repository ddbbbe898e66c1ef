//! A runner on simulated ports, and waiting for what it does.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytesize::ByteSize;
use hubbub_events::{Action, Offset, PostEvent, Topic, TopicPartition};
use hubbub_projections::Projection;
use hubbub_store::Store;
use hubbub_stream::{Log, NewRecord};
use hubbub_tables::Frontiers;
use hubbub_testkit::{memory_log::MemoryLog, memory_store::MemoryStore, story};
use hubbub_worker::{
    Error, Halt, Handle, PartitionState, PartitionStatus, Parts, Report, Turn, WorkerSettings,
    spawn,
};
use tokio_util::sync::CancellationToken;

/// How long anything may take, by the paused clock.
const DEADLINE: Duration = Duration::from_secs(3600);

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

/// A running projection.
pub struct Worker {
    pub handle: Handle,
    pub stop: CancellationToken,
    pub abandon: CancellationToken,
    reports: Arc<Mutex<Vec<(TopicPartition, Report)>>>,
}

pub fn start<P: Projection>(
    log: &MemoryLog,
    store: &impl Store,
    settings: WorkerSettings,
) -> Worker {
    start_in::<P>(&Turn::default(), Arc::new(log.clone()), store, settings)
}

/// In one process with others.
pub fn start_in<P: Projection>(
    turn: &Turn,
    log: Arc<dyn Log>,
    store: &impl Store,
    settings: WorkerSettings,
) -> Worker {
    let (stop, abandon) = (CancellationToken::new(), CancellationToken::new());
    let reports = Arc::new(Mutex::new(Vec::new()));
    let parts = Parts {
        log,
        store: store.clone(),
        settings,
        observer: Arc::new({
            let reports = Arc::clone(&reports);
            move |_, _, of, report| reports.lock().unwrap().push((of, report))
        }),
        turn: turn.clone(),
        stop: stop.clone(),
        abandon: abandon.clone(),
    };
    let handle = spawn::<P, _>(parts, 1);
    Worker { handle, stop, abandon, reports }
}

impl Worker {
    pub fn status(&self, of: TopicPartition) -> Option<PartitionStatus> {
        self.handle.status().into_iter().find(|status| status.topic_partition == of)
    }

    pub fn halt(&self, of: TopicPartition) -> Option<Halt> {
        match self.status(of)?.state {
            PartitionState::Halted(halt) => Some(halt),
            _ => None,
        }
    }

    pub fn is_retrying(&self, of: TopicPartition) -> bool {
        let state = self.status(of).map(|status| status.state);
        matches!(state, Some(PartitionState::Retrying(_)))
    }

    pub fn frontier(&self, of: TopicPartition) -> Offset {
        self.status(of).map_or(-1, |status| status.frontier)
    }

    /// Waits until everything up to an offset is folded.
    pub async fn until_folded(&self, of: TopicPartition, offset: Offset) {
        until(&format!("{of}@{offset} is folded"), || self.frontier(of) >= offset).await;
    }

    /// Waits until the log is folded to its end.
    pub async fn until_done(&self, log: &MemoryLog) {
        for of in log.all(Topic::Posts) {
            if let Some(last) = log.acknowledged(of).last() {
                self.until_folded(of, last.offset).await;
            }
        }
    }

    pub async fn until_halted(&self, of: TopicPartition) -> Halt {
        until(&format!("{of} is halted"), || self.halt(of).is_some()).await;
        self.halt(of).unwrap()
    }

    /// How often a partition was reported to stand still, and to go on.
    pub fn halts_and_resumes(&self, of: TopicPartition) -> (usize, usize) {
        let reports = self.reports.lock().unwrap();
        let of_it = || reports.iter().filter(|(about, _)| *about == of);
        let halts = of_it().filter(|(_, report)| matches!(report, Report::Halted(_))).count();
        let resumes = of_it().filter(|(_, report)| *report == Report::Resumed).count();
        (halts, resumes)
    }

    /// The frontiers that were reported of a partition.
    pub fn advances(&self, of: TopicPartition) -> Vec<Offset> {
        let reports = self.reports.lock().unwrap();
        let advances = reports.iter().filter(|(about, _)| *about == of).filter_map(
            |(_, report)| match report {
                Report::Advanced(offset) => Some(*offset),
                _ => None,
            },
        );
        advances.collect()
    }

    /// Finishes what is in flight.
    pub async fn stop(self) -> Result<(), Error> {
        self.stop.cancel();
        self.handle.join().await
    }

    /// Ends at once, as a process that is killed: what is in flight is dropped.
    pub async fn kill(self) {
        self.abandon.cancel();
        let _ = self.stop().await;
    }

    pub async fn ended(&self) -> Result<(), Error> {
        tokio::time::timeout(DEADLINE, self.handle.join()).await.unwrap()
    }
}

/// Waits for a condition.
pub async fn until(what: &str, mut is_met: impl FnMut() -> bool) {
    let wait = async {
        while !is_met() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait)
        .await
        .unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

/// Lets everything happen that happens without time passing, and a while more.
pub async fn a_while() {
    tokio::time::sleep(Duration::from_secs(60)).await;
}

pub const fn posts(partition: i32) -> TopicPartition {
    TopicPartition { topic: Topic::Posts, partition }
}

/// The durable frontier of a projection.
pub fn stored_frontier(
    store: &MemoryStore,
    projection: &str,
    of: TopicPartition,
) -> Option<Offset> {
    let frontiers = store.rows_of::<Frontiers>(Frontiers::BUILD).into_iter();
    let mut of_it =
        frontiers.filter(|((name, _), key, _)| name == projection && *key == Frontiers::key(of));
    of_it.next().map(|(.., row)| row.record.log_offset)
}

/// An id that begins like this and belongs to a partition.
pub fn id_in(of: TopicPartition, partitions: i32, begin: &str) -> String {
    let ids = (0..).map(|number| format!("{begin}{number}"));
    let mut here =
        ids.filter(|id| hubbub_events::partition_of(id.as_bytes(), partitions) == of.partition);
    here.next().unwrap()
}

pub fn create(number: usize, post_id: &str, content: &str) -> PostEvent {
    let action = Action::Created { content: content.to_owned(), hashtags: Vec::new() };
    story::event(number, "ann", post_id, action)
}

pub fn like(number: usize, user_id: &str, post_id: &str) -> PostEvent {
    story::event(number, user_id, post_id, Action::Liked)
}

pub fn unlike(number: usize, user_id: &str, post_id: &str) -> PostEvent {
    story::event(number, user_id, post_id, Action::Unliked)
}

/// Puts events into a log, each where its key belongs.
pub fn put(log: &MemoryLog, partitions: i32, events: impl IntoIterator<Item = PostEvent>) {
    for event in events {
        log.put(story::record(&event, partitions));
    }
}

/// A record of a newer build.
pub fn newer(post_id: &str, partitions: i32) -> NewRecord {
    use hubbub_events::v1;
    use prost::Message;
    let event = v1::Event { schema: 99, ..v1::Event::default() };
    story::raw(post_id.as_bytes(), &event.encode_to_vec(), partitions)
}

/// Runs a story under a clock that stands until everyone waits for it.
pub fn run<T>(story: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(story)
}
