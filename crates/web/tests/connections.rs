//! Connections: their limits in time, size and number.

mod support;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    routing::{get, post},
};
use hubbub_web::{BindError, HttpSettings, Json, Server};
use support::*;
use tokio::{sync::mpsc, time::interval};

const SHORT: Duration = Duration::from_millis(150);

fn router() -> Router {
    Router::new().route("/", get(|| async { "here" })).route(
        "/echo",
        post(|Json(value): Json<serde_json::Value>| async move { value.to_string() }),
    )
}

fn start_having(change: impl FnOnce(&mut HttpSettings)) -> Running {
    let mut settings = settings();
    change(&mut settings);
    start_with(router(), &settings, PATIENCE)
}

const GET: &str = "GET / HTTP/1.1\r\nhost: t\r\n\r\n";

#[tokio::test]
async fn a_header_that_does_not_end_is_refused_and_the_connection_closed() {
    let server = start_having(|s| s.header_timeout = SHORT);
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nhos").await;
    let answer = client.answer().await;
    let problem = answer.problem(408, "request-timeout");
    assert_eq!(problem["instance"], serde_json::Value::Null);
    assert_eq!(answer.header("connection"), Some("close"));
    client.closed().await;
}

#[tokio::test]
async fn a_header_that_drips_is_refused_all_the_same() {
    let server = start_having(|s| s.header_timeout = SHORT);
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nx: ").await;
    let mut drip = interval(SHORT / 10);
    let answer = loop {
        tokio::select! {
            biased;
            readable = client.stream.readable() => {
                readable.unwrap();
                break client.answer().await;
            }
            _ = drip.tick() => client.send("x").await,
        }
    };
    answer.problem(408, "request-timeout");
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_in_silence() {
    let server = start_having(|s| s.header_timeout = SHORT);
    server.connect().await.closed().await;
}

#[tokio::test]
async fn between_requests_the_idle_timeout_counts_and_within_a_header_its_own() {
    let server = start_having(|s| s.header_timeout = SHORT);
    let mut kept = server.connect().await;
    kept.send(GET).await;
    assert_eq!(kept.answer().await.status, 200);

    // Another connection's header timeout passes meanwhile.
    server.connect().await.closed().await;

    kept.send(GET).await;
    assert_eq!(kept.answer().await.status, 200);
    kept.send("GET / HTTP/1.1\r\n").await;
    kept.answer().await.problem(408, "request-timeout");
    kept.closed().await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_silence() {
    let server = start_having(|s| s.idle_timeout = SHORT);
    let mut client = server.connect().await;
    client.send(GET).await;
    assert_eq!(client.answer().await.status, 200);
    client.closed().await;
}

#[tokio::test]
async fn a_client_that_takes_no_byte_is_let_go() {
    struct Gone(mpsc::UnboundedSender<()>);
    impl Drop for Gone {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (gone, mut is_gone) = mpsc::unbounded_channel();
    let endless = move || async move {
        let guard = Gone(gone);
        Body::from_stream(futures::stream::repeat_with(move || {
            let _ = &guard;
            Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 65_536]))
        }))
    };
    let mut settings = settings();
    settings.idle_timeout = SHORT;
    let server = start_with(Router::new().route("/", get(endless)), &settings, PATIENCE);
    let mut client = server.connect().await;
    client.send(GET).await;
    assert_eq!(client.head().await.status, 200);
    // Only what the route itself holds is left, once the response is dropped.
    let dropped = is_gone.recv();
    tokio::time::timeout(PATIENCE, dropped).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_body_that_stalls_is_refused() {
    let server = start_having(|s| s.body_idle_timeout = SHORT);
    let mut client = server.connect().await;
    client
        .send("POST /echo HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n[1, ")
        .await;
    let answer = client.answer().await;
    let problem = answer.problem(408, "request-timeout");
    assert_eq!(problem["instance"], "/echo");
    assert!(problem["detail"].as_str().unwrap().contains("4 bytes had come"));
    assert_eq!(answer.header("connection"), Some("close"));
    client.closed().await;
}

#[tokio::test]
async fn a_body_that_drips_is_refused_when_the_request_took_too_long() {
    let server = start_having(|s| s.request_timeout = SHORT);
    let mut client = server.connect().await;
    client
        .send("POST /echo HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 9999\r\n\r\n")
        .await;
    let mut drip = interval(SHORT / 10);
    let answer = loop {
        tokio::select! {
            biased;
            readable = client.stream.readable() => {
                readable.unwrap();
                break client.answer().await;
            }
            _ = drip.tick() => client.send(" ").await,
        }
    };
    let problem = answer.problem(408, "request-timeout");
    assert!(problem["detail"].as_str().unwrap().contains("had not arrived whole"));
}

#[tokio::test]
async fn a_body_that_is_announced_too_large_is_refused_unread() {
    let server = start(router());
    let mut client = server.connect().await;
    client
        .send("POST /echo HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 65537\r\n\r\n")
        .await;
    let answer = client.answer().await;
    let problem = answer.problem(413, "too-large");
    assert_eq!(problem["limit"], 65_536);
    client.closed().await;
}

#[tokio::test]
async fn a_chunked_body_is_refused_where_it_becomes_too_large() {
    let server = start(router());
    let mut client = server.connect().await;
    client
        .send("POST /echo HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .await;
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    for _ in 0..3 {
        client.send(&chunk).await;
    }
    client.answer().await.problem(413, "too-large");
}

#[tokio::test]
async fn a_refused_body_does_not_cost_the_client_its_answer() {
    let server = start(router());
    let body = vec![b' '; 8 << 20];
    let answer = server.post_json("/echo", &body).await;
    answer.problem(413, "too-large");
}

#[tokio::test]
async fn a_client_may_ask_before_it_sends_its_body() {
    let server = start(router());
    let mut client = server.connect().await;
    client
        .send("POST /echo HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        .await;
    assert_eq!(client.head().await.status, 100);
    client.send("[1]").await;
    assert_eq!(client.answer().await.body, "[1]");
}

#[tokio::test]
async fn a_header_of_the_allowed_size_is_read_and_a_larger_one_refused() {
    let server = start(router());
    let sized = |size: usize| {
        let empty = "GET / HTTP/1.1\r\nhost: t\r\nx: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nhost: t\r\nx: {}\r\n\r\n", "x".repeat(size - empty))
    };
    assert_eq!(server.ask(&sized(16 * 1024)).await.status, 200);
    let answer = server.ask(&sized(16 * 1024 + 1)).await;
    answer.problem(431, "headers-too-large");
    assert_eq!(answer.header("connection"), Some("close"));
    server.ask(&sized(100_000)).await.problem(431, "headers-too-large");

    let fields = "x: y\r\n".repeat(200);
    let many = format!("GET / HTTP/1.1\r\nhost: t\r\n{fields}\r\n");
    server.ask(&many).await.problem(431, "headers-too-large");
}

#[tokio::test]
async fn what_is_not_http_is_refused() {
    let server = start(router());
    for request in
        ["nonsense\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET / HTTP/9\r\n\r\n"]
    {
        let mut client = server.connect().await;
        client.send(request).await;
        client.answer().await.problem(400, "malformed-request");
        client.closed().await;
    }
}

#[tokio::test]
async fn a_refusal_follows_the_answers_before_it() {
    let server = start(router());
    let mut client = server.connect().await;
    client.send(GET).await;
    assert_eq!(client.answer().await.status, 200);
    client.send("nonsense\r\n\r\n").await;
    client.answer().await.problem(400, "malformed-request");
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = start(router());
    let mut client = server.connect().await;
    let mut requests = String::new();
    for n in 0..50 {
        let body = format!("[{n}]");
        let length = body.len();
        requests.push_str(&format!(
            "POST /echo HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
    }
    client.send(requests).await;
    for n in 0..50 {
        assert_eq!(client.answer().await.body, format!("[{n}]"));
    }
}

#[tokio::test]
async fn what_stands_behind_a_request_holds_back_no_answer() {
    let server = start(router());
    let mut client = server.connect().await;
    client.send("POST /echo HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[]\r\n").await;
    assert_eq!(client.answer().await.body, "[]");
    client.send("GET / HTTP/1.1\r\nhost: t\r\n\r\nGET / HT").await;
    assert_eq!(client.answer().await.body, "here");
    client.send("TP/1.1\r\nhost: t\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "here");
}

#[tokio::test]
async fn at_the_cap_connections_wait_for_one_to_end() {
    let served = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&served);
    let route = get(move || async move { count.fetch_add(1, Ordering::SeqCst).to_string() });
    let mut settings = settings();
    settings.max_connections = std::num::NonZeroUsize::MIN;
    let server = start_with(Router::new().route("/", route), &settings, PATIENCE);

    let mut first = server.connect().await;
    first.send(GET).await;
    first.answer().await;
    let mut second = server.connect().await;
    second.send(GET).await;
    first.send(GET).await;
    assert_eq!(first.answer().await.body, "1");
    assert_eq!(served.load(Ordering::SeqCst), 2, "the second connection was served beyond the cap");

    drop(first);
    assert_eq!(second.answer().await.body, "2");
}

#[tokio::test]
async fn bodies_share_a_budget_that_ends_with_their_requests() {
    let server = start_having(|s| s.max_body_memory = bytesize::ByteSize::kib(32));
    let body = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    let answer = server.post_json("/echo", body(33 * 1024)).await;
    answer.problem(503, "overloaded");
    assert_eq!(answer.header("retry-after"), Some("1"));
    for _ in 0..3 {
        assert_eq!(server.post_json("/echo", body(32 * 1024)).await.status, 200);
    }
}

#[tokio::test]
async fn a_port_that_cannot_be_opened_is_named_with_the_reason() {
    let server = Server::bind(&settings()).unwrap();
    let mut taken = settings();
    taken.listen = server.local_addr();
    let error = Server::bind(&taken).err().unwrap();
    assert!(matches!(error, BindError::InUse(address) if address == taken.listen));
    let message = error.to_string();
    assert!(message.contains(&format!("{} is already in use", taken.listen)), "{message}");

    taken.listen = ([192, 0, 2, 1], 0).into();
    let error = Server::bind(&taken).err().unwrap();
    assert!(matches!(error, BindError::NotAvailable(_)), "{error}");
}
