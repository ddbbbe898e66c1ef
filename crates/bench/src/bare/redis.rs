//! What an axum server does that answers what Redis has at a key.

use anyhow::Context;
use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use redis::{AsyncCommands, aio::MultiplexedConnection};

use super::listen;

async fn read(State(mut redis): State<MultiplexedConnection>, Path(key): Path<String>) -> Response {
    let found: Result<Option<Vec<u8>>, _> = redis.get(key).await;
    match found {
        Ok(Some(json)) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

pub async fn serve(port: u16, address: &str) -> anyhow::Result<()> {
    let client = redis::Client::open(format!("redis://{address}"))?;
    let redis = client.get_multiplexed_async_connection().await;
    let redis = redis.with_context(|| format!("no Redis on {address}"))?;
    listen(port, Router::new().route("/api/v1/posts/{id}", get(read)).with_state(redis)).await
}
