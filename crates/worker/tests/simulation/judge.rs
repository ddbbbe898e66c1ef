//! Sees everything that lands, and says at once what should not have.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Mutex,
};

use hubbub_events::{Offset, Stamp, Topic, TopicPartition};
use hubbub_tables::{Attempts, Frontiers, Table};
use hubbub_testkit::memory_store::Landing;
use tokio::time::Instant;

use crate::truth::{PROJECTIONS, Share, Truth, of_table};

/// What should not have happened, first of all that did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub rule: Rule,
    pub story: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// A write says what no fold of the log says at its position.
    WritesSayWhatTheLogSays,
    /// What follows from a decision is durable before the decision is.
    DerivedFirst,
    /// The frontier is never past what is durable.
    FrontierIsBehind,
    /// Nothing that is stored gives way to what is older.
    NothingGoesBack,
    /// In the end everything is folded, and no worker has failed.
    EverythingIsFolded,
    /// In the end the tables hold what the log says.
    TablesAreRight,
    /// In the end what could not be folded is among the dead letters, and nothing else.
    LettersAreKept,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.rule, self.story)
    }
}

pub struct Judge {
    truth: Truth,
    /// The text of each frontier's key.
    frontiers: BTreeMap<String, Share>,
    begun: Instant,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    rows: BTreeMap<String, Stamp>,
    folded: BTreeMap<Share, Offset>,
    repeats: u64,
    violation: Option<Violation>,
    steps: Vec<String>,
}

impl Judge {
    pub fn new(truth: Truth, partitions: i32) -> Self {
        let key = |name: &str, partition| {
            let key = Frontiers::key(TopicPartition { topic: Topic::Posts, partition });
            format!("{}.b1 {:?} {key:?}", Frontiers::NAME, (name.to_owned(), 1))
        };
        let shares = PROJECTIONS
            .into_iter()
            .flat_map(|name| (0..partitions).map(move |partition| (name, partition)));
        let frontiers = shares.map(|(name, partition)| (key(name, partition), (name, partition)));
        let frontiers = frontiers.collect();
        Self { truth, frontiers, begun: Instant::now(), seen: Mutex::default() }
    }

    pub fn truth(&self) -> &Truth {
        &self.truth
    }

    /// Notes a step of the run.
    pub fn note(&self, step: impl fmt::Display) {
        let at = self.begun.elapsed().as_millis();
        self.seen.lock().unwrap().steps.push(format!("{at:>6} ms  {step}"));
    }

    /// Notes what must not be; the first one counts.
    pub fn condemn(&self, rule: Rule, story: String) {
        self.note(format!("VIOLATION {rule:?}: {story}"));
        self.seen.lock().unwrap().violation.get_or_insert(Violation { rule, story });
    }

    pub fn verdict(&self) -> Option<Violation> {
        self.seen.lock().unwrap().violation.clone()
    }

    pub fn steps(&self) -> Vec<String> {
        self.seen.lock().unwrap().steps.clone()
    }

    /// How many heads and rows landed that were there already.
    pub fn repeats(&self) -> u64 {
        self.seen.lock().unwrap().repeats
    }

    /// Whether all is folded, or it is of no account any more.
    pub fn is_over(&self) -> bool {
        let seen = self.seen.lock().unwrap();
        let is_folded = |name: &'static str| {
            let mut ends = self.truth.ends.iter();
            ends.all(|(partition, end)| seen.folded.get(&(name, *partition)) == Some(&(end - 1)))
        };
        seen.violation.is_some() || PROJECTIONS.into_iter().all(is_folded)
    }

    /// The frontiers are lost, and count from the beginning again.
    pub fn forget_frontiers(&self) {
        self.seen.lock().unwrap().folded.clear();
    }

    pub fn landed(&self, landing: &Landing) {
        let Landing { key, written, before, after, .. } = landing;
        let stamp = written.stamp;
        // What is begun says nothing of the log.
        if landing.table == Attempts::NAME {
            return;
        }
        self.note(format!("landed {key} @{}: {}", stamp.offset(), written.record));
        if *after < *before {
            let [before, after] = [before, after].map(|at| at.map_or(-1, Stamp::offset));
            let story = format!("{key} was @{before} and is @{after}");
            return self.condemn(Rule::NothingGoesBack, story);
        }
        let found = match self.frontiers.get(key) {
            Some(share) => self.frontier_landed(*share, landing),
            None => self.row_landed(landing),
        };
        if let Err((rule, story)) = found {
            self.condemn(rule, story);
        }
    }

    fn row_landed(&self, landing: &Landing) -> Result<(), (Rule, String)> {
        let Landing { key, written, before, after, .. } = landing;
        let (stamp, at) = (written.stamp, written.stamp.offset());
        let row = self.truth.rows.get(key);
        let expected = row.and_then(|row| row.versions.get(&stamp));
        if expected != Some(&written.record) {
            let story = format!("{key} @{at} is {}, not {expected:?}", written.record);
            return Err((Rule::WritesSayWhatTheLogSays, story));
        }
        let mut seen = self.seen.lock().unwrap();
        seen.repeats += u64::from(*before >= Some(stamp));
        if let Some(after) = after {
            seen.rows.insert(key.clone(), *after);
        }
        let (Some(row), Some((_, false))) = (row, of_table(landing.table)) else {
            return Ok(());
        };
        for at in row.versions.range(..=stamp).map(|(at, _)| *at) {
            for follows in self.truth.derived.get(&(row.share, at)).into_iter().flatten() {
                if seen.rows.get(follows).is_none_or(|there| *there < at) {
                    let at = at.offset();
                    let story = format!("{key} says that @{at} is applied, and {follows} does not");
                    return Err((Rule::DerivedFirst, story));
                }
            }
        }
        Ok(())
    }

    fn frontier_landed(&self, share: Share, landing: &Landing) -> Result<(), (Rule, String)> {
        let mut seen = self.seen.lock().unwrap();
        let Some(frontier) = landing.after else {
            return Ok(());
        };
        seen.folded.insert(share, frontier.offset());
        for (key, row) in self.truth.rows.iter().filter(|(_, row)| row.share == share) {
            let Some((then, _)) = row.versions.range(..=frontier).next_back() else {
                continue;
            };
            if seen.rows.get(key).is_none_or(|now| now < then) {
                let now = seen.rows.get(key).map_or(-1, |now| now.offset());
                let (frontier, then) = (frontier.offset(), then.offset());
                let story = format!(
                    "the frontier of {share:?} is {frontier}, but {key} is @{now} and not yet @{then}"
                );
                return Err((Rule::FrontierIsBehind, story));
            }
        }
        Ok(())
    }

    /// What is found among the dead letters in the end.
    pub fn letters(&self, found: &BTreeSet<(i32, Offset, String)>) {
        if *found != self.truth.letters {
            let lost: Vec<_> = self.truth.letters.difference(found).collect();
            let strange: Vec<_> = found.difference(&self.truth.letters).collect();
            let story = format!("dead letters lost: {lost:?}, of nothing: {strange:?}");
            self.condemn(Rule::LettersAreKept, story);
        }
    }
}
