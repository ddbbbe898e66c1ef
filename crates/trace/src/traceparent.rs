//! `traceparent` (W3C Trace Context, section 3.2).

use bytes::Bytes;
use opentelemetry::{
    Context,
    trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The name of the header, of a request and of a record.
pub const TRACEPARENT: &str = "traceparent";

/// The length of `version "-" trace-id "-" parent-id "-" flags`.
const LENGTH: usize = 55;

/// A place in a trace: what is done for it goes below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceParent {
    text: Bytes,
    context: SpanContext,
}

impl TraceParent {
    /// Reads the header's value; `None` where it is not well-formed, which the standard has
    /// everybody ignore. Of a later version what this one knows is kept.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (head, rest) = value.split_at_checked(LENGTH)?;
        let parts: Vec<&str> = std::str::from_utf8(head).ok()?.split('-').collect();
        let [version, trace_id, parent_id, flags] = parts[..] else {
            return None;
        };
        let is_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let is_formed = [version, trace_id, parent_id, flags].map(str::len) == [2, 32, 16, 2]
            && parts.iter().all(|part| is_hex(part))
            && match version {
                "ff" => false,
                "00" => rest.is_empty(),
                // A later version may go on behind another dash.
                _ => rest.is_empty() || rest.starts_with(b"-"),
            };
        if !is_formed {
            return None;
        }
        let context = SpanContext::new(
            TraceId::from_hex(trace_id).ok()?,
            SpanId::from_hex(parent_id).ok()?,
            TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
            true,
            TraceState::NONE,
        );
        Self::at(context)
    }

    fn at(context: SpanContext) -> Option<Self> {
        if !context.is_valid() {
            return None;
        }
        let (trace_id, span_id) = (context.trace_id(), context.span_id());
        let text = format!("00-{trace_id}-{span_id}-{:02x}", context.trace_flags().to_u8());
        Some(Self { text: text.into(), context })
    }

    /// The place of a span; `None` where spans are not made.
    #[must_use]
    pub fn of(span: &Span) -> Option<Self> {
        if span.is_disabled() {
            return None;
        }
        Self::at(span.context().span().span_context().clone())
    }

    /// The header's value.
    #[must_use]
    pub fn value(&self) -> Bytes {
        self.text.clone()
    }

    /// Whether whoever began the trace keeps it.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.context.is_sampled()
    }

    /// Puts a span below this place. The span must be new.
    pub fn adopt(&self, span: &Span) {
        let parent = Context::new().with_remote_span_context(self.context.clone());
        // Where spans are not made there is nothing to adopt.
        let _ = span.set_parent(parent);
    }

    /// Notes that a span works for this place too, below which it is not.
    pub fn link(&self, span: &Span) {
        span.add_link(self.context.clone());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

    use super::*;

    const IDS: &str = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

    #[test]
    fn what_the_standard_allows_is_read() {
        for (value, is_sampled) in [
            (format!("00-{IDS}-01"), true),
            (format!("00-{IDS}-00"), false),
            (format!("00-{IDS}-ff"), true),
            (format!("01-{IDS}-01"), true),
            (format!("01-{IDS}-01-later"), true),
        ] {
            let read = TraceParent::parse(value.as_bytes()).unwrap();
            assert_eq!(read.value(), format!("00-{}", &value[3..55]));
            assert_eq!(read.is_sampled(), is_sampled, "{value}");
        }
    }

    #[test]
    fn what_it_does_not_allow_is_ignored() {
        let zeros = |count| "0".repeat(count);
        for value in [
            String::new(),
            format!("00-{IDS}"),
            format!("00-{IDS}-0"),
            format!("00-{IDS}-01-later"),
            format!("01-{IDS}-01later"),
            format!("ff-{IDS}-01"),
            format!("00-{}-01", IDS.to_uppercase()),
            format!("00-{}-b7ad6b7169203331-01", zeros(32)),
            format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", zeros(16)),
            format!("00-{IDS}-0ä"),
        ] {
            assert_eq!(TraceParent::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn a_span_that_is_not_made_has_no_place() {
        let span = tracing::info_span!(target: crate::SPANS, "nothing listens");
        assert_eq!(TraceParent::of(&span), None);
    }
}
