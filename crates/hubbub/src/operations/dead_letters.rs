//! Dead letters as operators read them.

mod repair;

use std::{borrow::Cow, collections::BTreeMap, fmt, ops::Range, str::FromStr};

use axum::extract::State;
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::future::join_all;
use hubbub_events::{Offset, Reading, Topic, TopicPartition};
use hubbub_stream::{Log, Record};
use hubbub_web::{Json, NoQuery, Path, Problem, ProblemType, Query};
use hubbub_worker::HEADER_PREFIX;
use serde::{Deserialize, Serialize};

use super::Operations;

pub(super) use repair::repair;
pub use repair::{Repair, Repaired};

/// Bytes of records that are read at a time.
const READ_BYTES: usize = 256 * 1024;

/// A record that a projection could not fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Where it lies among the dead letters.
    pub partition: i32,
    /// Where it lies in the partition.
    pub offset: Offset,
    /// When it died: RFC 3339.
    pub time: String,
    /// The projection that could not fold it.
    pub projection: String,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub attempts: String,
    /// The version of hubbub that tried; empty where it did not say.
    #[serde(default)]
    pub version: String,
    /// The record that it is a copy of.
    pub source: Source,
    /// The record's key; what is not UTF-8 is replaced.
    pub key: String,
    /// The size of its value.
    pub value_bytes: usize,
    /// What the record had, where the log did not take all of it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_from: Option<String>,
    /// The record's own headers; what is not UTF-8 is replaced. Not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Its value in base64. Not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What its value says, as far as it can be read. Not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decoded: Option<Decoded>,
}

/// What bytes say by the protobuf contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decoded {
    /// In the order of the bytes.
    pub fields: Vec<DecodedField>,
    /// What is wrong with the bytes first; none where they are protobuf as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<String>,
}

/// A field that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecodedField {
    /// Its name in the contract, below the names of the messages that it is in; a number where it has none.
    pub name: String,
    /// Its value as text.
    pub value: String,
}

impl Decoded {
    pub(super) fn of(value: &[u8]) -> Self {
        let Reading { fields, broken } = Reading::of(value);
        let fields = fields.into_iter();
        let fields = fields.map(|field| DecodedField { name: field.name, value: field.value });
        Self { fields: fields.collect(), broken }
    }
}

/// A position in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The topic's name.
    pub topic: String,
    /// The partition's number.
    pub partition: String,
    /// The offset in it.
    pub offset: String,
}

/// Dead letters in the order of partition and offset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetterPage {
    /// The dead letters.
    pub items: Vec<DeadLetter>,
    /// Where the next page begins, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Start>,
    /// What could not be read, and is missing here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<Unreadable>,
}

/// A partition that could not be read, or no further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// The partition.
    pub partition: i32,
    /// From where on; none where not even its bounds are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<Offset>,
    /// Why.
    pub reason: String,
}

/// Where a page begins: nothing before it is in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The partition.
    pub partition: i32,
    /// The offset in it.
    pub offset: Offset,
}

/// `3/17`: partition 3, offset 17.
impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.partition, self.offset)
    }
}

impl FromStr for Start {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "a partition and an offset are expected, such as 3/17";
        let (partition, offset) = text.split_once('/').ok_or(FORM)?;
        let partition = partition.parse().map_err(|_| FORM)?;
        let offset = offset.parse().map_err(|_| FORM)?;
        Ok(Self { partition, offset })
    }
}

/// The query of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    #[serde(default)]
    partition: u16,
    #[serde(default)]
    offset: Offset,
    #[serde(default = "default_limit")]
    limit: usize,
}

const MAX_LIMIT: usize = 1000;

fn default_limit() -> usize {
    100
}

#[derive(Deserialize)]
pub(super) struct Place {
    partition: i32,
    offset: Offset,
}

pub(super) async fn list(
    State(operations): State<Operations>,
    Query(query): Query<ListQuery>,
) -> Result<Json<DeadLetterPage>, Problem> {
    let ListQuery { partition, offset, limit } = query;
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("{limit} is not allowed: 1 to {MAX_LIMIT} are");
        return Err(Problem::invalid("limit", detail));
    }
    let log = &*operations.parts()?.log;
    let first = i32::from(partition);
    let mut page = DeadLetterPage { items: Vec::new(), next: None, unreadable: Vec::new() };
    let partitions = first..log.partitions(Topic::DeadLetters);
    // All at once: one that does not answer is waited for, but only once.
    let bounds = partitions.map(|partition| async move {
        let of = partition_of(partition);
        (of, log.bounds(of).await)
    });
    let bounds = join_all(bounds).await;
    if let Some((.., Err(error))) = bounds.first()
        && bounds.iter().all(|(_, bounds)| bounds.is_err())
    {
        return Err(unreadable(error));
    }
    for (of, bounds) in bounds {
        let bounds = match bounds {
            Ok(bounds) => bounds,
            Err(error) => {
                page.cannot_read(of, None, &error);
                continue;
            }
        };
        let from = if of.partition == first { offset } else { 0 };
        page.read(log, of, from.max(bounds.start)..bounds.end, limit).await;
        if page.next.is_some() {
            break;
        }
    }
    Ok(Json(page))
}

