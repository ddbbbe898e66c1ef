//! How a server ends.

mod support;

use std::{future, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use support::*;
use tokio::{net::TcpStream, sync::Notify, time::timeout};

const SLOW: &str = "GET /slow HTTP/1.1\r\nhost: t\r\n\r\n";

/// A router whose slow route says that it has begun, and waits to be let go.
fn gated() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (on_begin, on_go) = (Arc::clone(&begun), Arc::clone(&go));
    let slow = get(move || async move {
        on_begin.notify_one();
        on_go.notified().await;
        "done"
    });
    let router = Router::new().route("/", get(|| async { "here" })).route("/slow", slow);
    (router, begun, go)
}

#[tokio::test]
async fn a_stop_closes_the_port_and_idle_connections_and_finishes_what_is_in_flight() {
    let (router, begun, go) = gated();
    let server = start(router);
    let mut fresh = server.connect().await;
    let mut idle = server.connect().await;
    idle.send("GET / HTTP/1.1\r\nhost: t\r\n\r\n").await;
    idle.answer().await;
    let mut working = server.connect().await;
    working.send(SLOW).await;
    begun.notified().await;

    server.stop.cancel();
    idle.closed().await;
    fresh.closed().await;
    assert!(TcpStream::connect(server.address).await.is_err());
    assert!(!server.served.is_finished());

    go.notify_one();
    let answer = working.answer().await;
    assert_eq!(answer.body, "done");
    assert_eq!(answer.header("connection"), Some("close"));
    working.closed().await;
    timeout(PATIENCE, server.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_does_not_finish_in_time_is_dropped() {
    let begun = Arc::new(Notify::new());
    let on_begin = Arc::clone(&begun);
    let stuck = get(move || async move {
        on_begin.notify_one();
        future::pending::<()>().await;
    });
    let router = Router::new().route("/slow", stuck);
    let server = start_with(router, &settings(), Duration::from_millis(50));
    let mut client = server.connect().await;
    client.send(SLOW).await;
    begun.notified().await;

    server.stop.cancel();
    timeout(PATIENCE, server.served).await.unwrap().unwrap();
    client.closed().await;
}

#[tokio::test]
async fn a_stop_waits_for_no_client() {
    let (router, ..) = gated();
    let server = start(router);
    // One has sent half a header, one never closes its side.
    let mut half = server.connect().await;
    half.send("GET / HTTP/1.1\r\n").await;
    let mut silent = server.connect().await;
    silent.send("GET / HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n").await;
    silent.answer().await;

    server.stop.cancel();
    half.send("host: t\r\n\r\n").await;
    assert_eq!(half.answer().await.body, "here");
    timeout(PATIENCE, server.served).await.unwrap().unwrap();
}
