//! The baselines: what the parts that hubbub is made of do with nothing of hubbub around them.

mod driver;
mod log;
mod memory;
mod redis;

use axum::{Router, routing::get};
use clap::Subcommand;
use serde::Deserialize;

pub use driver::{Fold, Folded};

/// A baseline, started by the bench itself.
#[derive(Debug, Subcommand)]
pub enum Bare {
    /// Answer from memory.
    Memory { port: u16 },
    /// Await the delivery of each post.
    Log { port: u16, brokers: String, topic: String, linger_ms: u64 },
    /// Answer what Redis has.
    Redis { port: u16, address: String },
    /// Consume a topic, then read and write what analyzing it takes.
    Fold(Fold),
}

/// Runs a baseline.
pub async fn run(bare: Bare) -> anyhow::Result<()> {
    match bare {
        Bare::Memory { port } => memory::serve(port).await,
        Bare::Log { port, brokers, topic, linger_ms } => {
            log::serve(port, &brokers, topic, linger_ms).await
        }
        Bare::Redis { port, address } => redis::serve(port, &address).await,
        Bare::Fold(fold) => driver::fold(fold).await,
    }
}

/// A stored post as hubbub answers it, so that both send the same bytes.
pub fn stored_post() -> String {
    format!(
        r#"{{"id":"0192f0c1-2b7a-7cc3-98a5-9a1c5d3b7e10","user_id":"bench-user","content":"{}","hashtags":[],"created_at":"2026-01-01T00:00:00.000Z","edited_at":null,"version":1,"like_count":0}}"#,
        crate::load::content()
    )
}

const ACCEPTED: &str = r#"{"id":"0192f0c1-2b7a-7cc3-98a5-9a1c5d3b7e10","status":"accepted"}"#;

/// Fields are parsed as hubbub parses them.
#[derive(Deserialize)]
struct NewPost {
    #[serde(rename = "user_id")]
    _user_id: String,
    content: String,
}

/// Serves as `axum::serve` does, with answers that are sent at once.
async fn listen(port: u16, router: Router) -> anyhow::Result<()> {
    let router = router.route("/readyz", get(async || ""));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // A socket that refuses this is slow, and still a baseline.
        drop(stream.set_nodelay(true));
    });
    axum::serve(listener, router).await?;
    Ok(())
}
