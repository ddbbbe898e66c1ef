//! What every route of every port has in common, put around a router.

use std::{
    any::Any,
    cell::{OnceCell, RefCell},
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::Arc,
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    response::{IntoResponse, Response},
};
use futures::FutureExt;
use http::{HeaderValue, Method, Uri, header, uri::PathAndQuery};
use hubbub_trace::TraceParent;
use tokio::time::Instant;
use tower::{Service, layer::layer_fn};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer, ExposeHeaders};
use tracing::{Instrument, Span};

use crate::{
    access::{self, Durations},
    context::{self, CONTEXT, Context},
    limits::ReadLimits,
    problem::Problem,
    problem_type::ProblemType,
    request_id::{RequestId, X_REQUEST_ID},
    settings::{HttpSettings, Origin},
    trace,
};

/// A router in the dress that all ports share:
///
/// - a request id on every response;
/// - a trailing slash served like none;
/// - unknown routes, methods and panics answered with problem documents, the latter logged;
/// - `Cache-Control: no-store` on reads that do not say otherwise;
/// - CORS for the configured origins, and for no other;
/// - one log line a request, the histogram `http_server_request_duration_seconds`, and a span below the client's.
///
/// A handler runs within its connection: when the client goes away, its future is dropped where it stands.
#[derive(Clone)]
pub struct Edge {
    router: Router,
    limits: Arc<ReadLimits>,
    durations: Arc<Durations>,
    is_traced: bool,
}

impl Edge {
    /// Dresses a complete router; its own fallbacks are replaced.
    pub fn new(router: Router, settings: &HttpSettings) -> Self {
        let mut router = router
            .fallback(not_found)
            .method_not_allowed_fallback(method_not_allowed)
            .layer(layer_fn(RecordRoute));
        if !settings.cors_origins.is_empty() {
            router = router.layer(cors(&settings.cors_origins));
        }
        let (limits, durations) = (Arc::new(ReadLimits::new(settings)), Arc::default());
        Self { router, limits, durations, is_traced: true }
    }

    /// Without spans, for what probes ask every other second.
    #[must_use]
    pub fn untraced(self) -> Self {
        Self { is_traced: false, ..self }
    }

    /// Answers one request, as a [`Server`](crate::Server) does for each that it reads.
    pub async fn respond(&self, request: Request) -> Response {
        self.respond_since(request, Instant::now()).await
    }

    /// Answers a request whose first byte came at `started`.
    pub(crate) async fn respond_since(&self, mut request: Request, started: Instant) -> Response {
        let method = request.method().clone();
        let request_id = RequestId::of(request.headers());
        let client = trace::client(request.headers());
        let span = match self.is_traced {
            true => trace::span(&request, &request_id, client.as_ref()),
            false => Span::none(),
        };
        let context = Context {
            request_id: request_id.clone(),
            uri: request.uri().clone(),
            started,
            trace: TraceParent::of(&span).or(client),
            limits: Arc::clone(&self.limits),
            route: OnceCell::new(),
            body_memory: RefCell::new(None),
        };
        if let Some(uri) = without_trailing_slash(request.uri()) {
            *request.uri_mut() = uri;
        }
        let answering =
            AssertUnwindSafe(self.router.clone().call(request)).catch_unwind().map(conclude);
        let (mut response, route) =
            CONTEXT.scope(context, answering).instrument(span.clone()).await;

        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, request_id.header_value());
        if method == Method::GET || method == Method::HEAD {
            headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        }
        let exchange = access::Exchange {
            method: &method,
            route: route.as_ref().map(MatchedPath::as_str),
            request_id: &request_id,
            duration: started.elapsed(),
            response: &response,
        };
        trace::record(&span, &exchange);
        span.in_scope(|| access::record(&exchange, &self.durations));
        response
    }
}

/// The response, whatever became of the handler, and the route that it belongs to. Still within the request's context.
fn conclude(
    answered: Result<Result<Response, Infallible>, Box<dyn Any + Send>>,
) -> (Response, Option<MatchedPath>) {
    let response = match answered {
        Ok(Ok(response)) => response,
        Err(panic) => Problem::internal(panic_message(&*panic)).into_response(),
    };
    let route = context::with(|context| context.route.get().cloned()).flatten();
    (response, route)
}

/// Brings the matched route's template out of the router, which is the only one to know it.
#[derive(Clone)]
struct RecordRoute<S>(S);

impl<S: Service<Request>> Service<Request> for RecordRoute<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> S::Future {
        if let Some(path) = request.extensions().get::<MatchedPath>() {
            context::with(|context| context.route.set(path.clone()));
        }
        self.0.call(request)
    }
}

/// The same URI without the slash at the end of its path; `None` where there is none, or nothing else.
fn without_trailing_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path().strip_suffix('/').filter(|p| !p.is_empty())?;
    let target = match uri.query() {
        Some(query) => PathAndQuery::try_from(format!("{path}?{query}")),
        None => PathAndQuery::try_from(path),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target.ok()?);
    Uri::from_parts(parts).ok()
}

async fn not_found(uri: Uri) -> Problem {
    let detail = format!("there is no route {}", uri.path());
    Problem::new(ProblemType::NotFound, detail)
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let path = uri.path();
    let detail = format!("{path} does not take {method}; the Allow header lists what it takes");
    Problem::new(ProblemType::MethodNotAllowed, detail)
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message");
    format!("the handler panicked: {message}")
}

fn cors(origins: &[Origin]) -> CorsLayer {
    let allowed = if origins.iter().any(Origin::is_any) {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().map(Origin::header_value))
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(ExposeHeaders::any())
        .max_age(PREFLIGHT_MAX_AGE)
}

/// How long browsers may remember a preflight's answer.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_secs(600);
