//! What an axum server does that awaits the delivery of each post, idempotent and by all replicas.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use anyhow::Context;
use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use rdkafka::{
    ClientConfig, ClientContext,
    config::FromClientConfigAndContext,
    message::DeliveryResult,
    producer::{BaseRecord, ProducerContext, ThreadedProducer},
};
use tokio::sync::oneshot;

use super::{ACCEPTED, NewPost, listen};

/// Tells each delivery to whoever awaits it.
struct Deliveries;

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = Box<oneshot::Sender<bool>>;

    fn delivery(&self, result: &DeliveryResult<'_>, told: Self::DeliveryOpaque) {
        // Whoever awaited it may be gone.
        let _ = told.send(result.is_ok());
    }
}

struct Log {
    producer: ThreadedProducer<Deliveries>,
    topic: String,
    posts: AtomicU64,
}

async fn create(
    State(log): State<Arc<Log>>,
    Json(post): Json<NewPost>,
) -> (StatusCode, &'static str) {
    const FAILED: (StatusCode, &str) = (StatusCode::SERVICE_UNAVAILABLE, "");
    let key = log.posts.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let (told, delivered) = oneshot::channel();
    let record = BaseRecord::with_opaque_to(&log.topic, Box::new(told));
    if log.producer.send(record.key(&key).payload(&post.content)).is_err() {
        return FAILED;
    }
    match delivered.await {
        Ok(true) => (StatusCode::ACCEPTED, ACCEPTED),
        _ => FAILED,
    }
}

pub async fn serve(port: u16, brokers: &str, topic: String, linger_ms: u64) -> anyhow::Result<()> {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.codec", "lz4")
        .set("partitioner", "murmur2_random")
        .set("queue.buffering.max.kbytes", "32768")
        .set("linger.ms", linger_ms.to_string());
    let producer = ThreadedProducer::from_config_and_context(&config, Deliveries);
    let producer = producer.with_context(|| format!("no producer for {brokers}"))?;
    let log = Arc::new(Log { producer, topic, posts: AtomicU64::new(0) });
    listen(port, Router::new().route("/api/v1/posts", post(create)).with_state(log)).await
}
