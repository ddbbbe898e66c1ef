//! A server on a free port, and a client that writes bytes as they are: what is tested is what stands on the wire.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

use std::{num::NonZeroUsize, time::Duration};

use axum::Router;
use bytesize::ByteSize;
use hubbub_web::{Drain, Edge, HttpSettings, Server};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// No step of a test takes longer, unless something hangs.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub fn settings() -> HttpSettings {
    HttpSettings {
        listen: ([127, 0, 0, 1], 0).into(),
        max_connections: NonZeroUsize::new(100).unwrap(),
        header_timeout: PATIENCE,
        body_idle_timeout: PATIENCE,
        request_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        max_header_bytes: ByteSize::kib(16),
        max_body_bytes: ByteSize::kib(64),
        max_body_memory: ByteSize::mib(1),
        cors_origins: Vec::new(),
    }
}

pub struct Running {
    pub address: std::net::SocketAddr,
    pub stop: CancellationToken,
    pub served: JoinHandle<()>,
}

pub fn start(router: Router) -> Running {
    start_with(router, &settings(), PATIENCE)
}

pub fn start_with(router: Router, settings: &HttpSettings, finish: Duration) -> Running {
    let server = Server::bind(settings).unwrap();
    let address = server.local_addr();
    let stop = CancellationToken::new();
    let drain = Drain { stop: stop.clone(), finish };
    let served = tokio::spawn(server.serve(Edge::new(router, settings), drain));
    Running { address, stop, served }
}

impl Running {
    pub async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Client { stream, unread: Vec::new() }
    }

    /// One request on a connection of its own.
    pub async fn ask(&self, request: &str) -> Answer {
        let mut client = self.connect().await;
        client.send(request).await;
        client.answer().await
    }

    pub async fn get(&self, target: &str) -> Answer {
        self.ask(&format!("GET {target} HTTP/1.1\r\nhost: test\r\n\r\n")).await
    }

    pub async fn post_json(&self, target: &str, body: impl AsRef<[u8]>) -> Answer {
        self.post(target, "content-type: application/json\r\n", body).await
    }

    pub async fn post(&self, target: &str, headers: &str, body: impl AsRef<[u8]>) -> Answer {
        let body = body.as_ref();
        let mut client = self.connect().await;
        client
            .send(&format!(
                "POST {target} HTTP/1.1\r\nhost: test\r\n{headers}content-length: {}\r\n\r\n",
                body.len()
            ))
            .await;
        client.send(body).await;
        client.answer().await
    }
}

pub struct Client {
    pub stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads more; false at the end of the connection.
    async fn read_more(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.unread);
        let read = timeout(PATIENCE, read).await.expect("nothing came");
        read.unwrap() > 0
    }

    pub async fn head(&mut self) -> Answer {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            let so_far = String::from_utf8_lossy(&self.unread).into_owned();
            assert!(self.read_more().await, "closed after {so_far:?}");
        };
        let head: Vec<u8> = self.unread.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        Answer { status: status.parse().unwrap(), headers, body: String::new() }
    }

    /// The next response, whole.
    pub async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        let length: usize = answer.header("content-length").map_or(0, |l| l.parse().unwrap());
        while self.unread.len() < length {
            assert!(self.read_more().await, "closed within a body");
        }
        let body = self.unread.drain(..length).collect();
        answer.body = String::from_utf8(body).unwrap();
        answer
    }

    /// Waits for the end of the connection, without another byte.
    pub async fn closed(&mut self) {
        assert!(self.is_at_end().await, "sent {:?}", String::from_utf8_lossy(&self.unread));
    }

    async fn is_at_end(&mut self) -> bool {
        self.unread.is_empty() && !self.read_more().await
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Checks that this is a problem document of the type, and returns it.
    #[track_caller]
    pub fn problem(&self, status: u16, slug: &str) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let document = self.json();
        assert_eq!(document["type"], format!("urn:hubbub:problem:{slug}"));
        assert_eq!(document["status"], status);
        assert!(document["title"].is_string() && document["detail"].is_string());
        assert_eq!(document["request_id"].as_str(), self.header("x-request-id"));
        document
    }
}
