//! A cache that ignores tokens: whoever asks for a post gets what was answered first, however much newer the token is.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::{Path, Request, State},
    http::{self, StatusCode, header::HOST},
    response::Response,
    routing::get,
};
use tokio::{net::TcpListener, task::AbortHandle};

use crate::client::API;

/// A running cache in front of a hubbub, which ends when this is dropped.
#[derive(Debug)]
pub struct StaleCache {
    address: SocketAddr,
    serving: AbortHandle,
}

/// What it passes on to, and the first answers by post. Clones are of the same.
#[derive(Clone)]
struct Front {
    http: reqwest::Client,
    behind: Arc<str>,
    first: Arc<Mutex<HashMap<String, Whole>>>,
}

/// An answer that can be given again.
type Whole = http::Response<Bytes>;

impl StaleCache {
    /// Starts one on a free port, in front of the hubbub with this base URL.
    ///
    /// # Panics
    /// Where there is no port.
    pub async fn start(behind: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.unwrap_or_else(|error| panic!("no port for a cache: {error}"));
        let address = listener.local_addr().unwrap_or_else(|error| panic!("{error}"));
        let http = reqwest::Client::builder().no_proxy().build();
        let http = http.unwrap_or_else(|error| panic!("no HTTP client: {error}"));
        let front = Front { http, behind: behind.into(), first: Arc::default() };
        let router = Router::new()
            .route(&format!("{API}/posts/{{id}}"), get(read).head(pass).fallback(pass))
            .fallback(pass)
            .with_state(front);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, serving: serving.abort_handle() }
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for StaleCache {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn pass(State(front): State<Front>, request: Request) -> Response {
    front.send(request).await.map(Body::from)
}

async fn read(State(front): State<Front>, Path(post): Path<String>, request: Request) -> Response {
    if let Some(first) = front.first().get(&post) {
        return first.clone().map(Body::from);
    }
    let answer = front.send(request).await;
    if answer.status() == StatusCode::OK {
        front.first().entry(post).or_insert_with(|| answer.clone());
    }
    answer.map(Body::from)
}

impl Front {
    fn first(&self) -> MutexGuard<'_, HashMap<String, Whole>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, request: Request) -> Whole {
        let (parts, body) = request.into_parts();
        let Ok(body) = to_bytes(body, usize::MAX).await else {
            return failed(StatusCode::BAD_REQUEST);
        };
        let mut headers = parts.headers;
        headers.remove(HOST);
        let url = format!("{}{}", self.behind, parts.uri);
        let request = self.http.request(parts.method, url).headers(headers).body(body);
        whole(request).await.unwrap_or_else(|_| failed(StatusCode::BAD_GATEWAY))
    }
}

async fn whole(request: reqwest::RequestBuilder) -> reqwest::Result<Whole> {
    let response = request.send().await?;
    let mut whole = Whole::default();
    *whole.status_mut() = response.status();
    *whole.headers_mut() = response.headers().clone();
    *whole.body_mut() = response.bytes().await?;
    Ok(whole)
}

fn failed(status: StatusCode) -> Whole {
    let mut whole = Whole::default();
    *whole.status_mut() = status;
    whole
}
