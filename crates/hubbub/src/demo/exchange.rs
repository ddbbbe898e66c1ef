//! Requests of the demo: made, printed as something to copy, and compared.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    io::{self, Write},
};

use anyhow::Context;
use hubbub_web::TOKEN_HEADER;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::client::{base, http_client};

const API: &str = "/api/v1";

/// A request about some posts. A write about one gives a token; a read sends theirs, as
/// it wants to see all that was written.
pub(super) struct Ask<'a> {
    method: Method,
    path: String,
    about: Vec<&'a str>,
    body: Option<Value>,
}

impl<'a> Ask<'a> {
    pub(super) fn new(method: Method, path: impl Into<String>, about: &[&'a String]) -> Self {
        let about = about.iter().map(|id| id.as_str()).collect();
        Self { method, path: path.into(), about, body: None }
    }

    pub(super) fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    fn headers(&self, tokens: &BTreeMap<String, String>) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if self.body.is_some() {
            headers.push(("Content-Type", "application/json".to_owned()));
        }
        if self.method == Method::GET {
            let tokens = self.about.iter().filter_map(|id| tokens.get(*id).map(String::as_str));
            headers.push(("Consistency-Token", tokens.collect::<Vec<_>>().join(",")));
            headers.push(("Prefer", "wait=5".to_owned()));
        }
        headers
    }
}

/// An answer. A body that is not JSON is null.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

/// All that is said and answered in one run.
pub(super) struct Conversation {
    http: reqwest::Client,
    base: String,
    /// Of each post, that of the last write.
    tokens: BTreeMap<String, String>,
    steps: usize,
    differences: Vec<String>,
}

impl Conversation {
    pub(super) fn new(url: &str) -> anyhow::Result<Self> {
        Ok(Self {
            http: http_client()?,
            base: base(url)?,
            tokens: BTreeMap::new(),
            steps: 0,
            differences: Vec::new(),
        })
    }

    /// Makes a request, and prints it with its answer.
    pub(super) async fn ask(&mut self, step: &str, ask: Ask<'_>) -> anyhow::Result<Answer> {
        self.steps += 1;
        let step = format!("{}. {step}", self.steps);
        let url = format!("{}{API}{}", self.base, ask.path);
        let headers = ask.headers(&self.tokens);
        self.say(&format!("{step}\n\n{}\n", curl(&ask, &url, &headers)))?;
        let mut request = self.http.request(ask.method.clone(), &url);
        for (name, value) in &headers {
            request = request.header(*name, value);
        }
        if let Some(body) = &ask.body {
            request = request.body(body.to_string());
        }
        let base = &self.base;
        let response = request.send().await.with_context(|| {
            format!("{base} does not answer: is hubbub running there? (--url names another place)")
        })?;
        let status = response.status();
        let token = response.headers().get(TOKEN_HEADER);
        let token = token.and_then(|token| token.to_str().ok()).map(str::to_owned);
        let text = response.text().await.with_context(|| format!("{base} broke off its answer"))?;
        if let (Some(token), [written], false) = (token, &ask.about[..], ask.method == Method::GET)
        {
            self.tokens.insert((*written).to_owned(), token);
        }
        self.say(&format!("   {} {text}\n", status.as_u16()))?;
        Ok(Answer { status, body: serde_json::from_str(&text).unwrap_or_default() })
    }

    /// Notes where something differs from what it should be.
    pub(super) fn expect<T: PartialEq + Debug>(&mut self, what: &str, found: T, expected: T) {
        if found != expected {
            let step = self.steps;
            self.differences
                .push(format!("step {step}: {what}: expected {expected:?}, found {found:?}"));
        }
    }

    pub(super) fn differences(&self) -> &[String] {
        &self.differences
    }

    pub(super) fn say(&self, text: &str) -> anyhow::Result<()> {
        Ok(writeln!(io::stdout(), "{text}")?)
    }
}

/// The request as a command for a shell.
fn curl(ask: &Ask<'_>, url: &str, headers: &[(&str, String)]) -> String {
    let mut lines = vec![match ask.method {
        Method::GET => "   curl".to_owned(),
        _ => format!("   curl -X {}", ask.method),
    }];
    lines.extend(headers.iter().map(|(name, value)| format!("-H '{name}: {value}'")));
    lines.extend(
        ask.body.iter().map(|body| format!("-d '{}'", body.to_string().replace('\'', r"'\''"))),
    );
    lines.push(url.to_owned());
    lines.join(" \\\n     ")
}
