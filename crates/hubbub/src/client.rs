//! Talks to the operations port of a running hubbub, for the command line.

mod builds;
mod explain;

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::{Context, bail};
use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use builds::Rebuild;

use crate::operations::{
    DeadLetter, DeadLetterPage, DecodedField, Repair, Repaired, Resume, Resumed, Start, Unreadable,
};

/// No answer of an operations port takes longer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// But for one that reads a partition from a record to its end.
const REPAIR_TIMEOUT: Duration = Duration::from_secs(300);

/// A client of one operations port.
pub struct Client {
    http: reqwest::Client,
    base: String,
}

impl Client {
    /// A client of the port at this URL.
    ///
    /// # Errors
    /// Where the URL is none that can be asked.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        Ok(Self { http: http_client()?, base: base(url)? })
    }

    /// Asks whether it is ready.
    ///
    /// # Errors
    /// What keeps it from being ready, or from answering.
    pub async fn healthcheck(&self) -> anyhow::Result<()> {
        self.get::<Value>("/readyz").await?;
        Ok(writeln!(io::stdout(), "ready")?)
    }

    /// Prints a page of dead letters, one a line.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn list_dead_letters(&self, from: Start, limit: usize) -> anyhow::Result<()> {
        let Start { partition, offset } = from;
        let path = format!("/dead-letters?partition={partition}&offset={offset}&limit={limit}");
        let page: DeadLetterPage = self.get(&path).await?;
        let mut out = io::stdout().lock();
        if page.items.is_empty() && page.unreadable.is_empty() {
            return Ok(writeln!(out, "no dead letters")?);
        }
        if !page.items.is_empty() {
            writeln!(
                out,
                "{:>9} {:>8}  {:<24}  {:<10}  {:<28}  REASON",
                "PARTITION", "OFFSET", "TIME", "PROJECTION", "SOURCE"
            )?;
        }
        for letter in page.items {
            let source = &letter.source;
            let source = format!("{}/{}@{}", source.topic, source.partition, source.offset);
            let DeadLetter { partition, offset, time, projection, reason, .. } = letter;
            writeln!(
                out,
                "{partition:>9} {offset:>8}  {time:<24}  {projection:<10}  {source:<28}  {reason}"
            )?;
        }
        if let Some(next) = page.next {
            writeln!(out, "\nmore: hubbub dead-letters list --from {next} --limit {limit}")?;
        }
        for Unreadable { partition, offset, reason } in page.unreadable {
            let from = offset.map(|offset| format!(" from offset {offset} on"));
            let from = from.unwrap_or_default();
            writeln!(out, "\npartition {partition} cannot be read{from}: {reason}")?;
        }
        Ok(())
    }

    /// Prints one dead letter.
    ///
    /// # Errors
    /// Where there is none, or it does not answer.
    pub async fn show_dead_letter(&self, partition: i32, offset: i64) -> anyhow::Result<()> {
        let letter: Value = self.get(&format!("/dead-letters/{partition}/{offset}")).await?;
        Ok(writeln!(io::stdout(), "{letter:#}")?)
    }

    /// Repairs a dead letter, and prints what was appended, and where.
    ///
    /// # Errors
    /// Where the bytes are refused, or it does not answer.
    pub async fn repair_dead_letter(
        &self,
        at: Start,
        value: &[u8],
        dry_run: bool,
    ) -> anyhow::Result<()> {
        let Start { partition, offset } = at;
        let url = format!("{}/dead-letters/{partition}/{offset}/repair", self.base);
        let repair = Repair { value: STANDARD.encode(value), dry_run };
        let request = self.http.post(url).timeout(REPAIR_TIMEOUT).json(&repair);
        let Repaired { says, repairs, position, was_there } = self.send(request).await?;
        let mut out = io::stdout().lock();
        for DecodedField { name, value } in &says.fields {
            writeln!(out, "{name}: {value}")?;
        }
        match position {
            Some(position) if was_there => {
                writeln!(out, "\nnothing appended: {repairs} was repaired before, by {position}")?;
            }
            Some(position) => writeln!(out, "\nappended at {position}, in place of {repairs}")?,
            None => writeln!(out, "\nnothing appended: a dry run for {repairs}")?,
        }
        Ok(())
    }

    /// Ends halts, and prints of how many partitions.
    ///
    /// # Errors
    /// Where it refuses or does not answer.
    pub async fn resume(&self, what: &Resume) -> anyhow::Result<()> {
        let request = self.http.post(format!("{}/resume", self.base)).json(what);
        let Resumed { resumed } = self.send(request).await?;
        let what = match resumed {
            0 => "no partition was halted".to_owned(),
            1 => "1 partition goes on".to_owned(),
            _ => format!("{resumed} partitions go on"),
        };
        Ok(writeln!(io::stdout(), "{what}")?)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.send(self.http.get(format!("{}{path}", self.base))).await
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let base = &self.base;
        let response = self.answer(request).await?;
        let body =
            response.bytes().await.with_context(|| format!("{base} broke off its answer"))?;
        serde_json::from_slice(&body)
            .with_context(|| format!("{base} is no operations port of hubbub"))
    }

    /// What it answers, where that is no problem.
    async fn answer(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let base = &self.base;
        let response = request.send().await.with_context(|| {
            format!("{base} does not answer: is hubbub running there? (--url names another place)")
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body =
            response.bytes().await.with_context(|| format!("{base} broke off its answer"))?;
        let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
        match problem["detail"].as_str() {
            Some(detail) => bail!("{detail}"),
            None => bail!("{base} answered {status}: is it the operations port of a hubbub?"),
        }
    }
}

/// A client for plain HTTP.
pub(crate) fn http_client() -> anyhow::Result<reqwest::Client> {
    // A proxy of the environment is for the outside; and where nobody needs to be trusted,
    // a machine without certificates will do.
    Ok(reqwest::Client::builder().timeout(TIMEOUT).no_proxy().tls_certs_only([]).build()?)
}

/// A URL without a slash at its end.
pub(crate) fn base(url: &str) -> anyhow::Result<String> {
    let is_http =
        reqwest::Url::parse(url).is_ok_and(|url| url.scheme() == "http" && url.has_host());
    if !is_http {
        bail!("{url:?} is not allowed: a URL such as http://127.0.0.1:8080 is expected");
    }
    Ok(url.trim_end_matches('/').to_owned())
}
