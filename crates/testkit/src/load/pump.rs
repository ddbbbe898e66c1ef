//! Batches that come in faster than they are folded, so that a kill meets a lag.

use reqwest::Method;
use serde_json::json;

use super::{Action, Door, History, Text, tell};
use crate::client::API;

/// Posts of one batch, as many as one may have.
const BATCH: usize = 10_000;

/// An author who posts in bulk.
pub struct Pump {
    door: Door,
    /// Its name.
    pub author: String,
    /// Of each of its posts.
    pub histories: Vec<History>,
    /// How many acknowledged posts were not analyzed yet when it was started again, and so at the kill.
    pub lag: usize,
}

impl Pump {
    /// One that has posted nothing yet; its number is in its name.
    #[must_use]
    pub fn new(number: usize, door: Door) -> Self {
        Self { door, author: format!("pump-{number}"), histories: Vec::new(), lag: 0 }
    }

    /// The id of a post.
    #[must_use]
    pub fn id(&self, batch: usize, place: usize) -> String {
        format!("{}.{batch}.{place}", self.author)
    }

    /// Posts that are certainly stored.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        let said = self.histories.iter().flat_map(|history| &history.said);
        said.filter(|said| said.is_certain()).count()
    }

    /// Posts of which nobody knows.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.histories.len() - self.acknowledged()
    }

    /// Sends two batches at once, and returns as soon as both are answered.
    ///
    /// # Panics
    /// Where one is refused.
    pub async fn fill(&mut self) {
        let (one, other) = tokio::join!(self.send(0), self.send(1));
        self.histories = [one, other].concat();
    }

    async fn send(&self, batch: usize) -> Vec<History> {
        let texts: Vec<_> =
            (0..BATCH).map(|place| Text::new(&format!("b{batch}p{place}"), place % 5)).collect();
        let post = |(place, text): (usize, &Text)| {
            let id = self.id(batch, place);
            json!({"id": id, "user_id": self.author, "content": text.content}).to_string()
        };
        let body = texts.iter().enumerate().map(post).collect::<Vec<_>>().join("\n");
        let mut door = self.door.clone();
        let told = tell(&mut door, |client| {
            client
                .ingest(Method::POST, &format!("{API}/posts/batch"))
                .body("application/x-ndjson", body)
        });
        let told = told.await.unwrap_or_else(|| panic!("a batch was refused while all was well"));
        let history = |(place, text)| History {
            id: self.id(batch, place),
            author: self.author.clone(),
            said: Vec::from_iter(told.said(Action::Create(text), place)),
        };
        texts.into_iter().enumerate().map(history).collect()
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
