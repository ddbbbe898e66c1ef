//! Strict JSON: what is not JSON is told apart from JSON that is not allowed, and both say where.

use axum::{
    extract::{FromRequest, Request},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    body::{outside_of_an_edge, read_body},
    context,
    json_fault::{diagnose, not_utf8},
    media_type::media_type,
    problem::Problem,
};

/// A JSON body, as an argument of a handler and as its answer.
///
/// As an argument: `application/json` in UTF-8, at most `max_body_bytes` of the port's settings. Types should derive
/// `Deserialize` with `deny_unknown_fields`: an unknown or repeated field is then refused by its name.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        parse_json(&read_json(request).await?).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(http::header::CONTENT_TYPE, "application/json")], body).into_response(),
            Err(error) => Problem::internal(error).into_response(),
        }
    }
}

/// Reads a body of `application/json` whole, under the limits of [`Json`], for those whose types borrow from it.
pub async fn read_json(request: Request) -> Result<Bytes, Problem> {
    media_type(request.headers(), &["application/json"])?;
    let limit = context::with(|context| context.limits.max_body).ok_or_else(outside_of_an_edge)?;
    read_body(request, limit).await
}

/// Parses one JSON document: a body, a line of a batch, an item of an array.
///
/// Not JSON is `malformed-json` with line and column. JSON that is not a `T` is `unknown-field` or
/// `validation-failed`, naming the field, its value and what is expected.
pub fn parse_json<'de, T: Deserialize<'de>>(document: &'de [u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(document).map_err(not_utf8)?;
    // The error is looked into only when there is one: keeping track of the path makes parsing twice as slow.
    serde_json::from_str(text).map_err(|error| diagnose::<T>(text, &error))
}
