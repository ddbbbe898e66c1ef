//! A collector of traces (OTLP over HTTP), which keeps what it is sent.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
    common::v1::{AnyValue, KeyValue, any_value::Value},
    trace::v1::{Span as Sent, span::SpanKind, status::StatusCode as SpanStatus},
};
use prost::Message;
use tokio::{net::TcpListener, task::AbortHandle};

/// A running collector, which ends when this is dropped.
#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    spans: Spans,
    serving: AbortHandle,
}

type Spans = Arc<Mutex<Vec<Span>>>;

/// A span, with its ids as `traceparent` writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The process's `service.name`.
    pub service: String,
    /// What it is a span of.
    pub name: String,
    /// `Server`, `Client`, `Producer`, `Consumer` or `Internal`.
    pub kind: SpanKind,
    /// The trace that it belongs to.
    pub trace_id: String,
    /// Its own id.
    pub span_id: String,
    /// The span that it is below; empty where it is the first.
    pub parent_id: String,
    /// When it began and ended, in nanoseconds since 1970.
    pub times: (u64, u64),
    /// What is told of it, as text.
    pub attributes: BTreeMap<String, String>,
    /// The ids of the spans that it is linked with.
    pub links: Vec<String>,
    /// Whether it says that something went wrong.
    pub is_error: bool,
}

impl Collector {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// Where there is none.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.unwrap_or_else(|error| panic!("no port for a collector: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let spans = Spans::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&spans));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, spans, serving: serving.abort_handle() }
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is to say.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The spans that have come so far.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        kept(&self.spans).clone()
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(spans): State<Spans>, body: Bytes) -> Result<Vec<u8>, StatusCode> {
    let request = ExportTraceServiceRequest::decode(body).map_err(|_| StatusCode::BAD_REQUEST)?;
    for of_process in request.resource_spans {
        let resource = of_process.resource.unwrap_or_default();
        let service = texts(resource.attributes).remove("service.name").unwrap_or_default();
        let sent = of_process.scope_spans.into_iter().flat_map(|scope| scope.spans);
        kept(&spans).extend(sent.map(|span| Span::of(service.clone(), span)));
    }
    Ok(ExportTraceServiceResponse::default().encode_to_vec())
}

fn kept(spans: &Spans) -> MutexGuard<'_, Vec<Span>> {
    spans.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Span {
    fn of(service: String, span: Sent) -> Self {
        let kind = span.kind();
        let is_error = span.status.is_some_and(|status| status.code() == SpanStatus::Error);
        Self {
            service,
            name: span.name,
            kind,
            trace_id: hex(&span.trace_id),
            span_id: hex(&span.span_id),
            parent_id: hex(&span.parent_span_id),
            times: (span.start_time_unix_nano, span.end_time_unix_nano),
            attributes: texts(span.attributes),
            links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
            is_error,
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn texts(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    let text = |value: AnyValue| match value.value {
        Some(Value::StringValue(text)) => text,
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is)) => is.to_string(),
        other => format!("{other:?}"),
    };
    let pairs = attributes.into_iter();
    pairs.map(|pair| (pair.key, pair.value.map(text).unwrap_or_default())).collect()
}
