//! How fast a backlog is worked off, and at what cost, from looks at it on the way.

use std::time::{Duration, Instant};

/// Between two looks.
pub const EVERY: Duration = Duration::from_millis(100);

/// What had been done, and the processor time that was used, at some moments.
pub struct Samples {
    all: f64,
    taken: Vec<(Instant, Duration, f64)>,
}

impl Samples {
    /// None yet, of so many records.
    pub fn new(all: usize) -> Self {
        Self { all: all as f64, taken: Vec::new() }
    }

    /// Notes how it stands; false once everything is done.
    pub fn note(&mut self, processor: Duration, done: f64) -> bool {
        self.taken.push((Instant::now(), processor, done));
        done < self.all
    }

    /// Records a second, and the processor time of each in µs. The beginning and the end are
    /// left out: there some partitions are not yet, or no longer, worked on.
    pub fn result(&self) -> Option<(f64, f64)> {
        let within = |(_, _, done): &&(Instant, Duration, f64)| {
            (0.1 * self.all..0.9 * self.all).contains(done)
        };
        let (began, before, first) = self.taken.iter().find(within)?;
        let (ended, after, last) = self.taken.iter().rev().find(within)?;
        let records = last - first;
        let time = ended.duration_since(*began).as_secs_f64();
        let used = after.saturating_sub(*before).as_secs_f64();
        (records > 0.0).then_some((records / time, used * 1e6 / records))
    }
}