impl DeadLetterPage {
    /// Adds what is in a range, until the page is full.
    async fn read(
        &mut self,
        log: &dyn Log,
        of: TopicPartition,
        range: Range<Offset>,
        limit: usize,
    ) {
        let mut next = range.start;
        while next < range.end {
            let records = match log.read(of, next, READ_BYTES).await {
                Ok(records) => records,
                Err(error) => return self.cannot_read(of, Some(next), &error),
            };
            if records.is_empty() {
                return;
            }
            for record in records {
                if self.items.len() == limit {
                    self.next = Some(Start { partition: of.partition, offset: record.offset });
                    return;
                }
                next = record.offset + 1;
                self.items.push(DeadLetter::of(of, &record));
            }
        }
    }

    fn cannot_read(
        &mut self,
        of: TopicPartition,
        offset: Option<Offset>,
        error: &hubbub_stream::Error,
    ) {
        let (partition, reason) = (of.partition, error.to_string());
        self.unreadable.push(Unreadable { partition, offset, reason });
    }
}

pub(super) async fn show(
    State(operations): State<Operations>,
    Path(Place { partition, offset }): Path<Place>,
    _: NoQuery,
) -> Result<Json<DeadLetter>, Problem> {
    let log = &*operations.parts()?.log;
    let of = partition_of(partition);
    let record = find(log, of, offset).await?;
    Ok(Json(DeadLetter::whole(of, &record)))
}

async fn find(log: &dyn Log, of: TopicPartition, at: Offset) -> Result<Record, Problem> {
    let absent = || {
        let detail = format!("there is no dead letter at partition {}, offset {at}", of.partition);
        Problem::new(ProblemType::NotFound, detail)
    };
    let is_partition = (0..log.partitions(Topic::DeadLetters)).contains(&of.partition);
    if !is_partition || !log.bounds(of).await.map_err(|e| unreadable(&e))?.contains(&at) {
        return Err(absent());
    }
    let records = log.read(of, at, 1).await.map_err(|e| unreadable(&e))?;
    records.into_iter().next().filter(|record| record.offset == at).ok_or_else(absent)
}

fn partition_of(partition: i32) -> TopicPartition {
    TopicPartition { topic: Topic::DeadLetters, partition }
}

fn unreadable(error: &hubbub_stream::Error) -> Problem {
    Problem::new(ProblemType::LogUnavailable, error.to_string())
}

impl DeadLetter {
    /// As it stands in a list.
    fn of(of: TopicPartition, record: &Record) -> Self {
        // The last of a name is the one that the worker wrote.
        let story = |name: &str| {
            let is_it = |header: &&(Cow<'static, str>, _)| {
                header.0.strip_prefix(HEADER_PREFIX).is_some_and(|rest| rest == name)
            };
            let header = record.headers.iter().rev().find(is_it);
            header.map(|(_, value)| text(value)).unwrap_or_default()
        };
        Self {
            partition: of.partition,
            offset: record.offset,
            time: record.time.to_string(),
            projection: story("projection"),
            reason: story("reason"),
            attempts: story("attempts"),
            version: story("version"),
            source: Source {
                topic: story("source-topic"),
                partition: story("source-partition"),
                offset: story("source-offset"),
            },
            key: text(&record.key),
            value_bytes: record.value.len(),
            cut_from: Some(story("cut-from")).filter(|cut| !cut.is_empty()),
            headers: None,
            value: None,
            decoded: None,
        }
    }

    /// With all that the record holds.
    fn whole(of: TopicPartition, record: &Record) -> Self {
        let own = record.headers.iter().filter(|(name, _)| !name.starts_with(HEADER_PREFIX));
        let headers = own.map(|(name, value)| (name.to_string(), text(value))).collect();
        Self {
            headers: Some(headers),
            value: Some(STANDARD.encode(&record.value)),
            decoded: Some(Decoded::of(&record.value)),
            ..Self::of(of, record)
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
