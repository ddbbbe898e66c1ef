//! What becomes of appends to a simulated log.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use hubbub_events::Offset;
use hubbub_stream::{AppendError, NewRecord, Record};
use tokio::sync::oneshot;

use super::{MemoryLog, State};

/// What goes wrong with one record that is appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is not stored, and its writer is told this.
    Refused(AppendError),
    /// It is stored, and its writer cannot know.
    StoredUnknown,
    /// Its writer dies, before it is stored or after. Writers that do not die are spared.
    Dies {
        /// Whether it is stored.
        stored: bool,
    },
    /// It is acknowledged and not stored: no log that keeps its word does this.
    Lost,
}

/// That of a process.
#[derive(Debug)]
pub(super) struct Death {
    pub may_come: AtomicBool,
    pub has_come: AtomicBool,
}

type Reply = oneshot::Receiver<Result<Offset, AppendError>>;

/// The way of records into the log.
#[derive(Default)]
pub(super) struct Queue {
    faults: VecDeque<Option<Fault>>,
    down: Option<AppendError>,
    is_held: bool,
    /// In bytes; `None` is without limit.
    capacity: Option<usize>,
    used: usize,
    waiting: VecDeque<Waiting>,
    /// To the dead: nothing is sent, ever.
    unanswered: Vec<oneshot::Sender<Result<Offset, AppendError>>>,
}

struct Waiting {
    new: NewRecord,
    weight: usize,
    fault: Option<Fault>,
    death: Option<Arc<Death>>,
    reply: oneshot::Sender<Result<Offset, AppendError>>,
}

impl Queue {
    pub fn down(&self) -> Option<AppendError> {
        self.down.clone()
    }
}

impl State {
    /// Enqueues a record, or refuses it. A mortal writer's death is noted.
    pub fn take(
        &mut self,
        new: NewRecord,
        refusal: Option<AppendError>,
        death: Option<Arc<Death>>,
    ) -> Reply {
        let (reply, replied) = oneshot::channel();
        let weight = weight(&new);
        let is_full = self.queue.capacity.is_some_and(|most| self.queue.used + weight > most);
        let refusal =
            refusal.or_else(|| self.queue.down()).or_else(|| is_full.then_some(AppendError::Full));
        if let Some(error) = refusal {
            // Whoever appends may have gone.
            let _ = reply.send(Err(error));
            return replied;
        }
        let fault = self.queue.faults.pop_front().flatten();
        let death = death.filter(|death| death.may_come.load(Ordering::Relaxed));
        self.queue.used += weight;
        self.queue.waiting.push_back(Waiting { new, weight, fault, death, reply });
        if !self.queue.is_held {
            self.acknowledge();
        }
        replied
    }

    fn acknowledge(&mut self) {
        while let Some(waiting) = self.queue.waiting.pop_front() {
            let Waiting { new, weight, fault, death, reply } = waiting;
            self.queue.used -= weight;
            let result = match (fault, death) {
                (Some(Fault::Dies { stored }), Some(death)) => {
                    if stored {
                        self.store(new);
                    }
                    death.has_come.store(true, Ordering::Relaxed);
                    self.queue.unanswered.push(reply);
                    continue;
                }
                (None | Some(Fault::Dies { .. }), _) => Ok(self.store(new)),
                (Some(Fault::Lost), _) => Ok(self.log(new.topic_partition).end),
                (Some(Fault::Refused(error)), _) => Err(error),
                (Some(Fault::StoredUnknown), _) => {
                    self.store(new);
                    Err(AppendError::Unknown("a simulated time-out".to_owned()))
                }
            };
            // Whoever appended may have gone.
            let _ = reply.send(result);
        }
    }
}

fn weight(new: &NewRecord) -> usize {
    let NewRecord { key, value, headers, time, .. } = new.clone();
    Record { offset: 0, key, value, headers, time }.weight()
}

/// Commands to those who append.
impl MemoryLog {
    /// What becomes of the next records that are appended, one each.
    pub fn inject(&self, faults: impl IntoIterator<Item = Option<Fault>>) {
        self.shared.change(|state| state.queue.faults.extend(faults));
    }

    /// Refuses all appends with this, or takes them again.
    pub fn set_down(&self, error: Option<AppendError>) {
        self.shared.change(|state| state.queue.down = error);
    }

    /// What the queue has room for, in bytes; at first anything.
    pub fn set_capacity(&self, bytes: usize) {
        self.shared.change(|state| state.queue.capacity = Some(bytes));
    }

    /// Acknowledges nothing until [`MemoryLog::release`].
    pub fn hold(&self) {
        self.shared.change(|state| state.queue.is_held = true);
    }

    /// Stores and acknowledges what waits, and what comes.
    pub fn release(&self) {
        self.shared.change(|state| {
            state.queue.is_held = false;
            state.acknowledge();
        });
    }
}
