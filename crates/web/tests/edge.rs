//! What every route has in common.

#![allow(clippy::unwrap_used, reason = "a helper fails its test by a panic")]

mod support;

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    response::Redirect,
    routing::{get, post},
};
use http::StatusCode;
use hubbub_web::{NoQuery, Path, RequestId};
use support::*;

async fn panics() {
    panic!("a secret");
}

fn router() -> Router {
    Router::new()
        .route("/", get(|| async { "root" }))
        .route(
            "/posts",
            get(|NoQuery: NoQuery| async { "posts" }).post(|| async { StatusCode::ACCEPTED }),
        )
        .route("/posts/{id}", get(|Path(id): Path<String>| async { id }))
        .route("/id", get(|| async { RequestId::current().unwrap().as_str().to_owned() }))
        .route("/panic", post(panics))
        .route("/own", get(|| async { ([("cache-control", "max-age=5")], Redirect::to("/")) }))
}

#[tokio::test]
async fn one_trailing_slash_is_served_like_none() {
    let server = start(router());
    assert_eq!(server.get("/posts/").await.body, "posts");
    assert_eq!(server.get("/posts/7/").await.body, "7");
    assert_eq!(server.get("/").await.body, "root");
    server.get("/posts//").await.problem(404, "not-found");
    let problem = server.get("/posts/?x=1").await.problem(400, "malformed-request");
    assert_eq!(problem["errors"][0]["field"], "x");
    assert_eq!(problem["instance"], "/posts/");
}

#[tokio::test]
async fn an_unknown_route_is_a_problem() {
    let server = start(router());
    let problem = server.get("/nothing?x=1").await.problem(404, "not-found");
    assert_eq!(problem["instance"], "/nothing");
    assert!(problem["detail"].as_str().unwrap().contains("/nothing"));
    server.ask("OPTIONS * HTTP/1.1\r\nhost: t\r\n\r\n").await.problem(404, "not-found");
}

#[tokio::test]
async fn another_method_is_a_problem_that_lists_those_allowed() {
    let server = start(router());
    for method in ["DELETE", "BREW"] {
        let answer = server.ask(&format!("{method} /posts/ HTTP/1.1\r\nhost: t\r\n\r\n")).await;
        answer.problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some("GET,HEAD,POST"));
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = start(router());
    for target in ["/posts/7", "/nothing"] {
        let got = server.get(target).await;
        let mut client = server.connect().await;
        let head = format!("HEAD {target} HTTP/1.1\r\nhost: t\r\n\r\n");
        client.send(&head).await;
        let answer = client.head().await;
        assert_eq!(answer.status, got.status);
        for name in ["content-type", "content-length", "cache-control"] {
            // A problem names its request, whose id is as long in both.
            assert_eq!(answer.header(name), got.header(name), "{name}");
        }
        // Had a body come, it would stand before the next response.
        client.send(&head).await;
        assert_eq!(client.head().await.status, got.status);
    }
}

#[tokio::test]
async fn a_request_id_is_taken_or_minted() {
    let server = start(router());
    let with = |id: &str| format!("GET /id HTTP/1.1\r\nhost: t\r\nx-request-id: {id}\r\n\r\n");
    let longest = "x".repeat(128);
    for id in ["a", "~!{\"quoted\"}", &longest] {
        let answer = server.ask(&with(id)).await;
        assert_eq!(answer.header("x-request-id"), Some(id));
        assert_eq!(answer.body, id);
    }
    let too_long = "x".repeat(129);
    for id in ["", "with space", "tab\tbed", "é", &too_long] {
        let answer = server.ask(&with(id)).await;
        let minted = answer.header("x-request-id").unwrap();
        assert_eq!(minted.as_bytes()[14], b'7', "{minted} is no UUID v7");
        assert_eq!(answer.body, minted);
    }
    let answer = server.get("/id").await;
    assert_eq!(Some(answer.body.as_str()), answer.header("x-request-id"));
    assert_ne!(answer.body, server.get("/id").await.body);
    assert_eq!(RequestId::current(), None);
}

#[tokio::test]
async fn a_panic_is_our_failure_and_not_the_connections() {
    let server = start(router());
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.send("POST /panic HTTP/1.1\r\nhost: t\r\n\r\n").await;
        let answer = client.answer().await;
        answer.problem(500, "internal");
        assert!(!answer.body.contains("secret"));
    }
}

