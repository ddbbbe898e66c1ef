//! A piece of work's place in a trace that goes through many processes, as W3C Trace Context
//! writes it, and how a span takes that place.
//!
//! Spans are `tracing`'s, all of them with the target [`SPANS`], so that one switch makes them
//! or leaves them out:
//!
//! ```
//! use hubbub_trace::{SPANS, TraceParent};
//!
//! let client = TraceParent::parse(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
//! let span = tracing::info_span!(target: SPANS, "greet");
//! if let Some(client) = &client {
//!     client.adopt(&span);
//! }
//! ```
//!
//! This crate must not know where spans are sent, nor what hubbub's work is.

mod traceparent;

pub use traceparent::{TRACEPARENT, TraceParent};

use opentelemetry::trace::TraceContextExt;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The target of every span. Log lines never have it.
pub const SPANS: &str = "hubbub_trace::spans";

/// Gives a span another name. (The field `otel.name` is looked at when a span begins, and not after.)
pub fn rename(span: &Span, name: String) {
    span.context().span().update_name(name);
}
