//! What each write must say: every version of every row, as a calm run writes them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use hubbub_events::{Offset, Position, Stamp, Topic, TopicPartition};
use hubbub_projections::{Analysis, Likes, Posts, Projection};
use hubbub_tables::{self as tables, Table};
use hubbub_testkit::{
    memory_log::MemoryLog,
    memory_store::{Export, Exported, Landing, MemoryStore},
    model::Model,
};
use hubbub_worker::WorkerSettings;

use crate::{
    plan::Plan,
    process::{Process, settings},
    world::until,
};

pub const PROJECTIONS: [&str; 3] = [Posts::NAME, Analysis::NAME, Likes::NAME];

/// A projection's share of a partition of the log.
pub type Share = (&'static str, i32);

/// What comes of a story where nothing goes wrong, and after each of its records.
#[derive(Default)]
pub struct Truth {
    pub model: Model,
    /// The end of each partition that has records.
    pub ends: BTreeMap<i32, Offset>,
    pub rows: BTreeMap<String, Row>,
    /// The derived rows that a record writes.
    pub derived: BTreeMap<(Share, Stamp), Vec<String>>,
    /// What must be found among the dead letters: partition, offset, projection.
    pub letters: BTreeSet<(i32, Offset, String)>,
}

/// A head or row through all its versions.
pub struct Row {
    pub share: Share,
    pub versions: BTreeMap<Stamp, String>,
}

impl Truth {
    /// Folds each partition alone, record by record.
    pub async fn of(plan: &Plan) -> Self {
        let mut truth = Self::default();
        let mut partitions = BTreeMap::<i32, Vec<_>>::new();
        for (number, deed) in plan.deeds.iter().enumerate() {
            let record = deed.record(number, plan.partitions);
            let TopicPartition { topic, partition } = record.topic_partition;
            let end = truth.ends.entry(partition).or_default();
            let at = Position { topic, partition, offset: *end };
            *end += 1;
            match deed.event(number) {
                Some(event) => truth.model.happened(at, &event),
                None => {
                    let letters = PROJECTIONS.map(|name| (partition, at.offset, name.to_owned()));
                    truth.letters.extend(letters);
                }
            }
            partitions.entry(partition).or_default().push(record);
        }
        for (partition, records) in partitions {
            let log = MemoryLog::new("memory", plan.partitions);
            for record in records {
                log.put(record);
            }
            truth.learn(partition, fold_calmly(&log).await);
        }
        truth
    }

    fn learn(&mut self, partition: i32, landings: Vec<Landing>) {
        for landing in landings {
            let Some((projection, is_derived)) = of_table(landing.table) else {
                continue;
            };
            let share = (projection, partition);
            let Exported { stamp, record } = landing.written;
            if is_derived {
                self.derived.entry((share, stamp)).or_default().push(landing.key.clone());
            }
            let row = Row { share, versions: BTreeMap::new() };
            self.rows.entry(landing.key).or_insert(row).versions.insert(stamp, record);
        }
    }

    /// What the tables hold in the end.
    pub fn export(&self) -> Export {
        let last = self.rows.iter().filter_map(|(key, row)| {
            let (stamp, record) = row.versions.last_key_value()?;
            Some((key.clone(), Exported { stamp: *stamp, record: record.clone() }))
        });
        last.collect()
    }
}

/// Whose a table is, and whether its rows follow from what is decided in another one.
pub fn of_table(name: &str) -> Option<(&'static str, bool)> {
    match name {
        tables::Posts::NAME => Some((Posts::NAME, false)),
        tables::PostsByAuthor::NAME | tables::PostEvents::NAME | tables::Receipts::NAME => {
            Some((Posts::NAME, true))
        }
        tables::PostAnalysis::NAME => Some((Analysis::NAME, false)),
        tables::AuthorAnalysis::NAME => Some((Analysis::NAME, true)),
        tables::PostLikes::NAME => Some((Likes::NAME, false)),
        _ => None,
    }
}

async fn fold_calmly(log: &MemoryLog) -> Vec<Landing> {
    let landings = Arc::new(Mutex::new(Vec::new()));
    let store = MemoryStore::watched(None, {
        let landings = Arc::clone(&landings);
        Box::new(move |landing| landings.lock().unwrap().push(landing.clone()))
    });
    let process =
        Process::start(log.clone(), store, WorkerSettings { batch_records: 1, ..settings() });
    let is_done = || {
        let ends = log
            .all(Topic::Posts)
            .into_iter()
            .map(|of| (of, log.acknowledged(of).last().map_or(-1, |last| last.offset)));
        ends.into_iter().all(|(of, last)| process.has_folded(of, last))
    };
    until(is_done).await;
    process.stop().await;
    std::mem::take(&mut *landings.lock().unwrap())
}
