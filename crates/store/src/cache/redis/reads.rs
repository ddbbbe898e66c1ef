//! Reads that begin at the same moment, sent together: a system call and a timer for each
//! would cost more than the rest of a hit.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ::redis::{Pipeline, Value};
use tokio::sync::oneshot;

/// What is asked for and not yet sent.
#[derive(Default)]
pub(super) struct Reads(Mutex<Gathered>);

/// Commands, and who asked for how many of them, in their order.
#[derive(Default)]
pub(super) struct Gathered {
    commands: Pipeline,
    askers: Vec<(usize, oneshot::Sender<Answer>)>,
}

/// How the commands of one asker were answered.
pub(super) enum Answer {
    Values(Vec<Value>),
    /// Redis did not answer.
    Error,
    /// It was not asked, as it is known to be away.
    Skipped,
}

impl Reads {
    /// Asks for keys. Also tells whether they are the first of those that are gathered: then
    /// the caller has to see to it that these are sent.
    pub(super) fn ask<const N: usize>(&self, keys: [&str; N]) -> (oneshot::Receiver<Answer>, bool) {
        let (asker, answer) = oneshot::channel();
        let mut gathered = self.gathered();
        for key in keys {
            gathered.commands.cmd("GET").arg(key);
        }
        gathered.askers.push((N, asker));
        (answer, gathered.askers.len() == 1)
    }

    /// What was asked for until now.
    pub(super) fn take(&self) -> Gathered {
        std::mem::take(&mut self.gathered())
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gathered {
    pub(super) const fn commands(&self) -> &Pipeline {
        &self.commands
    }

    /// Tells everyone that Redis was not asked.
    pub(super) fn skip(self) {
        self.tell(|_| Answer::Skipped);
    }

    /// Tells everyone what Redis has answered; `None`: nothing.
    pub(super) fn answer(self, values: Option<Vec<Value>>) {
        let mut values = values.map(Vec::into_iter);
        self.tell(|wanted| match &mut values {
            Some(values) => Answer::Values(values.take(wanted).collect()),
            None => Answer::Error,
        });
    }

    fn tell(self, mut answer: impl FnMut(usize) -> Answer) {
        for (wanted, asker) in self.askers {
            // Whoever asked may be gone.
            let _ = asker.send(answer(wanted));
        }
    }
}
