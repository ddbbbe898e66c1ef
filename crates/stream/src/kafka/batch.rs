//! What becomes of the records of one append: shared by all of them, told once.

use std::sync::{Arc, Mutex};

use hubbub_events::Offset;
use tokio::sync::oneshot;

use crate::AppendError;
use crate::sync::lock;

/// The fate of a record.
pub(super) type Fate = Result<Offset, AppendError>;

/// The fates of a call's records, while some are not yet known.
pub(super) struct Batch(Mutex<State>);

struct State {
    fates: Vec<Fate>,
    unsettled: usize,
    told: Option<oneshot::Sender<Vec<Fate>>>,
}

impl Batch {
    /// The fates of so many records, and where they are told when all are known.
    pub fn new(records: usize) -> (Arc<Self>, oneshot::Receiver<Vec<Fate>>) {
        let (told, receiver) = oneshot::channel();
        let mut state = State {
            fates: vec![Err(AppendError::Unknown(String::new())); records],
            unsettled: records,
            told: Some(told),
        };
        state.tell();
        (Arc::new(Self(Mutex::new(state))), receiver)
    }

    fn settle(&self, index: usize, fate: Fate) {
        let mut state = lock(&self.0);
        state.fates[index] = fate;
        state.unsettled -= 1;
        state.tell();
    }
}

impl State {
    fn tell(&mut self) {
        if self.unsettled > 0 {
            return;
        }
        if let Some(told) = self.told.take() {
            // Whoever went away takes nothing back and needs no answer.
            let _ = told.send(std::mem::take(&mut self.fates));
        }
    }
}

/// One record's place in its batch: goes with the record through the client.
pub(super) struct Ticket {
    batch: Option<Arc<Batch>>,
    index: usize,
}

impl Ticket {
    pub fn new(batch: &Arc<Batch>, index: usize) -> Self {
        Self { batch: Some(Arc::clone(batch)), index }
    }

    pub fn settle(mut self, fate: Fate) {
        if let Some(batch) = self.batch.take() {
            batch.settle(self.index, fate);
        }
    }
}

/// Whatever happens to a record, whoever appended it is told something.
impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(batch) = self.batch.take() {
            let why = "the producer ended before it told".to_owned();
            batch.settle(self.index, Err(AppendError::Unknown(why)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fates_are_told_in_the_order_of_records_when_the_last_is_known() {
        let (batch, mut told) = Batch::new(3);
        let mut tickets: Vec<_> = (0..3).map(|index| Ticket::new(&batch, index)).collect();
        tickets.remove(1).settle(Ok(7));
        tickets.remove(1).settle(Err(AppendError::Full));
        assert!(told.try_recv().is_err());
        drop(tickets);
        let fates = told.await.unwrap();
        assert!(matches!(fates[0], Err(AppendError::Unknown(_))));
        assert_eq!(fates[1..], [Ok(7), Err(AppendError::Full)]);
    }

    #[tokio::test]
    async fn no_records_have_no_fates() {
        let (_batch, told) = Batch::new(0);
        assert_eq!(told.await, Ok(Vec::new()));
    }
}
