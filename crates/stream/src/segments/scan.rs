//! Reads a segment from its beginning to its end: what it holds, and what is wrong.

use std::fmt;
use std::io;
use std::ops::Range;

use hubbub_events::Offset;

use super::disk::DiskFile;
use super::index::{Entries, Summary};
use super::segment::{Content, Window};
use super::topics::{Slot, Topics};
use super::unit::Unit;

/// A place of the log that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Damage {
    /// The segment's number.
    pub segment: u64,
    /// Where in it, in bytes.
    pub at: u64,
    /// What is wrong there.
    pub why: String,
    /// What is lost with it, as far as known.
    pub lost: Vec<(Slot, Range<Offset>)>,
}

impl Damage {
    /// It in words.
    pub fn describe(&self, topics: &Topics) -> String {
        format!(
            "segment {} is damaged at byte {}: {}; lost: {}",
            self.segment,
            self.at,
            self.why,
            Lost(&self.lost, topics)
        )
    }
}

/// Lost offsets in words.
pub(super) struct Lost<'a>(pub &'a [(Slot, Range<Offset>)], pub &'a Topics);

impl fmt::Display for Lost<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("not known");
        }
        for (index, (slot, offsets)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let (first, last) = (offsets.start, offsets.end - 1);
            write!(f, "{comma}{} offsets {first} to {last}", self.1.name(*slot))?;
        }
        Ok(())
    }
}

/// What a segment turned out to hold.
#[derive(Debug)]
pub(super) struct Scanned {
    /// Of what is whole; its length ends after the last whole unit.
    pub summary: Summary,
    /// Of the same.
    pub entries: Entries,
    /// Where the last whole unit begins, or the units do.
    pub last_at: u64,
    /// What is wrong before the end of the last whole unit.
    pub damage: Vec<Damage>,
    /// What follows the last whole unit and is none.
    pub torn: Option<Damage>,
}

/// Scans the units of a segment, from `start` to `length`. `begins` are the next
/// offsets before it, `sequence` that of the next unit.
pub(super) fn scan(
    file: &dyn DiskFile,
    number: u64,
    units: Range<u64>,
    topics: &Topics,
    begins: &[Offset],
    sequence: u64,
) -> io::Result<Scanned> {
    let mut scan = Scan {
        number,
        next_sequence: sequence,
        ends: begins.to_vec(),
        entries: Entries::default(),
        damage: Vec::new(),
    };
    let mut whole_to = units.start;
    let mut last_at = units.start;
    let mut doubtful = Vec::new();
    let mut at = units.start;
    while at < units.end {
        let window = Window::read(file, at, units.end, topics)?;
        match window.content {
            Content::Gap(why) => doubtful.push(Doubtful { at, why, unit: None }),
            Content::Units(units) => {
                for unit in units {
                    if !unit.whole {
                        doubtful.push(Doubtful {
                            at: unit.at,
                            why: "the checksum of its records differs".to_owned(),
                            unit: Some(unit),
                        });
                        continue;
                    }
                    last_at = unit.at;
                    whole_to = unit.at + unit.length;
                    scan.take_after(std::mem::take(&mut doubtful), &unit);
                }
            }
        }
        at = window.end;
    }
    Ok(Scanned {
        summary: Summary {
            number,
            length: whole_to,
            sequences: sequence..scan.next_sequence,
            begins: begins.to_vec(),
            ends: scan.ends,
        },
        entries: scan.entries,
        last_at,
        damage: scan.damage,
        torn: doubtful.into_iter().next().map(|first| Damage {
            segment: number,
            at: first.at,
            why: first.why,
            lost: Vec::new(),
        }),
    })
}

/// Bytes that are no whole unit: damage as soon as a whole one follows.
struct Doubtful {
    at: u64,
    why: String,
    unit: Option<Unit>,
}

struct Scan {
    number: u64,
    next_sequence: u64,
    ends: Vec<Offset>,
    entries: Entries,
    damage: Vec<Damage>,
}

impl Scan {
    /// Takes a whole unit, and with it the doubtful places before it as damage.
    fn take_after(&mut self, doubtful: Vec<Doubtful>, unit: &Unit) {
        let explained = !doubtful.is_empty();
        for place in doubtful {
            let lost = place.unit.map_or_else(Vec::new, |unit| self.take(&unit));
            self.report(place.at, place.why, lost);
        }
        let expected = self.next_sequence;
        if unit.sequence < expected {
            let why = format!("it is unit {} again", unit.sequence);
            return self.report(unit.at, why, Vec::new());
        }
        let lost = self.take(unit);
        if unit.sequence > expected && !explained {
            let why = format!("units {expected} to {} are missing", unit.sequence - 1);
            self.report(unit.at, why, lost);
        } else if !lost.is_empty() {
            self.report(unit.at, "offsets are missing before it".to_owned(), lost);
        }
    }

    /// Counts the offsets of a unit; answers those that are lost in it or before it.
    fn take(&mut self, unit: &Unit) -> Vec<(Slot, Range<Offset>)> {
        let mut lost = Vec::new();
        self.next_sequence = unit.sequence.saturating_add(1);
        for share in &unit.shares {
            let expected = self.ends[share.slot];
            let lost_to = if share.records.is_some() { share.first } else { share.end() };
            if lost_to > expected {
                lost.push((share.slot, expected..lost_to));
            }
            self.ends[share.slot] = share.end().max(expected);
            self.entries.note(share.slot, share.first, unit.at);
        }
        lost
    }

    fn report(&mut self, at: u64, why: String, lost: Vec<(Slot, Range<Offset>)>) {
        self.damage.push(Damage { segment: self.number, at, why, lost });
    }
}
