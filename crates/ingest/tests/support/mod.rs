//! The write API over a log in memory, and receipts that the test writes itself.
#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, RwLock},
    time::Duration,
};

use async_trait::async_trait;
use axum::body::{Body, to_bytes};
use bytesize::ByteSize;
use http::{HeaderMap, Request, StatusCode};
use hubbub_events::{Position, PostEvent, Topic, TopicPartition};
use hubbub_ingest::{Ingest, IngestSettings, router};
use hubbub_store::{Error, Progress, Rows};
use hubbub_stream::Record;
use hubbub_tables::{
    Change, Reason, Receipts, Stored, Table,
    posts::{Receipt, ReceiptOutcome},
};
use hubbub_testkit::memory_log::MemoryLog;
use hubbub_web::{Edge, HttpSettings};
use serde_json::Value;

pub const PARTITIONS: i32 = 4;
pub const LOG: &str = "the-log";

/// No step of a test takes longer, unless something hangs.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct Harness {
    pub log: MemoryLog,
    pub receipts: Arc<WrittenReceipts>,
    pub progress: Progress,
    edge: Edge,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Harness {
    pub fn new() -> Self {
        let log = MemoryLog::new(LOG, PARTITIONS);
        let receipts = Arc::<WrittenReceipts>::default();
        let progress = Progress::new(vec![("posts", 1)], 100);
        let ingest = Ingest {
            log: Arc::new(log.clone()),
            receipts: Arc::new(RwLock::new(Some(receipts.clone() as Arc<dyn Rows<Receipts>>))),
            progress: progress.clone(),
            settings: IngestSettings { max_batch_bytes: ByteSize::mib(16) },
        };
        let settings = HttpSettings {
            listen: ([127, 0, 0, 1], 0).into(),
            max_connections: NonZeroUsize::new(1).unwrap(),
            header_timeout: PATIENCE,
            body_idle_timeout: PATIENCE,
            request_timeout: PATIENCE,
            idle_timeout: PATIENCE,
            max_header_bytes: ByteSize::kib(16),
            max_body_bytes: ByteSize::kib(512),
            max_body_memory: ByteSize::mib(64),
            cors_origins: Vec::new(),
        };
        let edge = Edge::new(router(ingest), &settings);
        Self { log, receipts, progress, edge }
    }

    pub async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{target}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.edge.respond(request.body(Body::from(body.into())).unwrap()).await;
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(body.into()).unwrap(),
        }
    }

    pub async fn json(&self, method: &str, target: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send(method, target, &[("content-type", "application/json")], body).await
    }

    pub async fn json_with(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        self.send(method, target, &all, body).await
    }

    /// Everything in the log.
    pub fn appended(&self) -> Vec<(Position, Record)> {
        let partitions =
            (0..PARTITIONS).map(|partition| TopicPartition { topic: Topic::Posts, partition });
        partitions
            .flat_map(|of| {
                let records = self.log.acknowledged(of).into_iter();
                records.map(move |record| (of.at(record.offset), record))
            })
            .collect()
    }

    /// The only record in the log, and its event.
    #[track_caller]
    pub fn only(&self) -> (Position, Record, PostEvent) {
        let mut appended = self.appended();
        assert_eq!(appended.len(), 1, "{appended:?}");
        let (at, record) = appended.remove(0);
        let event = PostEvent::decode(&record.key, &record.value).unwrap();
        (at, record, event)
    }

    /// Waits for the only record.
    pub async fn until_appended(&self) -> (Position, PostEvent) {
        let appended = async {
            while self.appended().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, appended).await.expect("a record");
        let (at, _, event) = self.only();
        (at, event)
    }

    /// Waits for the only record, and leaves a receipt of it as the projection does.
    pub async fn judge(&self, outcome: ReceiptOutcome, reason: Reason) {
        let (at, event) = self.until_appended().await;
        let receipt = Receipt { event_id: event.event_id, outcome, reason };
        self.receipts.put(at, receipt);
        self.progress.advanced("posts", 1, at.topic_partition(), at.offset);
    }
}

impl Answer {
    #[track_caller]
    pub fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Asserts a problem of this kind whose detail says all of this.
    #[track_caller]
    pub fn is_problem(&self, status: u16, slug: &str, says: &[&str]) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_problem(&self.body(), status, slug, says);
    }
}

#[track_caller]
pub fn assert_problem(problem: &Value, status: u16, slug: &str, says: &[&str]) {
    assert_eq!(problem["type"], format!("urn:hubbub:problem:{slug}"), "{problem}");
    assert_eq!(problem["status"], status, "{problem}");
    let detail = problem["detail"].as_str().unwrap();
    for part in says {
        assert!(detail.contains(part), "{part:?} is not in {detail:?}");
    }
}

/// Receipts as the test writes them; or a store that is away.
#[derive(Default)]
pub struct WrittenReceipts {
    written: Mutex<HashMap<<Receipts as Table>::Partition, Stored<Receipt>>>,
    error: Mutex<Option<Error>>,
}

impl WrittenReceipts {
    pub fn put(&self, at: Position, receipt: Receipt) {
        let stored = Stored { stamp: at.stamp(), record: receipt };
        self.written.lock().unwrap().insert(Receipts::key(at), stored);
    }

    pub fn go_away(&self) {
        *self.error.lock().unwrap() = Some(Error::Transient("a node is away".to_owned()));
    }
}

#[async_trait]
impl Rows<Receipts> for WrittenReceipts {
    async fn heads(
        &self,
        of: &[<Receipts as Table>::Partition],
    ) -> Result<Vec<Option<Stored<Receipt>>>, Error> {
        if let Some(error) = &*self.error.lock().unwrap() {
            return Err(error.clone());
        }
        let written = self.written.lock().unwrap();
        Ok(of.iter().map(|key| written.get(key).cloned()).collect())
    }

    async fn rows(
        &self,
        _: &[(<Receipts as Table>::Partition, ())],
    ) -> Result<Vec<Option<Stored<()>>>, Error> {
        unreachable!("receipts have no rows")
    }

    async fn scan(
        &self,
        _: &<Receipts as Table>::Partition,
        _: Option<&()>,
        _: usize,
    ) -> Result<Vec<((), Stored<()>)>, Error> {
        unreachable!("receipts have no rows")
    }

    async fn partitions(
        &self,
        _: Option<&<Receipts as Table>::Partition>,
        _: usize,
    ) -> Result<Vec<<Receipts as Table>::Partition>, Error> {
        panic!("nobody lists receipts")
    }

    async fn apply(&self, _: Vec<Change<Receipts>>) -> Result<(), Error> {
        unreachable!("ingest writes no table")
    }
}
