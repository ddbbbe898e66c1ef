//! What is recorded of every request: one log line, and its time in a histogram.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use axum::response::Response;
use http::{Method, StatusCode};
use metrics::Histogram;
use tracing::{debug, error, warn};

use crate::{problem::Failure, problem_type::ProblemType, request_id::RequestId};

/// A request and its answer.
pub(crate) struct Exchange<'a> {
    pub(crate) method: &'a Method,
    /// The template of the route that matched.
    pub(crate) route: Option<&'a str>,
    pub(crate) request_id: &'a RequestId,
    pub(crate) duration: Duration,
    pub(crate) response: &'a Response,
}

/// The histograms of requests' times, by route, method and status. They are kept, as to have the recorder find one costs
/// more than all that is done with it.
#[derive(Default)]
pub(crate) struct Durations(RwLock<HashMap<String, Vec<(Labels, Histogram)>>>);

type Labels = (&'static str, StatusCode);

impl Durations {
    fn record(&self, route: &str, labels: Labels, duration: Duration) {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let of_route = kept.get(route).into_iter().flatten();
        if let Some((_, histogram)) = of_route.into_iter().find(|(known, _)| *known == labels) {
            return histogram.record(duration);
        }
        drop(kept);
        let (method, status) = labels;
        let histogram = metrics::histogram!(
            "http_server_request_duration_seconds",
            "route" => route.to_owned(),
            "method" => method,
            "status" => status.as_str().to_owned(),
        );
        histogram.record(duration);
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        kept.entry(route.to_owned()).or_default().push((labels, histogram));
    }
}

pub(crate) fn record(exchange: &Exchange<'_>, durations: &Durations) {
    let route = exchange.route.unwrap_or("unmatched");
    let method = known_method(exchange.method);
    let status = exchange.response.status();
    durations.record(route, (method, status), exchange.duration);

    let duration_ms = exchange.duration.as_secs_f64() * 1_000.0;
    let request_id = exchange.request_id.as_str();
    let http_status = status.as_u16();
    let failure = exchange.response.extensions().get::<Failure>();
    // A probe is told so often that what is wrong belongs in the log once, from where it went wrong.
    let is_probe = failure.is_some_and(|failure| failure.kind == ProblemType::NotReady);
    if !status.is_server_error() || is_probe {
        debug!(
            request_id,
            method,
            http.route = route,
            http.status = http_status,
            duration_ms,
            "request answered"
        );
        return;
    }
    let problem = failure.map_or("", |failure| failure.kind.slug());
    let cause = failure.map_or("", |failure| &failure.detail);
    // 500 is a defect of ours; the others say that something we depend on, or a limit, stood in the way.
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        error!(
            request_id,
            method,
            http.route = route,
            http.status = http_status,
            duration_ms,
            problem,
            cause,
            "request failed"
        );
    } else {
        warn!(
            request_id,
            method,
            http.route = route,
            http.status = http_status,
            duration_ms,
            problem,
            cause,
            "request not served"
        );
    }
}

/// Methods that a client makes up must not make up label values.
pub(crate) fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
