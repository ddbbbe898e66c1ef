//! An event log in memory for simulations: deterministic, and faulty on command.
//!
//! The records are shared by any number of processes, each with a handle of its own
//! ([`MemoryLog::reopen`]). Groups share their partitions evenly as members join and
//! leave; [`MemoryLog::evict`] and [`MemoryLog::island`] make zombies.

mod consumer;
mod group;
mod queue;

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use hubbub_events::{LogIdentity, Offset, Position, Topic, TopicPartition};
use hubbub_stream::{AppendError, Consumer, Error, Log, NewRecord, Record};
use tokio::sync::Notify;

use consumer::MemoryConsumer;
use group::Groups;
pub use group::MemberId;
pub use queue::Fault;
use queue::{Death, Queue};

/// One process's handle on a log in memory.
#[derive(Clone)]
pub struct MemoryLog {
    shared: Arc<Shared>,
    /// Which groups it sees.
    island: u64,
    is_closed: Arc<AtomicBool>,
    /// Of a process that may die of an append.
    death: Option<Arc<Death>>,
    joined: Arc<Mutex<Vec<MemberId>>>,
}

struct Shared {
    identity: LogIdentity,
    partitions: i32,
    state: Mutex<State>,
    /// Told whenever a consumer may have something to be told. Its waiters wake in their
    /// order, where a watch's would in a random one.
    changed: Notify,
}

struct State {
    logs: BTreeMap<TopicPartition, Partition>,
    groups: Groups,
    queue: Queue,
    /// The most records that one poll delivers.
    fetch_records: usize,
    islands: u64,
    /// Why consumers end.
    recreated: Option<String>,
}

#[derive(Default)]
struct Partition {
    records: BTreeMap<Offset, Record>,
    end: Offset,
    damaged: BTreeMap<Offset, String>,
}

impl MemoryLog {
    /// An empty log of this identity, whose topics have so many partitions.
    #[must_use]
    pub fn new(identity: &str, partitions: i32) -> Self {
        let state = State {
            logs: BTreeMap::new(),
            groups: Groups::default(),
            queue: Queue::default(),
            fetch_records: 100,
            islands: 0,
            recreated: None,
        };
        let shared = Shared {
            identity: LogIdentity(identity.to_owned()),
            partitions,
            state: Mutex::new(state),
            changed: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
            island: 0,
            is_closed: Arc::default(),
            death: None,
            joined: Arc::default(),
        }
    }

    /// The same records and groups, as another process opens them.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self { is_closed: Arc::default(), death: None, joined: Arc::default(), ..self.clone() }
    }

    /// The same handle, of a process that may die of an append.
    #[must_use]
    pub fn mortal(self) -> Self {
        let death = Death { may_come: AtomicBool::new(true), has_come: AtomicBool::new(false) };
        Self { death: Some(Arc::new(death)), ..self }
    }

    /// Lets its process die of no append any more.
    pub fn spare(&self) {
        if let Some(death) = &self.death {
            death.may_come.store(false, Ordering::Relaxed);
        }
    }

    /// Whether its process has died of an append.
    #[must_use]
    pub fn has_died(&self) -> bool {
        self.death.as_ref().is_some_and(|death| death.has_come.load(Ordering::Relaxed))
    }

    /// The same records, with groups of its own: whoever consumes there shares with
    /// nobody here, as a zombie that goes on with what is another's by now.
    #[must_use]
    pub fn island(&self) -> Self {
        let island = self.shared.change(|state| {
            state.islands += 1;
            state.islands
        });
        Self { island, ..self.reopen() }
    }

    /// Appends one record at once and without faults, as a simulation's own hand.
    pub fn put(&self, new: NewRecord) -> Offset {
        self.shared.change(|state| state.store(new))
    }

    /// Leaves out offsets, as a foreign transaction's markers do.
    pub fn skip(&self, of: TopicPartition, offsets: i64) {
        self.shared.change(|state| state.log(of).end += offsets);
    }

    /// Makes what lies at a position unreadable.
    pub fn damage(&self, at: Position, detail: &str) {
        let of = at.topic_partition();
        self.shared.change(|state| state.log(of).damaged.insert(at.offset, detail.to_owned()));
    }

    /// Makes a partition readable again; consumers find it so when they start anew.
    pub fn mend(&self, of: TopicPartition) {
        self.shared.change(|state| state.log(of).damaged.clear());
    }

    /// Cuts the end off, from an offset on.
    pub fn truncate(&self, of: TopicPartition, end: Offset) {
        self.shared.change(|state| {
            let log = state.log(of);
            log.records.retain(|offset, _| *offset < end);
            log.end = end;
        });
    }

    /// Ends all consumers: the topic was recreated.
    pub fn recreate(&self, detail: &str) {
        self.shared.change(|state| state.recreated = Some(detail.to_owned()));
    }

    /// Sets the most records that one poll delivers; at first 100.
    pub fn set_fetch_records(&self, records: usize) {
        self.shared.change(|state| state.fetch_records = records.max(1));
    }

    /// The records of a partition that can be read, and those that are damaged.
    #[must_use]
    pub fn acknowledged(&self, of: TopicPartition) -> Vec<Record> {
        self.shared.lock().log(of).records.values().cloned().collect()
    }

    /// All partitions of a topic.
    #[must_use]
    pub fn all(&self, topic: Topic) -> Vec<TopicPartition> {
        (0..self.shared.partitions).map(|partition| TopicPartition { topic, partition }).collect()
    }
}

