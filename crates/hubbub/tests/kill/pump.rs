//! Batches that come in faster than they are folded, so that a kill meets a lag.

use hubbub_testkit::client::API;
use reqwest::Method;
use serde_json::json;

use crate::{
    history::Text,
    hub::Door,
    writer::{Told, tell},
};

/// Posts of one batch, as many as one may have.
const BATCH: usize = 10_000;

/// An author who posts in bulk.
pub struct Pump {
    door: Door,
    pub author: String,
    /// Of each batch, whether it was acknowledged.
    pub batches: Vec<bool>,
    /// How many acknowledged posts were not analyzed yet when it was started again, and so at the kill.
    pub lag: usize,
}

impl Pump {
    pub fn new(number: usize, door: Door) -> Self {
        Self { door, author: format!("pump-{number}"), batches: Vec::new(), lag: 0 }
    }

    pub fn id(&self, batch: usize, place: usize) -> String {
        format!("{}.{batch}.{place}", self.author)
    }

    pub fn text(batch: usize, place: usize) -> Text {
        Text::new(&format!("b{batch}p{place}"), place % 5)
    }

    pub fn posts_of_a_batch() -> usize {
        BATCH
    }

    pub fn acknowledged(&self) -> usize {
        BATCH * self.batches.iter().filter(|acknowledged| **acknowledged).count()
    }

    pub fn unknown(&self) -> usize {
        BATCH * self.batches.len() - self.acknowledged()
    }

    /// Sends two batches at once, and returns as soon as both are answered.
    pub async fn fill(&mut self) {
        let (one, other) = tokio::join!(self.send(0), self.send(1));
        self.batches = vec![one, other];
    }

    async fn send(&self, batch: usize) -> bool {
        let post = |place| {
            let Text { content, .. } = Self::text(batch, place);
            json!({"id": self.id(batch, place), "user_id": self.author, "content": content})
                .to_string()
        };
        let body = (0..BATCH).map(post).collect::<Vec<_>>().join("\n");
        let mut door = self.door.clone();
        let told = tell(&mut door, |client| {
            client
                .ingest(Method::POST, &format!("{API}/posts/batch"))
                .body("application/x-ndjson", body)
        });
        match told.await {
            Told::Acknowledged(answer) => {
                let results = answer.json()["results"].take();
                let all = (0..BATCH).all(|place| results[place]["status"] == "accepted");
                assert!(all, "a batch was accepted in part");
                true
            }
            Told::Refused => panic!("a batch was refused while nobody killed"),
            Told::Unknown => false,
        }
    }

    /// What was not analyzed a moment after the start was not when it was killed.
    pub async fn look_at_lag(&mut self) {
        let client = self.door.client().await;
        let totals =
            client.get(&format!("/users/{}/analysis", self.author)).await.expect(200).json();
        let analyzed = totals["post_count"].as_u64().and_then(|count| usize::try_from(count).ok());
        let analyzed = analyzed.unwrap_or_else(|| panic!("{totals}"));
        assert!(analyzed <= 2 * BATCH, "{analyzed} posts of {} were analyzed", 2 * BATCH);
        self.lag = self.acknowledged().saturating_sub(analyzed);
    }
}
