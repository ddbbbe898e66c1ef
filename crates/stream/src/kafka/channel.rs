//! Between the thread that polls Kafka and the task that owns the consumer: commands
//! one way, events the other, these bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use hubbub_events::Offset;
use tokio::sync::Notify;

use crate::sync::lock;
use crate::{Error, Record};

/// How much may wait for the owner, in bytes, before nothing more is polled.
const ROOM: usize = 1024 * 1024;

/// What the owner wants done; partitions are meant by their numbers.
#[derive(Debug)]
pub(super) enum Command {
    /// Deliver from here on. What belongs to an earlier start is old from now on.
    Start { partition: i32, from: Offset, start: u64 },
    /// Fetch nothing of it.
    Pause(i32),
    /// Fetch it again.
    Resume(i32),
    /// Tell lag tools.
    Commit { partition: i32, next: Offset },
    /// Let go of what was revoked.
    Release(Vec<i32>),
}

/// What the owner is told.
#[derive(Debug)]
pub(super) enum Event {
    Assigned(Vec<i32>),
    Revoked(Vec<i32>),
    /// Something of one partition, after its so-manieth start.
    Delivery {
        partition: i32,
        start: u64,
        delivery: Delivery,
    },
    /// Nothing more comes.
    Ended(Error),
}

/// What a partition delivers.
#[derive(Debug)]
pub(super) enum Delivery {
    Records(Vec<Record>),
    Unreadable(Offset, String),
}

impl Event {
    fn weight(&self) -> usize {
        match self {
            Self::Delivery { delivery: Delivery::Records(records), .. } => {
                records.iter().map(Record::weight).sum()
            }
            _ => 0,
        }
    }
}

/// The two queues.
#[derive(Default)]
pub(super) struct Channel {
    state: Mutex<State>,
    /// For the thread: there is a command, room, or something to poll.
    woken: Condvar,
    /// For the owner: there is an event.
    arrived: Notify,
}

#[derive(Default)]
struct State {
    commands: Vec<Command>,
    events: VecDeque<(usize, Event)>,
    used: usize,
    is_woken: bool,
    is_closed: bool,
}

impl Channel {
    /// The owner's: has something done.
    pub fn send(&self, command: Command) {
        lock(&self.state).commands.push(command);
        self.wake();
    }

    /// The owner's: the next event, if there is one.
    pub fn take(&self) -> Option<Event> {
        let mut state = lock(&self.state);
        let was_full = state.used >= ROOM;
        let (weight, event) = state.events.pop_front()?;
        state.used -= weight;
        let has_room = was_full && state.used < ROOM;
        drop(state);
        if has_room {
            self.wake();
        }
        Some(event)
    }

    /// The owner's: whether there is no event.
    pub fn is_empty(&self) -> bool {
        lock(&self.state).events.is_empty()
    }

    /// The owner's: waits until there may be an event.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// The owner's: ends the thread.
    pub fn close(&self) {
        lock(&self.state).is_closed = true;
        self.wake();
    }

    /// Wakes the thread.
    pub fn wake(&self) {
        lock(&self.state).is_woken = true;
        self.woken.notify_one();
    }

    /// The thread's: tells the owner.
    pub fn tell(&self, event: Event) {
        let weight = event.weight();
        let mut state = lock(&self.state);
        state.used += weight;
        state.events.push_back((weight, event));
        drop(state);
        self.arrived.notify_one();
    }

    /// The thread's: what is to be done; none when the owner is gone, and all of it was taken.
    pub fn commands(&self) -> Option<Vec<Command>> {
        let mut state = lock(&self.state);
        let is_over = state.is_closed && state.commands.is_empty();
        (!is_over).then(|| std::mem::take(&mut state.commands))
    }

    /// The thread's: whether more may be told.
    pub fn has_room(&self) -> bool {
        lock(&self.state).used < ROOM
    }

    /// The thread's: waits until it is woken, or for so long.
    pub fn wait(&self, timeout: Duration) {
        let state = lock(&self.state);
        let waited = self.woken.wait_timeout_while(state, timeout, |state| !state.is_woken);
        let (mut state, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        state.is_woken = false;
    }
}
