//! What lands in a simulated store's tables, and how such a store may be broken.

use std::time::Duration;

use hubbub_events::Stamp;
use hubbub_tables::{Build, Change, Stored, Table};

use super::tables::{Exported, MemoryTable, exported};

/// Sees every head and row as it lands; it must not use the store.
pub type Witness = Box<dyn Fn(&Landing) + Send + Sync>;

/// A head or row that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Landing {
    /// The name of its table.
    pub table: &'static str,
    /// As in an [`Export`](super::Export).
    pub key: String,
    /// What was to be written.
    pub written: Exported,
    /// The position of what was there.
    pub before: Option<Stamp>,
    /// The position of what is there now.
    pub after: Option<Stamp>,
}

/// A way in which a store breaks its word, for the tests of what must notice it.
#[derive(Debug, Clone, Copy)]
pub enum Breakage {
    /// Writes to some tables are acknowledged this long before they are durable.
    AcknowledgesEarly(fn(&str) -> bool, Duration),
    /// Everything read seems to be from before the first record.
    HidesStamps,
    /// The last write wins, whatever its stamp.
    OlderWins,
}

/// What a store's tables stand on.
#[derive(Default)]
pub(super) struct Ground {
    pub breakage: Option<Breakage>,
    pub witness: Option<Witness>,
}

impl Ground {
    /// How much too early writes to a table are acknowledged.
    pub fn early(&self, table: &str) -> Option<Duration> {
        match self.breakage {
            Some(Breakage::AcknowledgesEarly(applies, by)) if applies(table) => Some(by),
            _ => None,
        }
    }

    /// What a reader is shown of a head or row.
    pub fn shown<R>(&self, found: Option<Stored<R>>) -> Option<Stored<R>> {
        match self.breakage {
            Some(Breakage::HidesStamps) => {
                found.map(|found| Stored { stamp: Stamp::default(), ..found })
            }
            _ => found,
        }
    }

    pub fn land<T: Table>(&self, table: &mut MemoryTable<T>, build: Build, change: Change<T>) {
        let wins = match self.breakage {
            Some(Breakage::OlderWins) => |_, _| true,
            _ => |old: Stamp, new: Stamp| old < new,
        };
        let Some(witness) = &self.witness else {
            return table.apply_where(change, wins);
        };
        let of = change.partition.clone();
        let name = format!("{}.b{build} {of:?}", T::NAME);
        let head = change.head.as_ref().map(|head| Landing {
            table: T::NAME,
            key: format!("{name} head"),
            written: exported(head),
            before: table.head(&of).map(|found| found.stamp),
            after: None,
        });
        let rows: Vec<_> = change
            .rows
            .iter()
            .map(|(key, row)| {
                let landing = Landing {
                    table: T::NAME,
                    key: format!("{name} {key:?}"),
                    written: exported(row),
                    before: table.row(&of, key).map(|found| found.stamp),
                    after: None,
                };
                (key.clone(), landing)
            })
            .collect();
        table.apply_where(change, wins);
        for (key, row) in rows {
            witness(&Landing { after: table.row(&of, &key).map(|found| found.stamp), ..row });
        }
        if let Some(head) = head {
            witness(&Landing { after: table.head(&of).map(|found| found.stamp), ..head });
        }
    }
}
