//! A client of hubbub's HTTP contract: it knows URLs, headers and problem documents, and nothing of what is behind them.
//!
//! An answer is checked as it comes: whatever a test asks for, each response must carry what every response carries.

use std::{
    future::{Future, IntoFuture},
    pin::Pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use reqwest::{
    Method, RequestBuilder,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use serde_json::Value;

use crate::answer::Answer;

/// Below which path the API's routes stand.
pub const API: &str = "/api/v1";

/// No answer takes longer, unless something hangs: the longest wait that a request may ask for is 10 s.
const PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// A user of one hubbub, whether one process serves it or many.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    ingest: String,
    query: String,
}

impl Client {
    /// A client with connections of its own. The base URLs, such as `http://127.0.0.1:8080`, are the same where one
    /// process serves both APIs.
    #[must_use]
    pub fn new(ingest: &str, query: &str) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .unwrap_or_else(|error| panic!("no HTTP client: {error}"));
        let base = |url: &str| url.trim_end_matches('/').to_owned();
        Self { http, ingest: base(ingest), query: base(query) }
    }

    /// A read of a path below `/api/v1`.
    pub fn get(&self, path: &str) -> Call {
        self.query(Method::GET, &format!("{API}{path}"))
    }

    /// As [`Client::get`], without a body in the answer.
    pub fn head(&self, path: &str) -> Call {
        self.query(Method::HEAD, &format!("{API}{path}"))
    }

    /// A write with a JSON body to a path below `/api/v1`.
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.ingest(Method::POST, &format!("{API}{path}")).json(body)
    }

    /// As [`Client::post`], with the method PATCH.
    pub fn patch(&self, path: &str, body: &Value) -> Call {
        self.ingest(Method::PATCH, &format!("{API}{path}")).json(body)
    }

    /// A write without a body.
    pub fn put(&self, path: &str) -> Call {
        self.ingest(Method::PUT, &format!("{API}{path}"))
    }

    /// As [`Client::put`], with the method DELETE.
    pub fn delete(&self, path: &str) -> Call {
        self.ingest(Method::DELETE, &format!("{API}{path}"))
    }

    /// Any request to the write API, by its whole path and query.
    pub fn ingest(&self, method: Method, target: &str) -> Call {
        self.call(method, &self.ingest, target)
    }

    /// Any request to the read API, by its whole path and query.
    pub fn query(&self, method: Method, target: &str) -> Call {
        self.call(method, &self.query, target)
    }

    fn call(&self, method: Method, base: &str, target: &str) -> Call {
        let request = self.http.request(method.clone(), format!("{base}{target}"));
        Call { request, method, target: target.to_owned() }
    }
}

/// A request on its way to be sent: awaiting it sends it, and checks what comes.
#[must_use = "a call is sent when it is awaited"]
#[derive(Debug)]
pub struct Call {
    request: RequestBuilder,
    method: Method,
    target: String,
}

impl Call {
    /// Adds a header field.
    pub fn header(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_static(name);
        let value = HeaderValue::from_bytes(value.as_ref())
            .unwrap_or_else(|error| panic!("{name} cannot be sent: {error}"));
        self.request = self.request.header(name, value);
        self
    }

    /// Asks to wait for the effect, or for the tokens.
    pub fn wait(self, seconds: u8) -> Self {
        self.header("prefer", format!("wait={seconds}"))
    }

    /// Asks for an answer that is not older than another one.
    pub fn after(self, seen: &Answer) -> Self {
        self.header("consistency-token", seen.token())
    }

    /// The same request again, should it be sent twice.
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Edits a version alone.
    pub fn if_match(self, tag: &str) -> Self {
        self.header("if-match", tag)
    }

    /// Sends JSON.
    pub fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    /// Sends bytes of a media type.
    pub fn body(mut self, media_type: &str, body: impl Into<Bytes>) -> Self {
        self.request = self.request.header("content-type", media_type).body(body.into());
        self
    }

    /// Sends bytes of no media type.
    pub fn untyped_body(mut self, body: impl Into<Bytes>) -> Self {
        self.request = self.request.body(body.into());
        self
    }

    /// Sends it to a server that may go away; an answer that does not come whole is an error.
    ///
    /// # Errors
    /// Where there is no connection, or it broke before the answer's end.
    pub async fn attempt(self) -> Result<Answer, reqwest::Error> {
        let response = self.request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await?;
        Ok(Answer { method: self.method, target: self.target, status, headers, body })
    }
}

impl IntoFuture for Call {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let asked = format!("{} {}", self.method, self.target);
            match self.attempt().await {
                Ok(answer) => answer.checked(),
                Err(error) => panic!("{asked}: no answer: {error:?}"),
            }
        })
    }
}

/// Looks again and again until the condition holds, for what no token and no wait can be asked for. After the deadline it
/// fails with what the last look found.
///
/// # Panics
/// Where the condition does not hold in time.
pub async fn eventually<T, E, F>(within: Duration, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, E>>,
    E: std::fmt::Display,
{
    let deadline = Instant::now() + within;
    loop {
        match look().await {
            Ok(found) => return found,
            Err(error) if Instant::now() >= deadline => panic!("after {within:?}: {error}"),
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// The value of a header field as text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
