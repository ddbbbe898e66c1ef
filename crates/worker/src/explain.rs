//! Folds the records of one key alone, and tells what each of them changed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytesize::ByteSize;
use hubbub_events::TopicPartition;
use hubbub_projections::{Interrupt, Mode, Outcome, Projection, View};
use hubbub_stream::Record;
use hubbub_tables::{Reason, Table};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Halt, HaltReason,
    batch::{Content, Item, message_of},
    gather,
};

/// What the rows of a key may take of memory, in bytes: those of some hundred thousand events.
const ROWS_BYTES: usize = 32 << 20;

/// What one record came to in one projection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// The projection.
    pub projection: String,
    /// What it came to, and by which rule.
    pub outcome: String,
    /// The heads and rows that it changed. A row that adds up several keys shows the share of
    /// this one.
    pub changes: Vec<Changed>,
}

/// A head or row, after a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// Its table.
    pub table: String,
    /// Its key.
    pub key: String,
    /// What it holds from then on.
    pub holds: Value,
}

/// Folds the records of one key, which are all in one partition, by themselves.
#[derive(Debug)]
pub struct Explainer<P: Projection> {
    of: TopicPartition,
    partitions: i32,
    tables: P::Tables,
    /// Why nothing more is folded.
    ended: Option<String>,
}

impl<P: Projection> Explainer<P> {
    /// One of a key in this partition, of so many of the topic.
    #[must_use]
    pub fn new(of: TopicPartition, partitions: i32) -> Self {
        Self { of, partitions, tables: P::Tables::default(), ended: None }
    }

    /// What the key's next record comes to.
    pub fn explain(&mut self, record: &Record) -> Explained {
        let (outcome, changes) = match &self.ended {
            Some(why) => (format!("not folded: {why}"), Vec::new()),
            None => self.fold(record),
        };
        Explained { projection: P::NAME.to_owned(), outcome, changes }
    }

    fn fold(&mut self, record: &Record) -> (String, Vec<Changed>) {
        match fold_record::<P>(self.of, self.partitions, record, &mut self.tables) {
            Ok(told) => {
                if gather::weight(&mut self.tables) > ROWS_BYTES {
                    let limit = ByteSize(ROWS_BYTES as u64);
                    self.ended = Some(format!("what is before it takes more than {limit}"));
                }
                told
            }
            Err(halt) => {
                self.ended = Some(format!("the partition stands before @{}", halt.at));
                (format!("halts the partition ({}): {}", halt.reason, halt.detail), Vec::new())
            }
        }
    }
}

fn fold_record<P: Projection>(
    of: TopicPartition,
    partitions: i32,
    record: &Record,
    tables: &mut P::Tables,
) -> Result<(String, Vec<Changed>), Halt> {
    let item = Item::<P>::decode(record.clone(), of, partitions);
    let item = item.map_err(|halted| halted.1)?;
    let event = match &item.content {
        Content::Event(event) => event,
        Content::Dead(reason) => return Ok((format!("dead letter: {reason}"), Vec::new())),
    };
    let at = of.at(item.offset());
    let outcome = loop {
        gather::begin(tables, at.stamp(), Mode::Folding);
        match catch_unwind(AssertUnwindSafe(|| P::fold(at, event, tables))) {
            Ok(Ok(outcome)) => break outcome,
            // What no earlier record of the key has made is absent.
            Ok(Err(Interrupt::Miss)) => {
                gather::ask(tables, Absent);
            }
            Ok(Err(Interrupt::Ahead | Interrupt::Reflected)) => break Outcome::Skipped,
            Err(panic) => {
                let detail = message_of(panic.as_ref());
                return Err(Halt { reason: HaltReason::Panic, at: item.offset(), detail });
            }
        }
    };
    let changes = gather::ask(tables, Changes(Vec::new())).0;
    gather::written(tables);
    Ok((told(outcome), changes))
}

fn told(outcome: Outcome) -> String {
    match outcome {
        Outcome::Applied => "applied".to_owned(),
        Outcome::Skipped => "skipped: there is nothing left to change".to_owned(),
        Outcome::Rejected(reason) => format!("rejected: {}", name_of(reason)),
        Outcome::DeadLetter(reason) => format!("dead letter: {reason}"),
    }
}

/// As the tables have it.
fn name_of(reason: Reason) -> String {
    let name = serde_json::to_value(reason).unwrap_or_default();
    name.as_str().unwrap_or_default().to_owned()
}

struct Absent;

impl gather::Each for Absent {
    fn each<T: Table>(&mut self, view: &mut View<T>) {
        let missing = view.take_missing();
        missing.heads.into_iter().for_each(|partition| view.loaded_head(partition, None));
        for (partition, key) in missing.rows {
            view.loaded_row(partition, key, None);
        }
    }
}

struct Changes(Vec<Changed>);

impl gather::Each for Changes {
    fn each<T: Table>(&mut self, view: &mut View<T>) {
        for change in view.changes() {
            let partition = &change.partition;
            let mut note = |key: String, holds: Result<Value, serde_json::Error>| {
                let holds = holds.unwrap_or_default();
                self.0.push(Changed { table: T::NAME.to_owned(), key, holds });
            };
            if let Some(head) = &change.head {
                note(format!("{partition:?}"), serde_json::to_value(&head.record));
            }
            for (clustering, row) in &change.rows {
                note(format!("{partition:?} {clustering:?}"), serde_json::to_value(&row.record));
            }
        }
    }
}
