//! `If-Match` (RFC 9110, section 13.1.1): an edit of the version that its author saw.

use axum::extract::FromRequestParts;
use http::{header::IF_MATCH, request::Parts};
use hubbub_web::{Problem, ProblemType};

/// The one version that an edit is for; `None`: whichever it meets.
#[derive(Debug)]
pub(crate) struct IfMatch(pub(crate) Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut fields = parts.headers.get_all(IF_MATCH).iter();
        let Some(field) = fields.next() else {
            return Ok(Self(None));
        };
        let version = field.to_str().ok().and_then(version);
        match (version, fields.next()) {
            (Some(version), None) => Ok(Self(Some(version))),
            _ => Err(invalid(&format!(
                "If-Match is {field:?}; allowed is one version from 1 on in double quotes, as a post's ETag has it: \"3\" \
                 (no list, no weak tag, no *)"
            ))),
        }
    }
}

/// For deletes, which take no version: a condition that is ignored would be a promise broken.
#[derive(Debug)]
pub(crate) struct Unconditional;

impl<S: Send + Sync> FromRequestParts<S> for Unconditional {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match parts.headers.get(IF_MATCH) {
            None => Ok(Self),
            Some(field) => Err(invalid(&format!(
                "If-Match is {field:?}, and only an edit takes one; a delete is of whichever version it meets"
            ))),
        }
    }
}

fn version(tag: &str) -> Option<i64> {
    let digits = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
    let version: i64 = digits.parse().ok()?;
    // An ETag is compared by its characters: "+3" and "03" are no version's.
    (version >= 1 && version.to_string() == digits).then_some(version)
}

fn invalid(detail: &str) -> Problem {
    Problem::new(ProblemType::InvalidIfMatch, detail.to_owned())
}
