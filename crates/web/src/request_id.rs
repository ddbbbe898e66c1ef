//! The id of a request, which every response, problem document and log line of it carries.

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::context;

pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// 1 to 128 visible ASCII characters: the client's own, or a UUID v7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id of the request that is being answered by the current task: for log formatters, and for what a handler
    /// hands to other tasks. `None` outside of an [`Edge`](crate::Edge), spawned tasks included.
    pub fn current() -> Option<Self> {
        context::with(|context| context.request_id.clone())
    }

    /// Takes the client's id; mints one where there is none, or none that is allowed.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        headers
            .get(X_REQUEST_ID)
            .filter(|value| is_allowed(value.as_bytes()))
            .map_or_else(Self::mint, |value| Self(value.clone()))
    }

    pub(crate) fn mint() -> Self {
        let mut buffer = Uuid::encode_buffer();
        let text = Uuid::now_v7().hyphenated().encode_lower(&mut buffer);
        Self(HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-")))
    }

    /// The id's characters.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub(crate) fn header_value(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn is_allowed(id: &[u8]) -> bool {
    (1..=128).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}
