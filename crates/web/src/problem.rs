//! Problem documents (RFC 9457): the one form of every error that a client sees.

use std::{borrow::Cow, error::Error, fmt, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, header};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

use crate::{context, problem_type::ProblemType};

/// An error as a client sees it. As a response it names the request's path in `instance` and carries `request_id`;
/// serialized, for an item of a batch or a receipt, it does neither.
#[derive(Debug)]
pub struct Problem(Box<Document>);

#[derive(Debug)]
struct Document {
    kind: ProblemType,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    extensions: Vec<(&'static str, Value)>,
    headers: Vec<(HeaderName, HeaderValue)>,
    retry_after: Option<Duration>,
    cause: Option<String>,
}

/// One value that a request may not have; an element of the extension member `errors`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldError {
    /// Where it stands: `content`, `hashtags[3]`, the name of a parameter, or `body` for the whole.
    pub field: String,
    /// The value, where it is small enough to repeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// What is wrong, and what is allowed.
    pub detail: String,
}

/// For the access log, in the extensions of a response.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ProblemType,
    pub(crate) detail: String,
}

impl Problem {
    /// A problem of this occurrence: the detail names the thing, its value and what is allowed.
    pub fn new(kind: ProblemType, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Document {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            extensions: Vec::new(),
            headers: Vec::new(),
            retry_after: kind.retry_after(),
            cause: None,
        }))
    }

    /// A failure of the server. The cause is for the log alone; the client gets the request's id to report.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(
            ProblemType::Internal,
            "the request failed for a reason that is not yours; the server's log has it under this request_id",
        )
        .caused_by(cause)
    }

    /// One value that is not allowed, by the field's name.
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::of_fields(
            ProblemType::ValidationFailed,
            vec![FieldError { field: field.into(), value: None, detail: detail.into() }],
        )
    }

    /// A problem with fields, all of which are listed in `errors`.
    pub fn of_fields(kind: ProblemType, errors: Vec<FieldError>) -> Self {
        let detail = errors
            .iter()
            .map(|error| format!("{}: {}", error.field, error.detail))
            .collect::<Vec<_>>()
            .join("; ");
        let mut problem = Self::new(kind, detail);
        problem.0.errors = errors;
        problem
    }

    /// Adds an extension member.
    #[must_use]
    pub fn with(mut self, member: &'static str, value: impl Into<Value>) -> Self {
        self.0.extensions.push((member, value.into()));
        self
    }

    /// Adds a header field to the response.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.push((name, value));
        self
    }

    /// Says when to try again, in place of the type's own delay.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.0.retry_after = Some(delay);
        self
    }

    /// Keeps what led here for the log; clients never see it.
    #[must_use]
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// Closes the connection behind the response: the rest of the request will not be read.
    pub(crate) fn closing(self) -> Self {
        self.header(header::CONNECTION, HeaderValue::from_static("close"))
    }

    /// What kind of problem this is.
    pub fn kind(&self) -> ProblemType {
        self.0.kind
    }

    /// What is the matter in this occurrence.
    pub fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The fields that are at fault, if the problem is about fields.
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    fn serialize_members<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        let Document { kind, detail, errors, extensions, .. } = &*self.0;
        map.serialize_entry("type", kind.uri())?;
        map.serialize_entry("title", kind.title())?;
        map.serialize_entry("status", &kind.status().as_u16())?;
        map.serialize_entry("detail", detail)?;
        if !errors.is_empty() {
            map.serialize_entry("errors", errors)?;
        }
        for (member, value) in extensions {
            map.serialize_entry(member, value)?;
        }
        Ok(())
    }
}

impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_members(&mut map)?;
        map.end()
    }
}

/// The document of a whole response, which belongs to one request.
pub(crate) struct Occurrence<'a> {
    pub(crate) problem: &'a Problem,
    pub(crate) instance: Option<&'a str>,
    pub(crate) request_id: &'a str,
}

impl Serialize for Occurrence<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.problem.serialize_members(&mut map)?;
        if let Some(instance) = self.instance {
            map.serialize_entry("instance", instance)?;
        }
        map.serialize_entry("request_id", self.request_id)?;
        map.end()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = context::with(|context| {
            serde_json::to_vec(&Occurrence {
                problem: &self,
                instance: Some(context.path()),
                request_id: context.request_id.as_str(),
            })
        })
        .unwrap_or_else(|| serde_json::to_vec(&self))
        .unwrap_or_default();
        let Document { kind, detail, headers: own, retry_after, cause, .. } = *self.0;
        let mut response = Response::new(Body::from(document));
        *response.status_mut() = kind.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, PROBLEM_JSON);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(delay) = retry_after {
            headers.insert(header::RETRY_AFTER, whole_seconds(delay).into());
        }
        headers.extend(own.into_iter().map(|(name, value)| (Some(name), value)));
        response
            .extensions_mut()
            .insert(Failure { kind, detail: cause.unwrap_or_else(|| detail.into_owned()) });
        response
    }
}

/// The media type of RFC 9457.
pub(crate) const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// `Retry-After` counts whole seconds: rounded up, as a client that comes early comes twice.
fn whole_seconds(delay: Duration) -> u64 {
    delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0))
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind.slug(), self.0.detail)
    }
}

impl Error for Problem {}
