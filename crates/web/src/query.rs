//! Strict query strings: every parameter is known, stands once, and is text in UTF-8.

use std::borrow::Cow;

use axum::extract::FromRequestParts;
use http::request::Parts;
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    problem::{FieldError, Problem},
    problem_type::ProblemType,
};

/// The query's parameters as a `T`, which should derive `Deserialize` with `deny_unknown_fields`. Whatever is wrong is
/// 400 `malformed-request`, by the parameter's name.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

/// For routes without parameters: a query is refused by the name of its first parameter.
#[derive(Clone, Copy, Debug)]
pub struct NoQuery;

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parse_query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match parts.uri.query() {
            None | Some("") => Ok(Self),
            Some(query) => match parameters(query)?.into_iter().next() {
                None => Ok(Self),
                Some((name, _)) => {
                    Err(refused(&name, None, "this route takes no query parameters"))
                }
            },
        }
    }
}

fn parse_query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    let parameters = parameters(query)?;
    for (index, (name, value)) in parameters.iter().enumerate() {
        if parameters[..index].iter().any(|(earlier, _)| earlier == name) {
            return Err(refused(name, Some(value), "the parameter is given more than once"));
        }
    }
    let deserializer =
        serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
    serde_path_to_error::deserialize(deserializer).map_err(|error| {
        let message = error.inner().to_string();
        let named = message.split_once(" field `").and_then(|(_, rest)| rest.split('`').next());
        let path = error.path().to_string();
        let name = named.unwrap_or(&path);
        let value = parameters.iter().find(|(n, _)| n == name).map(|(_, v)| &**v);
        refused(name, value, &message.replacen(" field `", " parameter `", 1))
    })
}

/// The decoded names and values, in order.
fn parameters(query: &str) -> Result<Vec<(String, String)>, Problem> {
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(|| undecodable(name))?;
            let value = decode(value).ok_or_else(|| undecodable(&name))?;
            Ok((name, value))
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let whole = spaced.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes();
        digits.len() >= 2 && digits[..2].iter().all(u8::is_ascii_hexdigit)
    });
    if !whole {
        return None;
    }
    percent_decode(spaced.as_bytes()).decode_utf8().ok().map(Cow::into_owned)
}

fn undecodable(name: &str) -> Problem {
    refused(name, None, "the parameter is not percent-encoded UTF-8")
}

fn refused(name: &str, value: Option<&str>, detail: &str) -> Problem {
    let error = FieldError {
        field: name.to_owned(),
        value: value.map(Value::from),
        detail: detail.to_owned(),
    };
    Problem::of_fields(ProblemType::MalformedRequest, vec![error])
}
