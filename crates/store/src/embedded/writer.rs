//! The one thread that writes: it gathers what is queued, commits it as one batch,
//! syncs once and then acknowledges all of it.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    iter, mem,
    ops::Range,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use fjall::{Database, Keyspace, PersistMode};
use hubbub_events::Stamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    Clock,
    expiry::{self, Expiry, Sweeper},
    layout, unusable,
};
use crate::Error;

/// How long the writer waits for work before it looks for expired records.
const IDLE: Duration = Duration::from_secs(1);
/// The same while a sweep is not yet through: short, and long enough to let applies in.
const SWEEPING: Duration = Duration::from_millis(5);
/// What a queued write weighs beside its bytes.
const OVERHEAD: usize = 96;

/// Where a build of a table lies.
#[derive(Clone)]
pub(super) struct Space {
    pub(super) records: Keyspace,
    /// In tables with a time to live.
    pub(super) expiry: Option<Expiry>,
}

/// One head or row to write.
pub(super) struct Write {
    pub(super) key: Vec<u8>,
    pub(super) stamp: Stamp,
    pub(super) value: Vec<u8>,
}

enum Job {
    Apply {
        to: Space,
        writes: Vec<Write>,
        done: oneshot::Sender<Result<(), Error>>,
        /// The queue's room is taken until the job is done.
        _room: OwnedSemaphorePermit,
    },
    /// Records of this table are to be swept away as they expire.
    Sweep(Space),
    Drop {
        what: Dropped,
        done: oneshot::Sender<Result<(), Error>>,
    },
}

/// What is dropped: whole tables, and parts of others.
pub(super) struct Dropped {
    pub(super) keyspaces: Vec<Keyspace>,
    pub(super) ranges: Vec<(Keyspace, Range<Vec<u8>>)>,
}

/// The way to the writer's thread. Dropping it ends the thread, once it has done all
/// that is queued.
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    room: Arc<Semaphore>,
    capacity: u32,
    thread: Option<thread::JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread. `queue_size` bounds what is queued, in bytes.
    pub(super) fn spawn(db: Database, clock: Clock, queue_size: u64) -> Result<Self, Error> {
        let capacity = u32::try_from(queue_size).unwrap_or(u32::MAX).max(1);
        let (jobs, queue) = mpsc::channel();
        let worker = Worker {
            db: db.clone(),
            sweeper: Sweeper::new(db, clock),
            dropped: HashSet::new(),
            failure: None,
        };
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || worker.run(&queue))
            .map_err(|error| Error::Permanent(format!("no thread for the writer: {error}")))?;
        Ok(Self {
            jobs: Some(jobs),
            room: Arc::new(Semaphore::new(capacity as usize)),
            capacity,
            thread: Some(thread),
        })
    }

    /// Writes, and waits until it is durable; first for room in the queue.
    pub(super) async fn apply(&self, to: Space, writes: Vec<Write>) -> Result<(), Error> {
        if let Some(write) = writes.iter().find(|write| write.key.len() > layout::MAX_KEY) {
            return Err(Error::Permanent(format!(
                "a key of {} bytes in table {} is too long: at most {} are allowed",
                write.key.len(),
                to.records.name(),
                layout::MAX_KEY,
            )));
        }
        let size: usize =
            writes.iter().map(|write| write.key.len() + write.value.len() + OVERHEAD).sum();
        // What is larger than the whole queue is let in when it is alone.
        let size = u32::try_from(size).unwrap_or(u32::MAX).min(self.capacity);
        let room = Arc::clone(&self.room).acquire_many_owned(size).await.map_err(|_| stopped())?;
        let (done, acknowledged) = oneshot::channel();
        self.send(Job::Apply { to, writes, done, _room: room })?;
        acknowledged.await.map_err(|_| stopped())?
    }

    /// Has expired records of a table swept away from now on.
    pub(super) fn sweep(&self, space: Space) -> Result<(), Error> {
        self.send(Job::Sweep(space))
    }

    /// Drops tables, and waits until that is durable. What is still written to them is refused.
    pub(super) async fn drop(&self, what: Dropped) -> Result<(), Error> {
        let (done, dropped) = oneshot::channel();
        self.send(Job::Drop { what, done })?;
        dropped.await.map_err(|_| stopped())?
    }

    fn send(&self, job: Job) -> Result<(), Error> {
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job).map_err(|_| stopped())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic was reported by its hook, and to every caller as an error.
            let _ = thread.join();
        }
    }
}

/// What callers are told when the thread is gone. Jobs that it leaves behind are
/// dropped with its queue, and so tell the same.
fn stopped() -> Error {
    Error::Permanent("the writer of the embedded store has stopped, see the log".to_owned())
}

fn no_more(space: &Space) -> Error {
    Error::Permanent(format!("the table {} was dropped", space.records.name()))
}

