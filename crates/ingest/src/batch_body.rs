//! The body of a batch: many documents, in one of two forms.

use std::fmt;

use axum::http::HeaderMap;
use hubbub_events::limits::BATCH_MAX_ITEMS;
use hubbub_web::{Problem, ProblemType, media_type, parse_json};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

/// How a batch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One JSON array.
    Array,
    /// One JSON document a line; blank lines are passed over.
    Lines,
}

impl Form {
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        match media_type(headers, &[JSON, NDJSON])? {
            NDJSON => Ok(Self::Lines),
            _ => Ok(Self::Array),
        }
    }

    /// The documents of a body, at most [`BATCH_MAX_ITEMS`] and at least one.
    pub(crate) fn documents(self, body: &[u8]) -> Result<Vec<Document<'_>>, Problem> {
        let (documents, count) = match self {
            Self::Array => elements(body)?,
            Self::Lines => lines(body),
        };
        match count {
            0 => Err(Problem::invalid(
                "body",
                format!("the batch has no post; allowed are 1 to {BATCH_MAX_ITEMS}"),
            )),
            1..=BATCH_MAX_ITEMS => Ok(documents),
            _ => Err(Problem::new(
                ProblemType::TooLarge,
                format!("the batch has {count} posts; allowed are 1 to {BATCH_MAX_ITEMS}"),
            )
            .with("limit", BATCH_MAX_ITEMS)),
        }
    }
}

/// One document, and how its sender finds it.
#[derive(Debug)]
pub(crate) struct Document<'a> {
    pub(crate) json: &'a [u8],
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    /// In the array, from 0.
    Index(usize),
    /// In the text, from 1.
    Line(usize),
}

impl Document<'_> {
    /// The problem of the whole batch when this document is not JSON.
    pub(crate) fn broken(&self, problem: &Problem) -> Problem {
        // The column counts from the document's own start, and a document of a line has one line.
        let detail = problem.detail();
        match self.place {
            Place::Index(index) => {
                Problem::new(ProblemType::MalformedJson, format!("element {index}: {detail}"))
                    .with("index", index)
            }
            Place::Line(line) => {
                let detail = detail.replace(" at line 1 column ", " at column ");
                Problem::new(ProblemType::MalformedJson, format!("line {line}: {detail}"))
                    .with("line", line)
            }
        }
    }
}

/// The elements of a JSON array. Every one is checked to be JSON, and not looked into.
fn elements(body: &[u8]) -> Result<(Vec<Document<'_>>, usize), Problem> {
    let Elements { kept, count } = parse_json(body)?;
    let documents = kept.into_iter().enumerate().map(|(index, element)| Document {
        json: element.get().as_bytes(),
        place: Place::Index(index),
    });
    Ok((documents.collect(), count))
}

fn lines(body: &[u8]) -> (Vec<Document<'_>>, usize) {
    let lines = body.split(|byte| *byte == b'\n').zip(1..);
    let mut documents = lines
        .filter(|(json, _)| !json.trim_ascii().is_empty())
        .map(|(json, line)| Document { json, place: Place::Line(line) });
    let kept: Vec<_> = documents.by_ref().take(BATCH_MAX_ITEMS).collect();
    let count = kept.len() + documents.count();
    (kept, count)
}

/// An array's elements as they are written. Those beyond the limit are counted and not kept: of the smallest elements a
/// body has room for millions.
struct Elements<'a> {
    kept: Vec<&'a RawValue>,
    count: usize,
}

impl<'de> Deserialize<'de> for Elements<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elementwise;

        impl<'de> Visitor<'de> for Elementwise {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array of posts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Elements<'de>, A::Error> {
                let mut kept = Vec::new();
                while kept.len() < BATCH_MAX_ITEMS {
                    let Some(element) = array.next_element()? else {
                        break;
                    };
                    kept.push(element);
                }
                let mut count = kept.len();
                while array.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Elements { kept, count })
            }
        }

        deserializer.deserialize_seq(Elementwise)
    }
}
