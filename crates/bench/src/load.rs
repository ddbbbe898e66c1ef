//! A client that keeps connections busy, one request after the other on each.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use futures::stream::{FuturesUnordered, TryStreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
    time::{MissedTickBehavior, interval},
};

pub const CONNECTIONS: usize = 64;

/// 250 bytes of plain English, the size of a usual post.
pub fn content() -> String {
    let mut text =
        "Excited to share our latest project with everyone who waited for it! ".repeat(4);
    text.truncate(250);
    text
}

/// The request that creates one post.
pub fn create_request() -> Vec<u8> {
    let body = format!(r#"{{"user_id":"bench-user","content":"{}"}}"#, content());
    request("POST", "/api/v1/posts", "application/json", body.as_bytes())
}

/// The request that creates a post by each of these lines of JSON.
pub fn batch_request(lines: &str) -> Vec<u8> {
    request("POST", "/api/v1/posts/batch", "application/x-ndjson", lines.as_bytes())
}

/// The request that reads a post.
pub fn read_request(id: &str) -> Vec<u8> {
    request("GET", &format!("/api/v1/posts/{id}"), "application/json", b"")
}

pub fn request(method: &str, path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// What a load came to.
pub struct Load {
    pub requests: u64,
    pub time: Duration,
}

impl Load {
    pub fn per_second(&self) -> f64 {
        self.requests as f64 / self.time.as_secs_f64()
    }
}

/// Sends requests in turn, again and again, on every connection for a time. Any answer but
/// the expected status ends it.
pub async fn run(
    port: u16,
    connections: usize,
    requests: &[Vec<u8>],
    status: u16,
    time: Duration,
) -> anyhow::Result<Load> {
    let started = Instant::now();
    drive(port, connections, requests, status, |_| started.elapsed() < time).await
}

/// As [`run`], each request once.
pub async fn run_once(
    port: u16,
    connections: usize,
    requests: &[Vec<u8>],
    status: u16,
) -> anyhow::Result<Load> {
    drive(port, connections, requests, status, |sent| sent < requests.len()).await
}

/// Goes on while the next request, by its number, is wanted.
async fn drive(
    port: u16,
    connections: usize,
    requests: &[Vec<u8>],
    status: u16,
    is_wanted: impl Fn(usize) -> bool,
) -> anyhow::Result<Load> {
    let started = Instant::now();
    let next = Cell::new(0);
    let answered = Cell::new(0);
    let one = async || {
        let mut connection = Connection::open(port).await?;
        while is_wanted(next.get()) {
            let request = &requests[next.get() % requests.len()];
            next.set(next.get() + 1);
            connection.exchange(request, status).await?;
            answered.set(answered.get() + 1);
        }
        anyhow::Ok(())
    };
    (0..connections).map(|_| one()).collect::<FuturesUnordered<_>>().try_collect::<()>().await?;
    Ok(Load { requests: answered.get(), time: started.elapsed() })
}

/// As [`run`], at a steady number of requests a second over all connections.
pub async fn run_at(
    port: u16,
    request: &[u8],
    status: u16,
    per_second: u64,
    time: Duration,
) -> anyhow::Result<Load> {
    const TICK: Duration = Duration::from_millis(10);
    let started = Instant::now();
    let requests = Rc::new(Cell::new(0));
    let local = LocalSet::new();
    let share = per_second as f64 * TICK.as_secs_f64() / CONNECTIONS as f64;
    let tasks: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let (request, requests) = (request.to_vec(), requests.clone());
            local.spawn_local(async move {
                let mut connection = Connection::open(port).await?;
                let mut ticks = interval(TICK);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
                let mut owed = 0.0;
                while started.elapsed() < time {
                    ticks.tick().await;
                    owed += share;
                    while owed >= 1.0 {
                        connection.exchange(&request, status).await?;
                        requests.set(requests.get() + 1);
                        owed -= 1.0;
                    }
                }
                anyhow::Ok(())
            })
        })
        .collect();
    local.await;
    for task in tasks {
        task.await??;
    }
    Ok(Load { requests: requests.get(), time: started.elapsed() })
}

/// One keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(port: u16) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(8192) })
    }

    /// Sends a request and reads its whole answer.
    pub async fn exchange(&mut self, request: &[u8], status: u16) -> anyhow::Result<()> {
        self.send(request, status).await.map(drop)
    }

    /// As [`Connection::exchange`]; returns the body.
    pub async fn send(&mut self, request: &[u8], status: u16) -> anyhow::Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let body = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
            if let Some(body) = body_start(&self.buffer) {
                break body;
            }
        };
        let head = std::str::from_utf8(&self.buffer[..body])?.to_ascii_lowercase();
        let found = head.get(9..12).context("no status line")?;
        let length: usize = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(Ok(0), str::parse)?;
        while self.buffer.len() < body + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection within a body");
            }
        }
        if found != status.to_string() {
            bail!("expected {status}, got {}", String::from_utf8_lossy(&self.buffer));
        }
        Ok(&self.buffer[body..])
    }
}

fn body_start(buffer: &[u8]) -> Option<usize> {
    buffer.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}
