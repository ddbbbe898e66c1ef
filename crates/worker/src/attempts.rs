//! Records that end the process: an abort, a stack that overflows, more memory than there is. Nobody is left to say so,
//! hence it is noted beforehand which records are folded.
//!
//! A note is written before the first batch behind a frontier that was loaded, and says where it begins and ends. From
//! the first batch that is written on there are no notes: the frontier itself shows that the process lives. So a note
//! whose frontier has not moved tells of a death, and, where death came in the middle of a run, of a second one before it
//! that left none. Then the records of that batch are folded one by one, each with a note of its own, and a record
//! that is noted twice so halts its partition.
//!
//! What ends without a death (a halt, a partition that moves, a process that is told to end) withdraws its note.

use std::sync::Arc;

use hubbub_events::{LogIdentity, Offset, Stamp, TopicPartition};
use hubbub_projections::Projection;
use hubbub_store::{Error, Rows, Store};
use hubbub_tables::{Attempts as Table, Build, Change, Frontiers, Stored, bookkeeping::Attempt};
use tokio::{
    runtime::Handle,
    sync::{Mutex, OwnedMutexGuard},
};

use crate::{Halt, HaltReason, PartitionState, status::Board};

/// The notes of batches after which records are folded one by one, …
const IN_BATCHES: i32 = 1;
/// … and the notes of one record alone after which it is not folded again. Two, as a process may also be killed from
/// the outside, and by another partition's record.
const ALONE: i32 = 2;
const MOST: i32 = IN_BATCHES + ALONE;

/// Another version may have the mend, and gets a try of its own.
const PROGRAM: &str = env!("CARGO_PKG_VERSION");

/// Those of a process who fold one by one do so in turn, whatever their projection: so that a death is that of the one
/// record whose note is there. Clones are of the same.
#[derive(Debug, Clone, Default)]
pub struct Turn(Arc<Mutex<()>>);

/// The notes of one lane.
pub(crate) struct Attempts {
    place: Place,
    /// As long as nothing was written behind the frontier that was loaded.
    unproven: Option<Unproven>,
    noted: Option<Note>,
}

/// Where notes of a lane are kept.
#[derive(Clone)]
struct Place {
    table: Arc<dyn Rows<Table>>,
    projection: &'static str,
    build: Build,
    of: TopicPartition,
    identity: LogIdentity,
}

struct Unproven {
    /// That of the last note: each one's is greater, by two.
    stamp: Stamp,
    tries: i32,
    /// The last record of the batch that it began with.
    last: Offset,
}

