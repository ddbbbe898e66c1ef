//! What an axum server does that parses a post and keeps nothing, or answers one from memory.

use axum::{
    Json, Router,
    http::{StatusCode, header},
    routing::{get, post},
};

use super::{ACCEPTED, NewPost, listen, stored_post};

async fn create(Json(_post): Json<NewPost>) -> (StatusCode, &'static str) {
    (StatusCode::ACCEPTED, ACCEPTED)
}

pub async fn serve(port: u16) -> anyhow::Result<()> {
    let stored = stored_post();
    let read = move || {
        let stored = stored.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], stored) }
    };
    let router =
        Router::new().route("/api/v1/posts", post(create)).route("/api/v1/posts/{id}", get(read));
    listen(port, router).await
}
