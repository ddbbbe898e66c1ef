//! Writers that speak together, and what became of all that they said.

use std::{env, fmt::Display, sync::Arc, time::Duration};

use tokio::{sync::watch, task::JoinHandle};

use super::{Door, Pump, Reader, Writer};

/// Once everything is back, no lag is left after this.
pub const HEALED: Duration = Duration::from_secs(30);

/// How long something is away: seconds, or what `make chaos` says.
///
/// # Panics
/// Where that is no number.
#[must_use]
pub fn outage() -> Duration {
    let seconds = env::var("HUBBUB_TEST_OUTAGE_SECONDS").ok();
    let seconds = seconds.map(|seconds| seconds.parse());
    let seconds =
        seconds.transpose().unwrap_or_else(|error| panic!("an outage's seconds: {error}"));
    Duration::from_secs(seconds.unwrap_or(6))
}

/// Writers that speak together, and how much they have said.
pub struct Load {
    door: Door,
    writers: Vec<JoinHandle<Writer>>,
    said: watch::Receiver<usize>,
    enough: watch::Sender<bool>,
}

/// A load of which nothing was lost and nothing was counted twice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Total {
    /// Those who spoke.
    pub clients: usize,
    /// Events that are certainly stored.
    pub acknowledged: usize,
    /// Requests of which nobody was told whether they are.
    pub unknown: usize,
    /// Reads of what was just written, by its token, that were answered.
    pub reads: usize,
}

impl Load {
    /// Lets so many writers say so many events, together, and go on until the load is ended, so that no fault comes after
    /// it. Needs a tokio runtime.
    #[must_use]
    pub fn start(door: Door, writers: usize, events: usize) -> Self {
        let said = watch::Sender::new(0);
        let heard = said.subscribe();
        let enough = watch::Sender::new(false);
        let start = |number| {
            let writer = Writer::new(number, door.clone(), said.clone());
            tokio::spawn(writer.run_until(events / writers, enough.subscribe()))
        };
        let writers = (0..writers).map(start).collect();
        Self { door, writers, said: heard, enough }
    }

    /// Waits until so much was said.
    ///
    /// # Panics
    /// Where no writer is left to say it.
    pub async fn reaches(&mut self, events: usize) {
        let reached = self.said.wait_for(|said| *said >= events).await;
        assert!(reached.is_ok(), "the writers ended before they had said {events}");
    }

    /// How much was said, as it grows.
    #[must_use]
    pub fn said(&self) -> watch::Receiver<usize> {
        self.said.clone()
    }

    /// Ends it, and waits until all is said.
    ///
    /// # Panics
    /// Where a writer was answered what no fault explains.
    pub async fn ends(self) -> Spoken {
        self.enough.send_replace(true);
        let mut writers = Vec::new();
        for writer in self.writers {
            let writer = writer.await.unwrap_or_else(|error| panic!("a writer failed: {error}"));
            writers.push(Arc::new(writer));
        }
        Spoken { door: self.door, writers }
    }
}

/// What writers have said, all of it.
pub struct Spoken {
    door: Door,
    writers: Vec<Arc<Writer>>,
}

impl Spoken {
    /// Waits until all of it is folded.
    ///
    /// # Panics
    /// Where that takes too long.
    pub async fn caught_up(&self) -> Reader {
        Reader::caught_up(self.door.clone().client().await).await
    }

    /// Reads everything back, and holds it against what was said.
    ///
    /// # Panics
    /// Where something was lost, is counted twice, or does not follow from what was said.
    pub async fn check(&self, reader: &Reader, pumps: &[Pump]) -> Total {
        let mut total = Total { clients: self.writers.len() + pumps.len(), ..Total::default() };
        for pump in pumps {
            total.acknowledged += pump.acknowledged();
            total.unknown += pump.unknown();
            reader.check_pump(pump).await.unwrap_or_else(|violation| panic!("{violation}"));
        }
        let mut checks = Vec::new();
        for writer in &self.writers {
            total.acknowledged += writer.acknowledged;
            total.unknown += writer.unknown;
            total.reads += writer.reads;
            let (reader, writer) = (reader.clone(), Arc::clone(writer));
            checks.push(tokio::spawn(async move { reader.check_writer(&writer).await }));
        }
        for check in checks {
            let checked = check.await.unwrap_or_else(|error| panic!("a check failed: {error}"));
            checked.unwrap_or_else(|violation| panic!("{violation}"));
        }
        total
    }
}

impl Total {
    /// Prints the scenario's line of the table of `make chaos`: a check that finds something lost or counted twice has
    /// failed it before. `healed` is how long after the load's end there was lag.
    #[expect(clippy::print_stdout, reason = "it is what the scenario is run for")]
    pub fn report(&self, faults: impl Display, healed: Duration, note: impl Display) {
        let Self { clients, acknowledged, unknown, reads } = self;
        println!(
            "chaos: | {faults} | {clients} | {acknowledged} | {unknown} | {reads} | 0 | 0 | {healed:.1?} | {note} |"
        );
    }
}