/// A note that stands while its records are folded.
struct Note {
    place: Place,
    stamp: Stamp,
    attempt: Attempt,
    is_done: bool,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Attempts {
    /// Reads what is noted of the records behind a frontier.
    pub(crate) async fn load<P: Projection, S: Store>(
        of: TopicPartition,
        frontier: Offset,
        identity: &LogIdentity,
        store: &S,
        build: Build,
    ) -> Result<Self, Error> {
        let table = store.table::<Table>(Table::BUILD)?;
        let identity = identity.clone();
        let place = Place { table, projection: P::NAME, build, of, identity };
        let found = place.table.rows(&[(place.partition(), Frontiers::key(of))]).await?;
        let found = found.into_iter().next().flatten();
        let unproven = match found {
            Some(Stored { stamp, record }) => {
                Unproven { stamp, tries: place.tries(&record, frontier), last: record.last_offset }
            }
            None => Unproven { stamp: Stamp(0), tries: 0, last: frontier },
        };
        if unproven.tries >= IN_BATCHES {
            tracing::warn!(
                projection = P::NAME, topic = %of.topic, partition = of.partition,
                offset = frontier + 1, last = unproven.last, tries = unproven.tries,
                "the process died while it folded these records: they are folded one by one"
            );
        }
        Ok(Self { place, unproven: Some(unproven), noted: None })
    }

    /// Whether the next records need a note before anything is done with them.
    pub(crate) fn is_due(&self) -> bool {
        self.unproven.is_some() && self.noted.is_none()
    }

    /// The most records that may be folded at once.
    pub(crate) fn most(&self, batch_records: usize) -> usize {
        if self.is_alone() { 1 } else { batch_records }
    }

    /// Why the next record is not tried again, where it is not.
    pub(crate) fn halt(&self, at: Offset) -> Option<Halt> {
        let tries = self.unproven.as_ref().map(|unproven| unproven.tries);
        let _ = tries.filter(|tries| *tries >= MOST)?;
        let detail = format!("the process died {ALONE} times while it folded this record alone");
        Some(Halt { reason: HaltReason::Crash, at, detail })
    }

    /// Lets the next record be tried once more.
    pub(crate) fn resume(&mut self) {
        if let Some(unproven) = &mut self.unproven {
            unproven.tries = unproven.tries.min(MOST - 1);
        }
    }

    /// Waits for its turn, where records are folded one by one.
    pub(crate) async fn turn(&self, turn: &Turn, board: &Board) -> Option<OwnedMutexGuard<()>> {
        if !self.is_alone() {
            return None;
        }
        let turn = Arc::clone(&turn.0);
        if let Ok(turn) = Arc::clone(&turn).try_lock_owned() {
            return Some(turn);
        }
        let waits = "after a death of the process, records are folded one by one, and in turn";
        board.set_state(self.place.of, PartitionState::Retrying(waits.to_owned()));
        let turn = turn.lock_owned().await;
        board.set_state(self.place.of, PartitionState::Running);
        Some(turn)
    }

    /// Notes that the records behind a frontier are folded, up to this one.
    pub(crate) async fn note(&mut self, frontier: Offset, last: Offset) -> Result<(), Error> {
        let Some(unproven) = &self.unproven else {
            return Ok(());
        };
        let last_offset = if self.is_alone() { unproven.last } else { last };
        let note = Note {
            place: self.place.clone(),
            stamp: Stamp(unproven.stamp.0 + 2),
            attempt: Attempt {
                log_offset: frontier,
                log_identity: self.place.identity.0.clone(),
                last_offset,
                tries: unproven.tries + 1,
                program: PROGRAM.to_owned(),
            },
            is_done: false,
            _turn: None,
        };
        self.place.write(note.stamp, note.attempt.clone()).await?;
        self.noted = Some(note);
        Ok(())
    }

    /// Keeps the turn until the records that were noted are done with.
    pub(crate) fn hold(&mut self, turn: Option<OwnedMutexGuard<()>>) {
        if let Some(note) = &mut self.noted {
            note._turn = turn;
        }
    }

    /// The process lives, and has come to this frontier.
    pub(crate) fn end(&mut self, frontier: Offset) {
        let Some(mut note) = self.noted.take() else {
            return;
        };
        note.is_done = frontier > note.attempt.log_offset;
        let Some(unproven) = self.unproven.take() else {
            return;
        };
        let tries = match note.is_done {
            false => unproven.tries,
            true if unproven.tries >= IN_BATCHES && frontier < unproven.last => IN_BATCHES,
            true => return,
        };
        self.unproven = Some(Unproven { stamp: note.stamp, tries, ..unproven });
    }

    fn is_alone(&self) -> bool {
        self.unproven.as_ref().is_some_and(|unproven| unproven.tries >= IN_BATCHES)
    }
}

impl Place {
    fn partition(&self) -> (String, Build) {
        (self.projection.to_owned(), self.build)
    }

    /// How often the records behind a frontier were tried in vain.
    fn tries(&self, noted: &Attempt, frontier: Offset) -> i32 {
        let is_within = (noted.log_offset..noted.last_offset).contains(&frontier);
        if noted.log_identity != self.identity.0 || !is_within {
            return 0;
        }
        let most = match (noted.log_offset == frontier, noted.program == PROGRAM) {
            (true, true) => MOST,
            (true, false) => MOST - 1,
            (false, _) => IN_BATCHES,
        };
        noted.tries.min(most)
    }

    async fn write(&self, stamp: Stamp, record: Attempt) -> Result<(), Error> {
        let row = (Frontiers::key(self.of), Stored { stamp, record });
        let change = Change { partition: self.partition(), head: None, rows: vec![row] };
        self.table.apply(vec![change]).await
    }
}

/// Dropped by a process that lives: what became of the records is not their doing.
impl Drop for Note {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let (place, stamp) = (self.place.clone(), Stamp(self.stamp.0 + 1));
        let before = Attempt { tries: self.attempt.tries - 1, ..self.attempt.clone() };
        // A note that stays has a few records folded one by one, no more.
        runtime.spawn(async move { drop(place.write(stamp, before).await) });
    }
}
