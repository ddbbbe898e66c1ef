//! Reads acknowledged records, from memory where they are recent, else from the files.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hubbub_events::Offset;
use tokio::sync::watch;

use super::catalog::{Catalog, Place};
use super::recent::Recent;
use super::record;
use super::segment::{Content, Window};
use super::tail::Tail;
use super::topics::{Slot, Topics};
use super::unit::Share;
use crate::{DataFolder, Record};

/// How much of the files is kept in memory for partitions read side by side, in bytes.
const WINDOWS: usize = 16 * 1024 * 1024;

/// Why records cannot be read, in words.
pub(super) type Unreadable = String;

/// What all readers of a log share.
pub(super) struct Reader {
    catalog: Catalog,
    tail: Tail,
    windows: Recent<(u64, Window)>,
    /// Per slot, the offset after the last acknowledged record.
    ends: Vec<AtomicI64>,
    /// Per slot, the offset after the last that the log has lost its end with; or 0.
    lost_to: Vec<Offset>,
    appended: watch::Sender<()>,
    /// Holds the folder's lock for as long as anyone reads.
    _data: DataFolder,
}

impl Reader {
    pub fn new(
        catalog: Catalog,
        ends: Vec<Offset>,
        lost_to: Vec<Offset>,
        data: DataFolder,
    ) -> Self {
        Self {
            tail: Tail::new(ends.len()),
            windows: Recent::new(WINDOWS),
            ends: ends.into_iter().map(AtomicI64::new).collect(),
            lost_to,
            appended: watch::Sender::new(()),
            catalog,
            _data: data,
        }
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub fn topics(&self) -> &Topics {
        self.catalog.topics()
    }

    /// Tells of every commit.
    pub fn appended(&self) -> watch::Receiver<()> {
        self.appended.subscribe()
    }

    /// The offset after the last acknowledged record.
    pub fn end(&self, slot: Slot) -> Offset {
        self.ends[slot].load(Ordering::Acquire)
    }

    /// Whether there is something to say of an offset: a record, or that it is lost.
    pub fn has(&self, slot: Slot, offset: Offset) -> bool {
        offset < self.end(slot).max(self.lost_to[slot])
    }

    /// Shows a unit that is written and synced. `length` is the segment's with it.
    pub fn committed(&self, sequence: u64, length: u64, shares: Vec<Share>) {
        self.catalog.written(&shares, sequence, length);
        let ends: Vec<_> = shares.iter().map(|share| (share.slot, share.end())).collect();
        self.tail.push(shares);
        for (slot, end) in ends {
            self.ends[slot].store(end, Ordering::Release);
        }
        self.appended.send_replace(());
    }

    /// Records from memory; none where they have to be read from a file.
    pub fn recent(
        &self,
        slot: Slot,
        from: Offset,
        max_bytes: usize,
    ) -> Option<Result<Vec<Record>, Unreadable>> {
        // Nothing past it is delivered, even where it is written: whoever got a record
        // may ask for the bounds next.
        let end = self.end(slot);
        if from >= end {
            return None;
        }
        let shares = self.tail.shares(slot, from, max_bytes)?;
        Some(decode(shares.iter(), from..end, max_bytes))
    }

    /// Records from the files: at least one, or why not. It blocks.
    pub fn read(
        &self,
        slot: Slot,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Record>, Unreadable> {
        let end = self.end(slot);
        let failed = |error| format!("reading the event log failed: {error}");
        let Some(mut place) = self.catalog.locate(slot, from).map_err(failed)? else {
            return Err(self.missing(slot, from));
        };
        while place.at < place.limit {
            let window = self.window(place).map_err(failed)?;
            let window = &window.1;
            let mut shares =
                window.shares().filter(|share| share.slot == slot && share.end() > from).peekable();
            if shares.peek().is_some() {
                return decode(shares, from..end, max_bytes);
            }
            place.at = window.end;
        }
        Err(self.missing(slot, from))
    }

    fn missing(&self, slot: Slot, from: Offset) -> Unreadable {
        let end = self.end(slot);
        if from < end {
            return "the event log is damaged: this offset is missing".to_owned();
        }
        format!(
            "the event log has lost its end: it ends before offset {end}, and offset {} was read",
            self.lost_to[slot] - 1
        )
    }

    fn window(&self, place: Place) -> std::io::Result<Arc<(u64, Window)>> {
        let Place { segment, at, limit } = place;
        let kept = self.windows.find(|(number, window)| {
            *number == segment && (window.start..window.end).contains(&at)
        });
        if let Some(window) = kept {
            return Ok(window);
        }
        let file = self.catalog.open(segment)?;
        let window = Window::read(&*file, at, limit, self.topics())?;
        report(segment, &window);
        let weight = (window.end - window.start) as usize * 5 / 4;
        let window = Arc::new((segment, window));
        self.windows.keep(Arc::clone(&window), weight);
        Ok(window)
    }
}

fn report(segment: u64, window: &Window) {
    match &window.content {
        Content::Gap(why) => {
            tracing::error!(segment, at = window.start, until = window.end, "damaged: {why}");
        }
        Content::Units(units) => {
            for unit in units.iter().filter(|unit| !unit.whole) {
                let at = unit.at;
                tracing::error!(segment, at, "damaged: the checksum of its records differs");
            }
        }
    }
}

/// The records of these offsets, from consecutive shares of one slot, until about
/// `max_bytes` are taken or something is missing.
fn decode<'a>(
    shares: impl Iterator<Item = &'a Share>,
    offsets: std::ops::Range<Offset>,
    max_bytes: usize,
) -> Result<Vec<Record>, Unreadable> {
    let mut next = offsets.start;
    let mut room = max_bytes;
    let mut records = Vec::new();
    for share in shares {
        match take(share, &mut next, offsets.end, &mut room, &mut records) {
            Ok(()) if room > 0 => {}
            // What is missing is said when nothing readable lies before it.
            Err(why) if records.is_empty() => return Err(why),
            Ok(()) | Err(_) => break,
        }
    }
    Ok(records)
}

fn take(
    share: &Share,
    next: &mut Offset,
    end: Offset,
    room: &mut usize,
    records: &mut Vec<Record>,
) -> Result<(), Unreadable> {
    if share.first > *next {
        return Err(format!(
            "the event log is damaged: offsets {next} to {} are missing",
            share.first - 1
        ));
    }
    let Some(mut rest) = share.records.clone() else {
        return Err(format!(
            "the event log is damaged: the checksum of offsets {} to {} differs",
            share.first,
            share.end() - 1
        ));
    };
    for offset in share.first..share.end().min(end) {
        let malformed = || format!("the event log is damaged: offset {offset} is malformed");
        let bytes = record::split(&mut rest).ok_or_else(malformed)?;
        if offset < *next {
            continue;
        }
        if *room == 0 {
            return Ok(());
        }
        *room = room.saturating_sub(bytes.len());
        records.push(record::decode(bytes, offset).ok_or_else(malformed)?);
        *next = offset + 1;
    }
    Ok(())
}
