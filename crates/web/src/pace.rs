//! How long a connection may wait for what comes next. The socket sees bytes, the service sees requests; what each knows
//! meets here.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The state of one connection, shared by its socket and its service. hyper's own timer cannot tell the wait for a
/// request from the wait for the rest of its header, which have limits of their own.
pub(crate) struct Pace {
    phase: Mutex<Phase>,
    header_timeout: Duration,
    idle_timeout: Duration,
}

#[derive(Clone, Copy)]
enum Phase {
    /// No byte of the next request has come.
    Idle { until: Instant },
    /// Some of its header has.
    Header { since: Instant, until: Instant },
    /// It is being answered: whoever answers keeps the time.
    Busy,
    /// The server stops: nobody waits for the client any more.
    Stopping,
}

/// What was waited for in vain.
pub(crate) enum Overdue {
    /// A request.
    Request,
    /// The rest of a header.
    Header,
}

impl Pace {
    /// Of a connection that has just been accepted: its first request is on the way.
    pub(crate) fn new(header_timeout: Duration, idle_timeout: Duration) -> Self {
        let until = Instant::now() + header_timeout;
        Self { phase: Mutex::new(Phase::Idle { until }), header_timeout, idle_timeout }
    }

    pub(crate) fn idle_timeout(&self) -> Duration {
        self.idle_timeout
    }

    fn phase(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes came from the client.
    pub(crate) fn received(&self) {
        let mut phase = self.phase();
        if let Phase::Idle { .. } = *phase {
            let since = Instant::now();
            let until = since + self.header_timeout;
            *phase = Phase::Header { since, until };
        }
    }

    /// A request was read to the end of its header. Answers when its first byte came.
    pub(crate) fn begin(&self) -> Instant {
        let mut phase = self.phase();
        match std::mem::replace(&mut *phase, Phase::Busy) {
            Phase::Header { since, .. } => since,
            Phase::Idle { .. } | Phase::Busy => Instant::now(),
            Phase::Stopping => {
                *phase = Phase::Stopping;
                Instant::now()
            }
        }
    }

    /// The response was handed over whole: the next request may come.
    pub(crate) fn rest(&self) {
        let mut phase = self.phase();
        if let Phase::Busy = *phase {
            let until = Instant::now() + self.idle_timeout;
            *phase = Phase::Idle { until };
        }
    }

    /// A client that had stopped taking its response goes on: it is not idle.
    pub(crate) fn resumed(&self) {
        let mut phase = self.phase();
        if let Phase::Idle { until } = &mut *phase {
            *until = Instant::now() + self.idle_timeout;
        }
    }

    pub(crate) fn stop(&self) {
        *self.phase() = Phase::Stopping;
    }

    pub(crate) fn is_stopping(&self) -> bool {
        matches!(*self.phase(), Phase::Stopping)
    }

    /// Until when the client may keep the connection waiting, and what for.
    pub(crate) fn deadline(&self) -> Option<(Instant, Overdue)> {
        match *self.phase() {
            Phase::Idle { until } => Some((until, Overdue::Request)),
            Phase::Header { until, .. } => Some((until, Overdue::Header)),
            Phase::Busy | Phase::Stopping => None,
        }
    }
}
