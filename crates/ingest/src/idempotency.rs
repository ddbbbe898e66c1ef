//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a retry under the same key is the same create.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use http::request::Parts;
use hubbub_events::{Id, limits::ID_MAX_BYTES};
use hubbub_web::{Problem, ProblemType};

use crate::{
    actor::Actor,
    fields::{Text, check_own_id},
};

const HEADER: &str = "idempotency-key";

/// The request's key, as the client means it: without the quotes that it may be written in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IdempotencyKey(Option<String>);

impl IdempotencyKey {
    /// The id of a post to create: derived from the key, the client's own, or minted. `index` is the item's in a batch.
    pub(crate) fn id_of(
        &self,
        own: Option<Text<'_>>,
        actor: &Actor,
        index: Option<usize>,
    ) -> Result<Id, Problem> {
        match (&self.0, own) {
            (None, None) => Ok(Id::mint()),
            (None, Some(id)) => check_own_id(id),
            (Some(_), Some(id)) => Err(invalid(format!(
                "the post has the id {:?}, and with an Idempotency-Key its id is made from the key: send one of the two",
                id.as_str()
            ))),
            (Some(key), None) => match actor.user_id() {
                Some(user_id) => Ok(Id::derived(user_id, key, index)),
                None => Err(invalid(
                    "an Idempotency-Key belongs to a user, and the post names none: send its user_id",
                )),
            },
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let mut fields = parts.headers.get_all(HEADER).iter();
        let Some(field) = fields.next() else {
            return Ok(Self(None));
        };
        if fields.next().is_some() {
            return Err(invalid("there is more than one Idempotency-Key; allowed is one"));
        }
        parse(field.as_bytes()).map(Some).map(Self)
    }
}

fn parse(field: &[u8]) -> Result<String, Problem> {
    let text =
        std::str::from_utf8(field).ok().filter(|text| text.bytes().all(|b| b.is_ascii_graphic()));
    let key = text.and_then(|text| match text.strip_prefix('"') {
        None => Some(text.to_owned()),
        Some(rest) => unquote(rest.strip_suffix('"')?),
    });
    key.filter(|key| (1..=ID_MAX_BYTES).contains(&key.len())).ok_or_else(|| {
        let shown: String = String::from_utf8_lossy(field).chars().take(ID_MAX_BYTES).collect();
        invalid(format!(
            "{shown:?} is not allowed as an Idempotency-Key: it is 1 to {ID_MAX_BYTES} visible ASCII characters, bare or \
             in double quotes"
        ))
    })
}

/// The inside of a quoted string (RFC 9651, section 3.3.3), without its escapes.
fn unquote(quoted: &str) -> Option<String> {
    let mut key = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        key.push(match character {
            '"' => return None,
            '\\' => characters.next().filter(|escaped| matches!(escaped, '"' | '\\'))?,
            other => other,
        });
    }
    Some(key)
}

fn invalid(detail: impl Into<Cow<'static, str>>) -> Problem {
    Problem::new(ProblemType::InvalidIdempotencyKey, detail)
}
