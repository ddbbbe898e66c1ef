//! What waits to be written: bounded in bytes, refused at once where there is no room.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};

use hubbub_events::Offset;
use tokio::sync::{oneshot, watch};

use super::record;
use super::topics::{Slot, Topics};
use crate::sync::lock;
use crate::{AppendError, NewRecord};

/// Up to what size the records of one call wait together: what is written at once is
/// made of whole pieces.
const PIECE: usize = 1024 * 1024;
/// What a waiting record weighs beside its bytes.
const OVERHEAD: usize = 32;

/// What becomes of a piece: the offsets of its records, or one fate for all.
pub(super) type Fate = Result<Vec<Offset>, AppendError>;

/// Consecutive records of one call, encoded.
#[derive(Debug)]
pub(super) struct Piece {
    /// Per record, its partition and its length in `bytes`.
    pub records: Vec<(Slot, usize)>,
    /// The records, one after the other.
    pub bytes: Vec<u8>,
    reply: oneshot::Sender<Fate>,
}

impl Piece {
    /// What it takes of the queue's room, in bytes.
    pub fn weight(&self) -> usize {
        self.bytes.len() + self.records.len() * OVERHEAD
    }

    /// Tells its caller, if there is still one.
    pub fn answer(self, fate: Fate) {
        // A caller that went away takes nothing back and needs no answer.
        let _ = self.reply.send(fate);
    }
}

/// The queue between those who append and the committer.
pub(super) struct Queue {
    limit: usize,
    state: Mutex<State>,
    changed: Condvar,
    finished: watch::Sender<bool>,
}

struct State {
    pieces: VecDeque<Piece>,
    /// The weight of what waits and of what is being written.
    used: usize,
    /// Why nothing more is taken.
    stopped: Option<AppendError>,
}

impl Queue {
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::new(State { pieces: VecDeque::new(), used: 0, stopped: None }),
            changed: Condvar::new(),
            finished: watch::Sender::new(false),
        }
    }

    /// Enqueues records in their order, all up to the first that does not fit.
    pub fn enqueue(&self, records: &[NewRecord], topics: &Topics) -> Enqueued {
        // Refused before they are encoded: an overload must not cost much.
        if let Some(refusal) = self.refusal() {
            return Enqueued::refused(refusal);
        }
        let (pieces, mut enqueued) = self.encode(records, topics);
        let mut state = lock(&self.state);
        if let Some(stopped) = &state.stopped {
            return Enqueued::refused(stopped.clone());
        }
        let mut fitting = 0;
        for mut piece in pieces {
            let cut = cut_to(&mut piece, self.limit - state.used);
            if !piece.records.is_empty() {
                enqueued.replies[fitting].0 = piece.records.len();
                fitting += 1;
                state.used += piece.weight();
                state.pieces.push_back(piece);
            }
            if cut {
                break;
            }
        }
        drop(state);
        enqueued.replies.truncate(fitting);
        self.changed.notify_one();
        enqueued
    }

    fn encode(&self, records: &[NewRecord], topics: &Topics) -> (Vec<Piece>, Enqueued) {
        let mut enqueued = Enqueued::refused(AppendError::Full);
        let mut pieces: Vec<Piece> = Vec::new();
        for (index, new) in records.iter().enumerate() {
            let (slot, length) = match self.check(new, topics) {
                Ok(checked) => checked,
                Err(refusal) => {
                    enqueued.refused.push((index, refusal));
                    continue;
                }
            };
            let piece = match pieces.last_mut() {
                Some(last) if last.bytes.len() + length <= PIECE => last,
                _ => {
                    let (reply, replied) = oneshot::channel();
                    enqueued.replies.push((0, replied));
                    pieces.push_mut(Piece { records: Vec::new(), bytes: Vec::new(), reply })
                }
            };
            piece.records.push((slot, length));
            record::encode(new, length, &mut piece.bytes);
        }
        (pieces, enqueued)
    }

    /// Why nothing is taken now.
    fn refusal(&self) -> Option<AppendError> {
        let state = lock(&self.state);
        let full = state.used >= self.limit;
        state.stopped.clone().or(full.then_some(AppendError::Full))
    }

    fn check(&self, new: &NewRecord, topics: &Topics) -> Result<(Slot, usize), AppendError> {
        let of = new.topic_partition;
        let slot = topics.slot(of).ok_or_else(|| {
            AppendError::Unavailable(format!(
                "there is no {of}: the topic has {} partitions",
                topics.partitions(of.topic)
            ))
        })?;
        let length = record::encoded_len(new);
        if length + OVERHEAD > self.limit {
            return Err(AppendError::Storage(format!(
                "a record of {length} bytes never fits the queue of {} bytes",
                self.limit
            )));
        }
        Ok((slot, length))
    }

    /// Waits for pieces and takes up to about `bytes` of them, at least one; none when
    /// the queue has stopped and is empty.
    pub fn take(&self, bytes: usize) -> Option<Vec<Piece>> {
        let mut state = lock(&self.state);
        while state.pieces.is_empty() {
            if state.stopped.is_some() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut room = bytes;
        let mut taken = Vec::new();
        while let Some(piece) =
            state.pieces.pop_front_if(|piece| taken.is_empty() || piece.bytes.len() <= room)
        {
            room = room.saturating_sub(piece.bytes.len());
            taken.push(piece);
        }
        Some(taken)
    }

    /// Gives back the room of pieces that were taken.
    pub fn release(&self, weight: usize) {
        lock(&self.state).used -= weight;
    }

    /// Takes nothing more; what waits is still written. The first reason stays.
    pub fn close(&self, why: AppendError) {
        lock(&self.state).stopped.get_or_insert(why);
        self.changed.notify_all();
    }

    /// Takes nothing more, and fails what waits.
    pub fn fail(&self, why: &AppendError) {
        let waiting = {
            let mut state = lock(&self.state);
            state.stopped = Some(why.clone());
            std::mem::take(&mut state.pieces)
        };
        for piece in waiting {
            piece.answer(Err(why.clone()));
        }
    }

    /// Why the queue has stopped.
    pub fn stopped(&self) -> Option<AppendError> {
        lock(&self.state).stopped.clone()
    }

    /// Says that nothing will be written any more.
    pub fn finish(&self) {
        self.finished.send_replace(true);
    }

    /// Waits until nothing will be written any more.
    pub async fn finished(&self) {
        // The sender is our own: it cannot be gone.
        let _ = self.finished.subscribe().wait_for(|finished| *finished).await;
    }
}

