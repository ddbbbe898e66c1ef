//! Dead letters as operators read them.

use std::{collections::BTreeMap, fmt, str::FromStr};

use axum::extract::State;
use base64::{Engine, engine::general_purpose::STANDARD};
use hubbub_events::{Offset, Topic, TopicPartition};
use hubbub_stream::{Log, Record};
use hubbub_web::{Json, NoQuery, Path, Problem, ProblemType, Query};
use hubbub_worker::HEADER_PREFIX;
use serde::{Deserialize, Serialize};

use super::Operations;

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
    /// The record that it is a copy of.
    pub source: Source,
    /// The record's key; what is not UTF-8 is replaced.
    pub key: String,
    /// The size of its value.
    pub value_bytes: usize,
    /// The record's own headers; what is not UTF-8 is replaced. Not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<BTreeMap<String, String>>,
    /// Its value in base64. Not in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
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
    let mut start = Start { partition: i32::from(partition), offset };
    let mut items = Vec::new();
    while start.partition < log.partitions(Topic::DeadLetters) {
        let of = partition_of(start.partition);
        let bounds = log.bounds(of).await.map_err(unreadable)?;
        let mut next = start.offset.max(bounds.start);
        while next < bounds.end {
            let records = log.read(of, next, READ_BYTES).await.map_err(unreadable)?;
            if records.is_empty() {
                break;
            }
            for record in records {
                if items.len() == limit {
                    let next = Some(Start { partition: of.partition, offset: record.offset });
                    return Ok(Json(DeadLetterPage { items, next }));
                }
                next = record.offset + 1;
                items.push(DeadLetter::of(of, &record));
            }
        }
        start = Start { partition: of.partition + 1, offset: 0 };
    }
    Ok(Json(DeadLetterPage { items, next: None }))
}

pub(super) async fn show(
    State(operations): State<Operations>,
    Path(Place { partition, offset }): Path<Place>,
    _: NoQuery,
) -> Result<Json<DeadLetter>, Problem> {
    let log = &*operations.parts()?.log;
    let of = partition_of(partition);
    let found = find(log, of, offset).await?;
    let record = found.ok_or_else(|| {
        let detail = format!("there is no dead letter at partition {partition}, offset {offset}");
        Problem::new(ProblemType::NotFound, detail)
    })?;
    Ok(Json(DeadLetter::whole(of, &record)))
}

async fn find(log: &dyn Log, of: TopicPartition, at: Offset) -> Result<Option<Record>, Problem> {
    if !(0..log.partitions(Topic::DeadLetters)).contains(&of.partition) {
        return Ok(None);
    }
    if !log.bounds(of).await.map_err(unreadable)?.contains(&at) {
        return Ok(None);
    }
    let records = log.read(of, at, 1).await.map_err(unreadable)?;
    Ok(records.into_iter().next().filter(|record| record.offset == at))
}

fn partition_of(partition: i32) -> TopicPartition {
    TopicPartition { topic: Topic::DeadLetters, partition }
}

fn unreadable(error: hubbub_stream::Error) -> Problem {
    Problem::new(ProblemType::LogUnavailable, error.to_string())
}

impl DeadLetter {
    /// As it stands in a list.
    fn of(of: TopicPartition, record: &Record) -> Self {
        // The last of a name is the one that the worker wrote.
        let story = |name: &str| {
            let is_it = |header: &&(String, _)| {
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
            source: Source {
                topic: story("source-topic"),
                partition: story("source-partition"),
                offset: story("source-offset"),
            },
            key: text(&record.key),
            value_bytes: record.value.len(),
            headers: None,
            value: None,
        }
    }

    /// With all that the record holds.
    fn whole(of: TopicPartition, record: &Record) -> Self {
        let own = record.headers.iter().filter(|(name, _)| !name.starts_with(HEADER_PREFIX));
        let headers = own.map(|(name, value)| (name.clone(), text(value))).collect();
        Self {
            headers: Some(headers),
            value: Some(STANDARD.encode(&record.value)),
            ..Self::of(of, record)
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
