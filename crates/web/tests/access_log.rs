//! The access log. Alone in its process: which events are wanted is remembered for all threads together.

#![allow(clippy::unwrap_used, reason = "a helper fails its test by a panic")]

mod support;

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    routing::{delete, get, post},
};
use hubbub_web::{Path, Problem, ProblemType};
use support::*;

async fn panics() {
    panic!("a secret");
}

async fn full() -> Problem {
    Problem::new(ProblemType::StorageFull, "no room").caused_by("ENOSPC")
}

async fn not_ready() -> Problem {
    Problem::new(ProblemType::NotReady, "the process is starting")
}

fn router() -> Router {
    Router::new()
        .route("/posts/{id}", get(|Path(id): Path<String>| async { id }))
        .route("/panic", post(panics))
        .route("/full", delete(full))
        .route("/readyz", get(not_ready))
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn each_request_is_one_line_of_the_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter("hubbub_web=debug")
        .with_writer(move || writer.clone())
        .finish();
    let _subscriber = tracing::subscriber::set_default(subscriber);
    let server = start(router());
    let ok = server.get("/posts/123").await;
    let full = server.ask("DELETE /full HTTP/1.1\r\nhost: t\r\n\r\n").await;
    full.problem(507, "storage-full");
    server.ask("POST /panic HTTP/1.1\r\nhost: t\r\n\r\n").await.problem(500, "internal");

    server.get("/readyz").await.problem(503, "not-ready");

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4, "{log}");
    assert_eq!(lines[0]["level"], "DEBUG");
    assert_eq!(lines[0]["http.route"], "/posts/{id}");
    assert_eq!(lines[0]["http.status"], 200);
    assert_eq!(lines[0]["method"], "GET");
    assert_eq!(lines[0]["request_id"].as_str(), ok.header("x-request-id"));
    assert!(lines[0]["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!((&lines[1]["level"], &lines[1]["cause"]), (&"WARN".into(), &"ENOSPC".into()));
    assert_eq!(lines[1]["problem"], "storage-full");
    assert_eq!(lines[2]["level"], "ERROR");
    assert!(lines[2]["cause"].as_str().unwrap().contains("a secret"));
    // A probe asks every few seconds: its answer is no news.
    assert_eq!((&lines[3]["level"], &lines[3]["http.status"]), (&"DEBUG".into(), &503.into()));
}
