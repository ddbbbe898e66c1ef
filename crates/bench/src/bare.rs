//! The baseline: what an axum server does that parses a post and keeps nothing.

use axum::{
    Json, Router,
    http::{StatusCode, header},
    routing::{get, post},
};
use serde::Deserialize;

/// A stored post as hubbub answers it, so that both send the same bytes.
pub const POST: &str = r#"{"id":"0192f0c1-2b7a-7cc3-98a5-9a1c5d3b7e10","user_id":"bench-user","content":"CONTENT","hashtags":[],"created_at":"2026-01-01T00:00:00.000Z","edited_at":null,"version":1,"like_count":0}"#;

/// Fields are parsed as hubbub parses them, and then dropped.
#[derive(Deserialize)]
struct NewPost {
    #[serde(rename = "user_id")]
    _user_id: String,
    #[serde(rename = "content")]
    _content: String,
}

async fn create(Json(_post): Json<NewPost>) -> (StatusCode, &'static str) {
    (StatusCode::ACCEPTED, r#"{"id":"0192f0c1-2b7a-7cc3-98a5-9a1c5d3b7e10","status":"accepted"}"#)
}

pub async fn serve(port: u16) -> anyhow::Result<()> {
    let stored = POST.replace("CONTENT", &crate::load::content());
    let read = move || {
        let stored = stored.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], stored) }
    };
    let router =
        Router::new().route("/api/v1/posts", post(create)).route("/api/v1/posts/{id}", get(read));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    let listener = axum::serve::ListenerExt::tap_io(listener, |stream| {
        // A socket that refuses this is slow, and still a baseline.
        drop(stream.set_nodelay(true));
    });
    axum::serve(listener, router).await?;
    Ok(())
}
