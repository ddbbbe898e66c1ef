//! `POST /dead-letters/{partition}/{offset}/repair`: appends what a dead letter should have said.
//!
//! The repaired bytes are a new event, at the end of the partition that their key belongs to. It names the record that it
//! stands for in a header, and that is looked for before anything is appended: so a repair that is tried again, or of
//! another projection's letter of the same record, appends nothing.

use axum::extract::State;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hubbub_events::{
    DecodeError, Offset, Position, PostEvent, Timestamp, Topic, TopicPartition,
    partition_of as partition_of_key,
};
use hubbub_stream::{AppendError, Log, NewRecord, Record};
use hubbub_web::{Json, NoQuery, Path, Problem, ProblemType};
use serde::{Deserialize, Serialize};

use super::{
    DeadLetter, Decoded, Operations, Place, READ_BYTES, Source, find, partition_of, unreadable,
};

/// The header of a repaired event that names the record which it stands for.
const REPAIRS: &str = "hubbub-repairs";

/// What to append in a dead letter's place. A JSON body, so that no web page can send it unasked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repair {
    /// The repaired value in base64.
    pub value: String,
    /// Only checks and answers what would be appended.
    #[serde(default)]
    pub dry_run: bool,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repaired {
    /// What the repaired event says.
    pub says: Decoded,
    /// The record that it stands for.
    pub repairs: String,
    /// Where it lies; none after a dry run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<String>,
    /// Whether an earlier repair of the record is there, and nothing was appended.
    pub was_there: bool,
}

pub(in crate::operations) async fn repair(
    State(operations): State<Operations>,
    Path(Place { partition, offset }): Path<Place>,
    _: NoQuery,
    Json(Repair { value, dry_run }): Json<Repair>,
) -> Result<Json<Repaired>, Problem> {
    let value = STANDARD.decode(value);
    let value = value.map_err(|error| Problem::invalid("value", format!("no base64: {error}")))?;
    let log = &*operations.parts()?.log;
    let of = partition_of(partition);
    let letter = find(log, of, offset).await?;
    let source = source_of(&DeadLetter::of(of, &letter).source)?;
    refuse_whole(log, source, &letter)?;
    let event = PostEvent::decode(&letter.key, &value).map_err(refused)?;

    let to = TopicPartition {
        topic: source.topic,
        partition: partition_of_key(&letter.key, log.partitions(source.topic)),
    };
    let from = if to == source.topic_partition() { source.offset + 1 } else { 0 };
    let repairs = source.to_string();
    let earlier = earlier_repair(log, to, from, &repairs).await?;
    let position = match earlier {
        Some(offset) => Some(offset),
        None if dry_run => None,
        None => Some(append(log, to, &letter.key, value.clone(), &event, &repairs).await?),
    };
    Ok(Json(Repaired {
        says: Decoded::of(&value),
        repairs,
        position: position.map(|offset| to.at(offset).to_string()),
        was_there: earlier.is_some(),
    }))
}

/// The place of a dead letter's record, where its headers tell it.
fn source_of(source: &Source) -> Result<Position, Problem> {
    let topic = Topic::ALL.into_iter().find(|topic| topic.to_string() == source.topic);
    let topic = topic.filter(|topic| *topic != Topic::DeadLetters);
    let (partition, offset) = (source.partition.parse().ok(), source.offset.parse().ok());
    match (topic, partition, offset) {
        (Some(topic), Some(partition), Some(offset)) => Ok(Position { topic, partition, offset }),
        _ => {
            let detail = "the headers of the dead letter do not tell which record it is a copy of";
            Err(Problem::invalid("dead letter", detail))
        }
    }
}

/// What is a whole event, and where it belongs, would count twice if it were appended again.
fn refuse_whole(log: &dyn Log, source: Position, letter: &Record) -> Result<(), Problem> {
    let home = partition_of_key(&letter.key, log.partitions(source.topic));
    if home != source.partition || PostEvent::decode(&letter.key, &letter.value).is_err() {
        return Ok(());
    }
    let detail = format!(
        "the record at {source} is a whole event and in its place: it died of a defect in hubbub, \
         and a rebuild by a version without it mends that"
    );
    Err(Problem::invalid("dead letter", detail))
}

fn refused(error: DecodeError) -> Problem {
    let detail = match error {
        DecodeError::Newer { .. } => format!("{error}: repair it with a newer hubbub"),
        DecodeError::Invalid(reason) => format!("not repaired yet: {reason}"),
    };
    Problem::invalid("value", detail)
}

/// Where an event lies that repairs the record, behind an offset.
async fn earlier_repair(
    log: &dyn Log,
    of: TopicPartition,
    from: Offset,
    repairs: &str,
) -> Result<Option<Offset>, Problem> {
    let bounds = log.bounds(of).await.map_err(|error| unreadable(&error))?;
    let mut next = from.max(bounds.start);
    while next < bounds.end {
        let records = log.read(of, next, READ_BYTES).await.map_err(|error| unreadable(&error))?;
        let Some(last) = records.last().map(|record| record.offset) else {
            break;
        };
        let is_it = |record: &&Record| {
            record
                .headers
                .iter()
                .any(|(name, value)| name == REPAIRS && **value == *repairs.as_bytes())
        };
        if let Some(found) = records.iter().find(is_it) {
            return Ok(Some(found.offset));
        }
        next = last + 1;
    }
    Ok(None)
}

async fn append(
    log: &dyn Log,
    to: TopicPartition,
    key: &Bytes,
    value: Vec<u8>,
    event: &PostEvent,
    repairs: &str,
) -> Result<Offset, Problem> {
    let headers = event.headers().into_iter().map(|(name, value)| (name.into(), value));
    let repairs = (REPAIRS.into(), Bytes::copy_from_slice(repairs.as_bytes()));
    let record = NewRecord {
        topic_partition: to,
        key: key.clone(),
        value: value.into(),
        headers: headers.chain([repairs]).collect(),
        time: Timestamp::now(),
    };
    let appended = log.append(vec![record]).await.into_iter().next();
    appended.unwrap_or_else(|| Err(AppendError::Unknown("it did not say".to_owned()))).map_err(
        |error| match error {
            AppendError::Full | AppendError::Unavailable(_) => {
                Problem::new(ProblemType::LogUnavailable, error.to_string())
            }
            AppendError::TooLarge(_) => Problem::invalid("value", error.to_string()),
            AppendError::NoRoom(_) | AppendError::Storage(_) => {
                Problem::new(ProblemType::StorageFull, error.to_string())
            }
            AppendError::Unknown(_) => {
                let detail = format!("{error}; run it again: what is there is not appended twice");
                Problem::new(ProblemType::OutcomeUnknown, detail)
            }
        },
    )
}