/// Cuts a piece to the records that fit the room; says whether any did not.
fn cut_to(piece: &mut Piece, mut room: usize) -> bool {
    if piece.weight() <= room {
        return false;
    }
    let (mut count, mut bytes) = (0, 0);
    for (_, length) in &piece.records {
        let weight = length + OVERHEAD;
        if weight > room {
            break;
        }
        room -= weight;
        count += 1;
        bytes += length;
    }
    piece.records.truncate(count);
    piece.bytes.truncate(bytes);
    true
}

/// What has become of the records of one call so far.
pub(super) struct Enqueued {
    /// Per piece, how many records it has, and where its fate will be told.
    replies: Vec<(usize, oneshot::Receiver<Fate>)>,
    /// Records refused by themselves, by their index.
    refused: Vec<(usize, AppendError)>,
    /// Why the records at the end that are in none of these were refused.
    rest: AppendError,
}

impl Enqueued {
    /// All records of a call refused.
    fn refused(why: AppendError) -> Self {
        Self { replies: Vec::new(), refused: Vec::new(), rest: why }
    }

    /// Waits for the fate of each of the call's `count` records.
    pub async fn results(self, count: usize) -> Vec<Result<Offset, AppendError>> {
        let mut answered = Vec::with_capacity(count);
        for (records, reply) in self.replies {
            match reply.await {
                Ok(Ok(offsets)) => answered.extend(offsets.into_iter().map(Ok)),
                Ok(Err(error)) => answered.extend(std::iter::repeat_n(Err(error), records)),
                // The committer ended between taking the records and telling of them.
                Err(_) => {
                    let error = AppendError::Unknown("the log's writer failed".to_owned());
                    answered.extend(std::iter::repeat_n(Err(error), records));
                }
            }
        }
        for (index, refusal) in self.refused {
            if index <= answered.len() {
                answered.insert(index, Err(refusal));
            }
        }
        answered.resize(count, Err(self.rest));
        answered
    }
}
