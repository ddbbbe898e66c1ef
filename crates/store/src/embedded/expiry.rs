//! Sweeps expired records away, a few at a time.
//!
//! Reads hide them already; the sweep gives their room back. An index in the order of
//! the times of writing makes a step cost what it removes, however large the table.

use std::{ops::Bound, time::Duration};

use fjall::{Database, Keyspace, OwnedWriteBatch};

use super::{
    Clock,
    layout::{self, WrittenAt},
    unusable,
    writer::Space,
};
use crate::Error;

/// Records looked at in one step: about a millisecond, in which no apply is written.
const STEP: usize = 512;

/// How the records of a table expire.
#[derive(Clone)]
pub(super) struct Expiry {
    pub(super) time_to_live: Duration,
    /// An [`entry`] for each write, without values.
    pub(super) index: Keyspace,
}

/// The entry of a record in the index: its time of writing, and its key.
pub(super) fn entry(written_at: WrittenAt, key: &[u8]) -> Vec<u8> {
    [&written_at.to_bytes(), key].concat()
}

/// Owned by the writer, so that no record is written anew while it is swept away.
pub(super) struct Sweeper {
    db: Database,
    clock: Clock,
    tables: Vec<Swept>,
}

struct Swept {
    space: Space,
    /// The last entry that was removed: what fjall keeps of removed ones until its next
    /// compaction is not walked over at every step.
    behind: Vec<u8>,
}

impl Sweeper {
    pub(super) fn new(db: Database, clock: Clock) -> Self {
        Self { db, clock, tables: Vec::new() }
    }

    pub(super) fn add(&mut self, space: Space) {
        self.tables.push(Swept { space, behind: Vec::new() });
    }

    /// A table is swept no more.
    pub(super) fn forget(&mut self, records: &Keyspace) {
        self.tables.retain(|swept| swept.space.records != *records);
    }

    /// Removes some expired records of every table; whether there may be more.
    pub(super) fn step(&mut self) -> Result<bool, Error> {
        if self.tables.is_empty() {
            return Ok(false);
        }
        let now = WrittenAt::from_clock((self.clock)());
        let mut more = false;
        // Not synced: what a crash brings back is swept away again.
        let mut batch = self.db.batch();
        for table in &mut self.tables {
            more |= table.step(now, &mut batch)? == STEP;
        }
        batch.commit().map_err(|error| unusable(&error))?;
        Ok(more)
    }
}

impl Swept {
    /// Returns how many entries of the index were removed.
    fn step(&mut self, now: WrittenAt, batch: &mut OwnedWriteBatch) -> Result<usize, Error> {
        let Some(expiry) = &self.space.expiry else {
            return Ok(0);
        };
        let rest = (Bound::Excluded(self.behind.clone()), Bound::Unbounded);
        let mut removed = 0;
        for found in expiry.index.range(rest).take(STEP) {
            let entry = found.key().map_err(|error| unusable(&error))?;
            let Some((written_at, key)) = entry.split_first_chunk() else {
                return Err(Error::Permanent(
                    "the index of expiring records is damaged".to_owned(),
                ));
            };
            let written_at = WrittenAt::from_bytes(*written_at);
            if !written_at.is_expired(expiry.time_to_live, now) {
                break;
            }
            let record = self.space.records.get(key).map_err(|error| unusable(&error))?;
            // A record written again since has an entry of its own for that.
            if record.and_then(|value| layout::written_at(&value)) == Some(written_at) {
                batch.remove(&self.space.records, key);
            }
            batch.remove(&expiry.index, entry.clone());
            self.behind = entry.to_vec();
            removed += 1;
        }
        Ok(removed)
    }
}
