//! The parameters of a route's path.

use axum::extract::{FromRequestParts, RawPathParams, path::ErrorKind, rejection::PathRejection};
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    problem::{FieldError, Problem},
    problem_type::ProblemType,
};

/// The path's parameters as a `T`: one value, or a struct with the parameters' names. What is not UTF-8 is 400, what `T`
/// refuses is 422, by the parameter's name; where there are several, axum can tell which one only for checks that a type
/// makes within its visitor.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let error = match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(parameters)) => return Ok(Self(parameters)),
            Err(PathRejection::FailedToDeserializePathParams(error)) => error.into_kind(),
            Err(error) => return Err(Problem::internal(error)),
        };
        let parameters = RawPathParams::from_request_parts(parts, state).await;
        let parameters: Vec<_> = parameters.iter().flatten().collect();
        Err(refused(error, &parameters))
    }
}

/// What a `T` that was refused says to the client. axum names a parameter only where `T` has names or places for them.
fn refused(error: ErrorKind, parameters: &[(&str, &str)]) -> Problem {
    match error {
        ErrorKind::InvalidUtf8InPathParam { key } => {
            let detail = format!("the path's {key} is not percent-encoded UTF-8");
            Problem::new(ProblemType::MalformedRequest, detail)
        }
        ErrorKind::DeserializeError { key, value, message } => not_allowed(key, value, message),
        ErrorKind::ParseErrorAtKey { key, value, expected_type } => {
            not_allowed(key, value, format!("{expected_type} is expected"))
        }
        ErrorKind::ParseErrorAtIndex { index, value, expected_type } => {
            let name = parameters.get(index).map_or("path", |(name, _)| name);
            not_allowed(name, value, format!("{expected_type} is expected"))
        }
        ErrorKind::ParseError { expected_type, .. } => {
            refused_alone(parameters, format!("{expected_type} is expected"))
        }
        ErrorKind::Message(message) => refused_alone(parameters, message),
        other => Problem::internal(other),
    }
}

/// The problem of a `T` that is one value, so of the path's only parameter.
fn refused_alone(parameters: &[(&str, &str)], detail: String) -> Problem {
    match *parameters {
        [(name, value)] => not_allowed(name, value, detail),
        _ => Problem::invalid("path", detail),
    }
}

fn not_allowed(name: impl Into<String>, value: impl Into<Value>, detail: String) -> Problem {
    let error = FieldError { field: name.into(), value: Some(value.into()), detail };
    Problem::of_fields(ProblemType::ValidationFailed, vec![error])
}