#[tokio::test]
async fn reads_are_not_to_be_stored_unless_they_say_so() {
    let server = start(router());
    assert_eq!(server.get("/posts").await.header("cache-control"), Some("no-store"));
    assert_eq!(server.get("/own").await.header("cache-control"), Some("max-age=5"));
    let posted = server.ask("POST /posts HTTP/1.1\r\nhost: t\r\n\r\n").await;
    assert_eq!((posted.status, posted.header("cache-control")), (202, None));
}

const PREFLIGHT: &str = "OPTIONS /posts/ HTTP/1.1\r\nhost: t\r\norigin: https://a.example\r\n\
    access-control-request-method: PATCH\r\naccess-control-request-headers: if-match\r\n\r\n";
const FROM_PAGE: &str = "GET /posts HTTP/1.1\r\nhost: t\r\norigin: https://a.example\r\n\r\n";

#[tokio::test]
async fn cors_is_closed_until_configured() {
    let server = start(router());
    let preflight = server.ask(PREFLIGHT).await;
    preflight.problem(405, "method-not-allowed");
    assert_eq!(preflight.header("access-control-allow-origin"), None);
    assert_eq!(server.ask(FROM_PAGE).await.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn cors_is_open_to_the_configured_origins() {
    let mut settings = settings();
    settings.cors_origins = vec!["https://a.example".parse().unwrap()];
    let server = start_with(router(), &settings, PATIENCE);
    let preflight = server.ask(PREFLIGHT).await;
    assert_eq!(preflight.status, 200);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://a.example"));
    assert!(preflight.header("access-control-allow-methods").unwrap().contains("PATCH"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("if-match"));
    let answer = server.ask(FROM_PAGE).await;
    assert_eq!(answer.body, "posts");
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://a.example"));
    let stranger = FROM_PAGE.replace("a.example", "b.example");
    assert_eq!(server.ask(&stranger).await.header("access-control-allow-origin"), None);

    settings.cors_origins = vec!["*".parse().unwrap()];
    let server = start_with(router(), &settings, PATIENCE);
    assert_eq!(server.ask(&stranger).await.header("access-control-allow-origin"), Some("*"));
}

/// Keeps the names of the histograms that were recorded to.
#[derive(Clone, Default)]
struct Recorded(Arc<Mutex<Vec<String>>>);

impl metrics::Recorder for Recorded {
    fn describe_counter(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }
    fn describe_gauge(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }
    fn describe_histogram(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }
    fn register_counter(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        metrics::Counter::noop()
    }
    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::noop()
    }
    fn register_histogram(
        &self,
        key: &metrics::Key,
        _: &metrics::Metadata<'_>,
    ) -> metrics::Histogram {
        let labels: Vec<_> = key.labels().map(|l| format!("{}={}", l.key(), l.value())).collect();
        let series = format!("{} {}", key.name(), labels.join(" "));
        metrics::Histogram::from_arc(Arc::new(Series { series, recorded: self.clone() }))
    }
}

struct Series {
    series: String,
    recorded: Recorded,
}

impl metrics::HistogramFn for Series {
    fn record(&self, _: f64) {
        self.recorded.0.lock().unwrap().push(self.series.clone());
    }
}

#[tokio::test]
async fn times_are_recorded_by_route_method_and_status() {
    let recorded = Recorded::default();
    let _recorder = metrics::set_default_local_recorder(&recorded);
    let server = start(router());
    server.get("/posts/123").await;
    server.get("/posts/456/").await;
    server.get("/secret/path").await;
    server.ask("PUT /posts HTTP/1.1\r\nhost: t\r\n\r\n").await;
    server.ask("BREW /posts HTTP/1.1\r\nhost: t\r\n\r\n").await;
    let name = "http_server_request_duration_seconds";
    assert_eq!(
        *recorded.0.lock().unwrap(),
        [
            format!("{name} route=/posts/{{id}} method=GET status=200"),
            format!("{name} route=/posts/{{id}} method=GET status=200"),
            format!("{name} route=unmatched method=GET status=404"),
            format!("{name} route=/posts method=PUT status=405"),
            format!("{name} route=/posts method=other status=405"),
        ]
    );
}
