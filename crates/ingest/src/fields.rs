//! What a body may say about a post, and the checks of its values.

use std::{borrow::Cow, collections::BTreeMap};

use hubbub_events::{
    Id,
    hashtags::{HashtagError, normalize_field},
    limits::CONTENT_MAX_BYTES,
};
use hubbub_web::{FieldError, Problem, ProblemType, parse_json};
use serde::{Deserialize, de::IgnoredAny};

/// A string of a body, borrowed from it unless it has escapes. (Within an `Option`, serde borrows no bare `Cow`.)
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl Text<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0.into_owned()
    }
}

/// The body of a create. Null is as good as absent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPost<'a> {
    #[serde(borrow)]
    pub(crate) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) user_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) content: Text<'a>,
    pub(crate) hashtags: Option<Vec<String>>,
}

/// The body of an edit. Null is as good as absent: it stays as it was.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PostEdit<'a> {
    #[serde(borrow)]
    pub(crate) user_id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) content: Option<Text<'a>>,
    pub(crate) hashtags: Option<Vec<String>>,
}

/// Parses a document that must be an object: serde would take a struct's values from an array too.
pub(crate) fn parse_object<'a, T: Deserialize<'a>>(document: &'a [u8]) -> Result<T, Problem> {
    if document.trim_ascii_start().first() != Some(&b'{') {
        parse_json::<BTreeMap<Cow<'_, str>, IgnoredAny>>(document)?;
    }
    parse_json(document)
}

/// A post's id as a body may have it: the client's own.
pub(crate) fn check_own_id(id: Text<'_>) -> Result<Id, Problem> {
    Id::client(id.into_string()).map_err(|error| Problem::invalid("id", error.to_string()))
}

/// A post's id as a path may have it: of either form.
pub(crate) fn check_path_id(id: String) -> Result<Id, Problem> {
    Id::any(id).map_err(|error| Problem::invalid("id", error.to_string()))
}

pub(crate) fn check_content(content: &str) -> Result<(), Problem> {
    if content.is_empty() {
        let detail = format!("it is empty; allowed are 1 to {CONTENT_MAX_BYTES} bytes of UTF-8");
        return Err(Problem::invalid("content", detail));
    }
    if content.len() > CONTENT_MAX_BYTES {
        let bytes = content.len();
        let detail =
            format!("content has {bytes} bytes of UTF-8; allowed are 1 to {CONTENT_MAX_BYTES}");
        return Err(Problem::new(ProblemType::TooLarge, detail).with("limit", CONTENT_MAX_BYTES));
    }
    if let Some(at) = content.find('\0') {
        let detail =
            format!("there is a NUL (U+0000) at byte {at}; every other character is allowed");
        return Err(Problem::invalid("content", detail));
    }
    Ok(())
}

/// The hashtags as they are kept.
pub(crate) fn check_hashtags(hashtags: &[String]) -> Result<Vec<String>, Problem> {
    normalize_field(hashtags).map_err(|error| {
        let (index, value, detail) = match error {
            HashtagError::NotAHashtag { index, value, fault } => (index, value, fault.to_string()),
            HashtagError::TooMany { index, ref value } => (index, value.clone(), error.to_string()),
        };
        let field = format!("hashtags[{index}]");
        let value = Some(value.into());
        Problem::of_fields(ProblemType::ValidationFailed, vec![FieldError { field, value, detail }])
    })
}
