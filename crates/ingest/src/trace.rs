//! `traceparent` (W3C Trace Context, section 3.2), handed on with the event.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use bytes::Bytes;
use http::request::Parts;

/// The name of the header, of the request and of the record.
pub(crate) const TRACEPARENT: &str = "traceparent";

/// The request's place in a trace; `None` where it has none, or one that is not well-formed, which the standard has
/// everybody ignore.
#[derive(Debug, Clone)]
pub(crate) struct TraceParent(pub(crate) Option<Bytes>);

impl<S: Send + Sync> FromRequestParts<S> for TraceParent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let mut fields = parts.headers.get_all(TRACEPARENT).iter();
        let (field, others) = (fields.next(), fields.next());
        let alone = field.filter(|_| others.is_none());
        let formed = alone.filter(|field| is_well_formed(field.as_bytes()));
        Ok(Self(formed.map(|field| Bytes::copy_from_slice(field.as_bytes()))))
    }
}

/// `version "-" trace-id "-" parent-id "-" flags`, in lower case. A later version may go on behind another dash.
fn is_well_formed(field: &[u8]) -> bool {
    let Some((head, rest)) = field.split_at_checked(55) else {
        return false;
    };
    let parts: Vec<&[u8]> = head.split(|b| *b == b'-').collect();
    let [version, trace_id, parent_id, flags] = parts[..] else {
        return false;
    };
    let lengths = [version, trace_id, parent_id, flags].map(<[u8]>::len);
    let is_hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let is_zero = |part: &[u8]| part.iter().all(|b| *b == b'0');
    lengths == [2, 32, 16, 2]
        && [version, trace_id, parent_id, flags].into_iter().all(is_hex)
        && !is_zero(trace_id)
        && !is_zero(parent_id)
        && match version {
            b"ff" => false,
            b"00" => rest.is_empty(),
            _ => rest.is_empty() || rest.starts_with(b"-"),
        }
}
