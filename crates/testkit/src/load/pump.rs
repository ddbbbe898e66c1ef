//! Batches that come in faster than they are folded, so that a kill meets a lag.

use reqwest::Method;
use serde_json::json;

use super::{Door, Text, Told, tell};
use crate::client::API;

/// Posts of one batch, as many as one may have.
const BATCH: usize = 10_000;

/// An author who posts in bulk.
pub struct Pump {
    door: Door,
    /// Its name.
    pub author: String,
    /// Of each batch, whether it was acknowledged.
    pub batches: Vec<bool>,
    /// How many acknowledged posts were not analyzed yet when it was started again, and so at the kill.
    pub lag: usize,
}

impl Pump {
    /// One that has posted nothing yet; its number is in its name.
    #[must_use]
    pub fn new(number: usize, door: Door) -> Self {
        Self { door, author: format!("pump-{number}"), batches: Vec::new(), lag: 0 }
    }

    /// The id of a post.
    #[must_use]
    pub fn id(&self, batch: usize, place: usize) -> String {
        format!("{}.{batch}.{place}", self.author)
    }

    /// What a post says.
    #[must_use]
    pub fn text(batch: usize, place: usize) -> Text {
        Text::new(&format!("b{batch}p{place}"), place % 5)
    }

    /// How many posts each batch has.
    #[must_use]
    pub fn posts_of_a_batch() -> usize {
        BATCH
    }

    /// Posts that are certainly stored.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        BATCH * self.batches.iter().filter(|acknowledged| **acknowledged).count()
    }

    /// Posts of which nobody knows.
    #[must_use]
    pub fn unknown(&self) -> usize {
        BATCH * self.batches.len() - self.acknowledged()
    }

    /// Sends two batches at once, and returns as soon as both are answered.
    ///
    /// # Panics
    /// Where one is refused.
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
            Told::Refused => panic!("a batch was refused while all was well"),
            Told::Unknown => false,
        }
    }

    /// What was not analyzed a moment after the start was not when it was killed.
    ///
    /// # Panics
    /// Where the totals are not those of such posts.
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