/// The thread's own.
struct Worker {
    db: Database,
    sweeper: Sweeper,
    /// Tables that are no more, by name: as long as there is a handle on one, it keeps its room.
    dropped: HashSet<String>,
    /// After a failed write nothing is known of what the disk holds: no more is
    /// written before a restart, which replays the journal.
    failure: Option<Error>,
}

impl Worker {
    fn run(mut self, queue: &mpsc::Receiver<Job>) {
        let mut wait = IDLE;
        loop {
            match queue.recv_timeout(wait) {
                Ok(first) => self.commit(iter::once(first).chain(queue.try_iter()).collect()),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            wait = self.sweep();
        }
    }

    /// Commits a group of jobs, and acknowledges all of them alike.
    fn commit(&mut self, mut group: Vec<Job>) {
        let result = match self.failure.clone() {
            Some(failure) => Err(failure),
            None => self.write(&mut group),
        };
        self.note_failure(&result);
        for job in group {
            // Whoever asked may be gone.
            let _ = match job {
                Job::Apply { to, done, .. } if self.dropped.contains(&**to.records.name()) => {
                    done.send(Err(no_more(&to)))
                }
                Job::Apply { done, .. } => done.send(result.clone()),
                Job::Sweep(_) => Ok(()),
                Job::Drop { what, done } => {
                    let dropped = result.clone().and_then(|()| self.drop(what));
                    self.note_failure(&dropped);
                    done.send(dropped)
                }
            };
        }
    }

    fn drop(&mut self, Dropped { keyspaces, ranges }: Dropped) -> Result<(), Error> {
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        for (space, range) in ranges {
            for found in space.range(range) {
                let key = found.key().map_err(|error| unusable(&error))?;
                batch.remove(&space, key);
            }
        }
        batch.commit().map_err(|error| unusable(&error))?;
        for keyspace in keyspaces {
            self.sweeper.forget(&keyspace);
            self.dropped.insert(keyspace.name().to_string());
            self.db.delete_keyspace(keyspace).map_err(|error| unusable(&error))?;
        }
        Ok(())
    }

    fn write(&mut self, group: &mut [Job]) -> Result<(), Error> {
        let mut newest = Newest::default();
        for job in group {
            match job {
                Job::Apply { to, .. } if self.dropped.contains(&**to.records.name()) => {}
                Job::Apply { to, writes, .. } => newest.gather(to, mem::take(writes))?,
                Job::Sweep(space) => self.sweeper.add(space.clone()),
                // After what was queued before it.
                Job::Drop { .. } => {}
            }
        }
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        for (space, records) in newest.0 {
            for (key, (_, value)) in records {
                if let Some(expiry) = &space.expiry
                    && let Some(written_at) = layout::written_at(&value)
                {
                    batch.insert(&expiry.index, expiry::entry(written_at, &key), []);
                }
                batch.insert(&space.records, key, value);
            }
        }
        batch.commit().map_err(|error| unusable(&error))
    }

    /// Sweeps a step, and tells how long to wait for the next.
    fn sweep(&mut self) -> Duration {
        if self.failure.is_some() {
            return IDLE;
        }
        match self.sweeper.step() {
            Ok(true) => SWEEPING,
            Ok(false) => IDLE,
            Err(error) => {
                self.note_failure(&Err(error));
                IDLE
            }
        }
    }

    fn note_failure(&mut self, result: &Result<(), Error>) {
        if let (Err(error), None) = (result, &self.failure) {
            tracing::error!(%error, "the embedded store takes no more writes until a restart");
            self.failure = Some(error.clone());
        }
    }
}

/// What a group of applies amounts to: by table and key, the write with the greatest
/// stamp, where that is above the stored one.
#[derive(Default)]
struct Newest(Vec<(Space, Records)>);

/// Stamps and values by key.
type Records = HashMap<Vec<u8>, (Stamp, Vec<u8>)>;

impl Newest {
    fn gather(&mut self, to: &Space, writes: Vec<Write>) -> Result<(), Error> {
        let records = self.of(to);
        for Write { key, stamp, value } in writes {
            match records.entry(key) {
                Entry::Occupied(mut newest) => {
                    if newest.get().0 < stamp {
                        newest.insert((stamp, value));
                    }
                }
                Entry::Vacant(vacant) => {
                    let stored = to.records.get(vacant.key()).map_err(|error| unusable(&error))?;
                    if stored.and_then(|value| layout::stamp(&value)).is_none_or(|old| old < stamp)
                    {
                        vacant.insert((stamp, value));
                    }
                }
            }
        }
        Ok(())
    }

    fn of(&mut self, space: &Space) -> &mut Records {
        let found = self.0.iter().position(|(known, _)| known.records == space.records);
        let i = found.unwrap_or_else(|| {
            self.0.push((space.clone(), Records::new()));
            self.0.len() - 1
        });
        &mut self.0[i].1
    }
}