impl MemoryLog {
    fn check(&self, of: TopicPartition) -> Result<(), Error> {
        match (0..self.shared.partitions).contains(&of.partition) {
            true => Ok(()),
            false => Err(Error::Permanent(format!("there is no {of}"))),
        }
    }
}

impl Shared {
    /// Changes the state, and wakes the consumers.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.notify_waiters();
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn log(&mut self, of: TopicPartition) -> &mut Partition {
        self.logs.entry(of).or_default()
    }

    fn store(&mut self, new: NewRecord) -> Offset {
        let log = self.log(new.topic_partition);
        let offset = log.end;
        log.end += 1;
        let NewRecord { key, value, headers, time, .. } = new;
        log.records.insert(offset, Record { offset, key, value, headers, time });
        offset
    }
}

#[async_trait]
impl Log for MemoryLog {
    fn identity(&self) -> LogIdentity {
        self.shared.identity.clone()
    }

    fn partitions(&self, _: Topic) -> i32 {
        self.shared.partitions
    }

    async fn append(&self, records: Vec<NewRecord>) -> Vec<Result<Offset, AppendError>> {
        let is_closed = self.is_closed.load(Ordering::Relaxed);
        let taken: Vec<_> = self.shared.change(|state| {
            let take = |new: NewRecord| {
                let absent = self.check(new.topic_partition).err().map(|error| error.to_string());
                let refusal = is_closed.then(|| "it is closed".to_owned()).or(absent);
                state.take(new, refusal.map(AppendError::Unavailable), self.death.clone())
            };
            records.into_iter().map(take).collect()
        });
        let mut results = Vec::with_capacity(taken.len());
        for result in taken {
            let gone = || Err(AppendError::Unknown("the log is gone".to_owned()));
            results.push(result.await.unwrap_or_else(|_| gone()));
        }
        results
    }

    async fn consume(&self, group: &str, topic: Topic) -> Result<Box<dyn Consumer>, Error> {
        let group = (self.island, group.to_owned());
        let all = self.all(topic);
        let id = self.shared.change(|state| state.groups.join(group, all));
        self.joined.lock().unwrap_or_else(PoisonError::into_inner).push(id);
        Ok(Box::new(MemoryConsumer::new(Arc::clone(&self.shared), id)))
    }

    async fn bounds(&self, of: TopicPartition) -> Result<Range<Offset>, Error> {
        self.check(of)?;
        Ok(0..self.shared.lock().log(of).end)
    }

    async fn read(
        &self,
        of: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Record>, Error> {
        self.check(of)?;
        let mut state = self.shared.lock();
        let log = state.log(of);
        let mut page: Vec<Record> = Vec::new();
        let mut bytes = 0;
        for (offset, record) in log.records.range(from..) {
            match log.damaged.get(offset) {
                Some(detail) if page.is_empty() => return Err(Error::Permanent(detail.clone())),
                Some(_) => break,
                None => {}
            }
            bytes += record.weight();
            if bytes > max_bytes && !page.is_empty() {
                break;
            }
            page.push(record.clone());
        }
        Ok(page)
    }

    async fn ready(&self) -> Result<(), AppendError> {
        if self.is_closed.load(Ordering::Relaxed) {
            return Err(AppendError::Unavailable("it is closed".to_owned()));
        }
        self.shared.lock().queue.down().map_or(Ok(()), Err)
    }

    async fn close(&self) {
        self.is_closed.store(true, Ordering::Relaxed);
    }
}
