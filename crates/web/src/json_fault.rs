//! What is wrong with a JSON document that could not be read, said so that its sender can mend it.

use std::str::Utf8Error;

use serde::{Deserialize, de::IgnoredAny};
use serde_json::{Deserializer, Value, error::Category};
use serde_path_to_error::{Path, Segment};

use crate::{
    problem::{FieldError, Problem},
    problem_type::ProblemType,
};

/// Longer strings are not repeated in an answer.
const LONGEST_VALUE: usize = 128;

pub(crate) fn not_utf8(error: Utf8Error) -> Problem {
    let at = error.valid_up_to();
    Problem::new(
        ProblemType::MalformedJson,
        format!("JSON is text in UTF-8, and the byte at offset {at} is not"),
    )
    .with("offset", at)
}

pub(crate) fn diagnose<'de, T: Deserialize<'de>>(
    text: &'de str,
    error: &serde_json::Error,
) -> Problem {
    if error.classify() != Category::Data {
        return malformed(text, error);
    }
    // A wrong value may stand before the place where the document stops being JSON.
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        return malformed(text, &error);
    }
    let mut deserializer = Deserializer::from_str(text);
    match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        Err(error) => not_allowed(text, error.path(), error.inner()),
        // The type refuses what it took with the path recorded: it is not a pure function of its input.
        Ok(_) => Problem::invalid("body", message_of(error)),
    }
}

fn malformed(text: &str, error: &serde_json::Error) -> Problem {
    if text.trim().is_empty() {
        let detail = "the body is empty; a JSON document is expected";
        return Problem::new(ProblemType::MalformedJson, detail);
    }
    Problem::new(ProblemType::MalformedJson, error.to_string())
        .with("line", error.line())
        .with("column", error.column())
}

fn not_allowed(text: &str, path: &Path, error: &serde_json::Error) -> Problem {
    let message = message_of(error);
    // serde names the field of these three in its message, and its path leads to the object around it or to the field.
    let named = |prefix: &str| {
        let rest = message.strip_prefix(prefix)?;
        Some(rest.split('`').next().unwrap_or_default().to_owned())
    };
    let (kind, field) = if let Some(name) = named("unknown field `") {
        (ProblemType::UnknownField, field_in(path, &name))
    } else if let Some(name) = named("missing field `").or_else(|| named("duplicate field `")) {
        (ProblemType::ValidationFailed, field_in(path, &name))
    } else {
        (ProblemType::ValidationFailed, field_at(path.iter()))
    };
    let error = FieldError { field, value: value_at(text, path), detail: message };
    Problem::of_fields(kind, vec![error])
}

/// serde_json appends the place, which says less than the path does.
fn message_of(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = error.to_string();
    message.strip_suffix(&place).unwrap_or(&message).to_owned()
}

fn field_in(path: &Path, name: &str) -> String {
    let segments: Vec<_> = path.iter().collect();
    let around = match segments.split_last() {
        Some((Segment::Map { key }, around)) if key == name => around,
        _ => &segments,
    };
    let around = field_at(around.iter().copied());
    if around == "body" {
        return name.to_owned();
    }
    format!("{around}.{name}")
}

fn field_at<'a>(segments: impl Iterator<Item = &'a Segment>) -> String {
    let mut field = String::new();
    for segment in segments {
        match segment {
            Segment::Seq { index } => field.push_str(&format!("[{index}]")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                if !field.is_empty() {
                    field.push('.');
                }
                field.push_str(key);
            }
            Segment::Unknown => field.push('?'),
        }
    }
    if field.is_empty() {
        return "body".to_owned();
    }
    field
}

/// The value that the path leads to, if it is a short scalar.
fn value_at(text: &str, path: &Path) -> Option<Value> {
    let document: Value = serde_json::from_str(text).ok()?;
    let mut value = &document;
    for segment in path.iter() {
        value = match segment {
            Segment::Seq { index } => value.get(index)?,
            Segment::Map { key } => value.get(key)?,
            Segment::Enum { .. } | Segment::Unknown => return None,
        };
    }
    match value {
        Value::String(text) if text.len() > LONGEST_VALUE => None,
        Value::Array(_) | Value::Object(_) => None,
        scalar => Some(scalar.clone()),
    }
}
