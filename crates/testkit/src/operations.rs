//! A client of the operations ports of one hubbub, all of its processes together.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

use crate::{
    answer::Answer,
    client::{Client, eventually},
};

/// How long workers may take to share partitions, and to open them.
const SHARE: Duration = Duration::from_secs(60);

/// The operations ports of one hubbub.
#[derive(Clone, Debug)]
pub struct Operations(Vec<Client>);

impl Operations {
    /// A client of the ports at these URLs.
    #[must_use]
    pub fn new<'a>(urls: impl IntoIterator<Item = &'a str>) -> Self {
        Self(urls.into_iter().map(|url| Client::new(url, url)).collect())
    }

    /// What each port answers.
    ///
    /// # Panics
    /// Where one does not.
    pub async fn get(&self, path: &str) -> Vec<Answer> {
        let mut answers = Vec::new();
        for client in &self.0 {
            let answer = client.query(Method::GET, path).attempt().await;
            answers.push(answer.unwrap_or_else(|error| panic!("{path}: no answer: {error:?}")));
        }
        answers
    }

    /// What `/readyz` of the first port answers, and its causes.
    ///
    /// # Panics
    /// Where it does not.
    pub async fn readiness(&self) -> (u16, Vec<String>) {
        let answer = self.get("/readyz").await.remove(0);
        let causes = answer.json()["causes"].as_array().cloned().unwrap_or_default();
        (answer.status, causes.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    /// Waits until so many partitions are folded, those of all projections: until then, reads that wait would wait for
    /// that.
    ///
    /// # Panics
    /// Where that takes too long.
    pub async fn until_folding(&self, partitions: usize) {
        eventually(SHARE, || async {
            let mut running = 0;
            for answer in self.get("/status").await {
                let of = answer.expect(200).json()["partitions"].clone();
                let of = of.as_array().cloned().unwrap_or_default();
                running += of.iter().filter(|of| of["state"] == "running").count();
            }
            if running == partitions { Ok(()) } else { Err(running) }
        })
        .await;
    }

    /// What the first port answers, where it does.
    pub async fn try_get(&self, path: &str) -> Option<Answer> {
        self.0.first()?.query(Method::GET, path).attempt().await.ok()
    }

    /// What each port answers to a request with a body.
    ///
    /// # Panics
    /// Where one does not.
    pub async fn post(&self, path: &str, body: &Value) -> Vec<Answer> {
        let mut answers = Vec::new();
        for client in &self.0 {
            answers.push(client.ingest(Method::POST, path).json(body).await);
        }
        answers
    }

    /// The metrics of all processes.
    ///
    /// # Panics
    /// Where a port does not answer them.
    pub async fn metrics(&self) -> Metrics {
        let answers = self.get("/metrics").await.into_iter().map(|answer| answer.expect(200));
        Metrics(answers.map(|answer| String::from_utf8_lossy(&answer.body).into_owned()).collect())
    }
}

/// Metrics in Prometheus's text format.
#[derive(Clone, Debug)]
pub struct Metrics(pub String);

impl Metrics {
    /// The sum of the samples of this name that have these labels.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.samples()
            .filter(|(found, has, _)| {
                *found == name
                    && labels
                        .iter()
                        .all(|(label, value)| has.contains(&format!("{label}=\"{value}\"")))
            })
            .map(|(.., value)| value)
            .sum()
    }

    /// How many samples of this name have this value.
    #[must_use]
    pub fn count(&self, name: &str, value: f64) -> usize {
        let has = |found: f64| (found - value).abs() < f64::EPSILON;
        self.samples().filter(|(found, _, its)| *found == name && has(*its)).count()
    }

    /// Name, labels and value of each.
    fn samples(&self) -> impl Iterator<Item = (&str, &str, f64)> {
        let lines = self.0.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            Some((name, labels, value.parse().ok()?))
        })
    }
}
