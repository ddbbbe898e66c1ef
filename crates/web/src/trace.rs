//! A request as a span, in the words of OpenTelemetry's semantic conventions for HTTP.

use axum::extract::Request;
use http::HeaderMap;
use hubbub_trace::{SPANS, TRACEPARENT, TraceParent};
use tracing::{Span, field::Empty};

use crate::{
    access::{Exchange, known_method},
    request_id::RequestId,
};

/// Where the client says that its request stands in a trace. Of several such headers none counts.
pub(crate) fn client(headers: &HeaderMap) -> Option<TraceParent> {
    let mut fields = headers.get_all(TRACEPARENT).iter();
    match (fields.next(), fields.next()) {
        (Some(field), None) => TraceParent::parse(field.as_bytes()),
        _ => None,
    }
}

/// The span of a request that begins, below the client's.
pub(crate) fn span(
    request: &Request,
    request_id: &RequestId,
    client: Option<&TraceParent>,
) -> Span {
    let method = known_method(request.method());
    let span = tracing::info_span!(
        target: SPANS,
        "request",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = if method == "other" { "_OTHER" } else { method },
        http.response.status_code = Empty,
        http.route = Empty,
        url.scheme = "http",
        url.path = request.uri().path(),
        request_id = request_id.as_str(),
    );
    if let Some(client) = client {
        client.adopt(&span);
    }
    span
}

/// Notes what became of it.
pub(crate) fn record(span: &Span, exchange: &Exchange<'_>) {
    if span.is_disabled() {
        return;
    }
    let status = exchange.response.status();
    span.record("http.response.status_code", status.as_u16());
    if let Some(route) = exchange.route {
        hubbub_trace::rename(span, format!("{} {route}", known_method(exchange.method)));
        span.record("http.route", route);
    }
    // What the client did wrong is no error of the server's.
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}
