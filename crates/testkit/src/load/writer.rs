//! A client that goes on through all kills, and remembers what it said and what it was told.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::{sync::watch, time::timeout};

use super::{Action, Door, History, Said, Text, Violation, tell};
use crate::{
    answer::Answer,
    client::{API, Call, Client},
};

/// Posts of one batch.
const BATCH: usize = 8;
/// Between two requests of a client that has said what it had to say, and goes on.
const PACE: Duration = Duration::from_millis(100);

/// One author, who is the only one to speak of its posts, one request at a time.
pub struct Writer {
    number: usize,
    door: Door,
    said: watch::Sender<usize>,
    /// Its name.
    pub author: String,
    /// Of each of its posts.
    pub histories: Vec<History>,
    /// Events that are certainly stored.
    pub acknowledged: usize,
    /// Requests of which nobody knows.
    pub unknown: usize,
    /// Reads of what was just written, by its token.
    pub reads: usize,
    /// Counts what must be like no other.
    marks: usize,
}

impl Writer {
    /// One that has said nothing yet; its number is in its name, and what it says is counted in `said`.
    #[must_use]
    pub fn new(number: usize, door: Door, said: watch::Sender<usize>) -> Self {
        Self {
            number,
            door,
            said,
            author: format!("author-{number}"),
            histories: Vec::new(),
            acknowledged: 0,
            unknown: 0,
            reads: 0,
            marks: 0,
        }
    }

    /// Speaks until so many events are acknowledged or unknown.
    ///
    /// # Panics
    /// Where it is answered what no fault explains, or does not read what it wrote.
    pub async fn run(self, events: usize) -> Self {
        let (_, enough) = watch::channel(true);
        self.run_until(events, enough).await
    }

    /// Speaks until so many events are acknowledged or unknown, and then on, not as fast, until it is enough.
    ///
    /// # Panics
    /// As [`Writer::run`].
    pub async fn run_until(mut self, events: usize, mut enough: watch::Receiver<bool>) -> Self {
        let mut step = 0;
        loop {
            let is_through = self.acknowledged + self.unknown >= events;
            if is_through && timeout(PACE, enough.wait_for(|enough| *enough)).await.is_ok() {
                break;
            }
            step += 1;
            match step % 16 {
                0..=2 => self.create(step).await,
                3 => self.create_by_key().await,
                4 => self.create_batch(step).await,
                5..=7 => self.edit(step).await,
                8..=13 => self.like(step).await,
                14 => self.unlike(step).await,
                _ => self.delete(step).await,
            }
        }
        // Whoever waits for more is told that there is none.
        self.said = watch::Sender::new(0);
        self
    }

    async fn create(&mut self, step: usize) {
        let text = self.text(step);
        let id = format!("post-{}.{}", self.number, self.marks);
        let history = History { id, author: self.author.clone(), said: Vec::new() };
        self.histories.push(history);
        let post = self.histories.len() - 1;
        self.say(post, Action::Create(text), !step.is_multiple_of(3)).await;
    }

    /// The id is in the answer alone, so it goes on until there is one.
    async fn create_by_key(&mut self) {
        let text = self.text(3);
        let key = format!("key-{}", self.marks);
        let body = json!({"user_id": self.author, "content": text.content});
        let mut said = Vec::new();
        loop {
            let told = tell(&mut self.door, |client| client.post("/posts", &body).key(&key)).await;
            let Some(told) = told else { continue };
            self.heard(1, told.answer.is_some());
            said.extend(told.said(Action::Create(text.clone()), 0));
            if let Some(answer) = told.answer {
                let (id, author) = (answer.string("id"), self.author.clone());
                // What was answered is answered again, and counts no more for it.
                let again = tell(&mut self.door, |client| client.post("/posts", &body).key(&key));
                if let Some(again) = again.await.and_then(|told| told.answer) {
                    assert_eq!(
                        again.string("id"),
                        id,
                        "I4: {key:?} is another post's now: {again}"
                    );
                }
                return self.histories.push(History { id, author, said });
            }
        }
    }

    async fn create_batch(&mut self, step: usize) {
        let texts: Vec<_> = (0..BATCH).map(|more| self.text(more)).collect();
        let id = |place: usize| format!("batch-{}.{}.{place}", self.number, self.marks);
        let post = |(place, text): (usize, &Text)| {
            json!({"id": id(place), "user_id": self.author, "content": text.content}).to_string()
        };
        let lines: Vec<_> = texts.iter().enumerate().map(post).collect();
        let mut histories: Vec<_> = (0..BATCH)
            .map(|place| History { id: id(place), author: self.author.clone(), said: Vec::new() })
            .collect();
        let (body, target) = (lines.join("\n"), format!("{API}/posts/batch"));
        loop {
            let told = tell(&mut self.door, |client| {
                client.ingest(Method::POST, &target).body("application/x-ndjson", body.clone())
            })
            .await;
            let Some(told) = told else { continue };
            for (place, (history, text)) in histories.iter_mut().zip(&texts).enumerate() {
                let Some(said) = told.said(Action::Create(text.clone()), place) else { continue };
                self.heard(1, said.is_certain());
                history.said.push(said);
            }
            if told.is_whole() || step.is_multiple_of(3) {
                return self.histories.extend(histories);
            }
        }
    }

    async fn edit(&mut self, step: usize) {
        let Some(post) = self.pick(step * 5) else { return };
        let text = self.text(step);
        // Where every edit's fate is known, so is the version; and an edit of one version can be sent again and again.
        let if_match = self.histories[post].version().filter(|_| step.is_multiple_of(2));
        let edited =
            self.say(post, Action::Edit { text: text.clone(), if_match }, if_match.is_some()).await;
        if let Some(edited) = edited
            && step % 64 == 6
        {
            let read = self.read_own_write(post, &text.content, &edited).await;
            read.unwrap_or_else(|violation| panic!("{violation}"));
        }
    }

    async fn like(&mut self, step: usize) {
        // Mostly a few posts, so that one has many likes.
        let Some(post) = self.pick(if step.is_multiple_of(3) { step * 7 } else { step % 5 }) else {
            return;
        };
        self.marks += 1;
        let fan = format!("fan-{}", self.marks % 60);
        self.say(post, Action::Like(fan), step.is_multiple_of(2)).await;
    }

    async fn unlike(&mut self, step: usize) {
        let Some(post) = self.pick(step % 5) else { return };
        let fan = format!("fan-{}", (self.marks + 30) % 60);
        self.say(post, Action::Unlike(fan), step.is_multiple_of(2)).await;
    }

    async fn delete(&mut self, step: usize) {
        let Some(post) = self.pick(step / 2) else { return };
        // The few that are liked by many stay.
        if post >= 64 {
            self.say(post, Action::Delete, step.is_multiple_of(2)).await;
        }
    }

    /// Sends a request about one of the posts, again and again if it should be; the answer, if there was one.
    async fn say(&mut self, post: usize, action: Action, is_persistent: bool) -> Option<Answer> {
        loop {
            let history = &self.histories[post];
            let told = tell(&mut self.door, |client| call(client, history, &action)).await;
            let Some(told) = told else { continue };
            let is_certain = told.answer.is_some();
            self.heard(1, is_certain);
            self.histories[post].said.extend(told.said(action.clone(), 0));
            if is_certain || !is_persistent {
                return told.answer;
            }
        }
    }

    /// Whoever was told that an edit is accepted sees it from then on. A kill may cost the answer.
    pub(super) async fn read_own_write(
        &mut self,
        post: usize,
        text: &str,
        edited: &Answer,
    ) -> Result<(), Violation> {
        let client = self.door.client().await;
        let history = &self.histories[post];
        // And again by the token of that read: what was seen once must be seen from then on.
        let mut seen = edited.clone();
        for _ in 0..2 {
            let read = client.get(&format!("/posts/{}", history.id)).after(&seen).wait(2);
            match read.attempt().await {
                Ok(read) if read.status != 503 => {
                    seen = read.expect(200);
                    history.check_own_write(text, &seen.json())?;
                    self.reads += 1;
                }
                _ => break,
            }
        }
        Ok(())
    }

    /// One of the posts that certainly live.
    fn pick(&self, near: usize) -> Option<usize> {
        let count = self.histories.len();
        (0..count).map(|next| (near + next) % count).find(|post| {
            let said = &self.histories[*post].said;
            said.iter().any(Said::is_certain)
                && !said.iter().any(|said| matches!(said.action, Action::Delete))
        })
    }

    fn text(&mut self, more: usize) -> Text {
        self.marks += 1;
        Text::new(&format!("w{}x{}", self.number, self.marks), more % 7)
    }

    fn heard(&mut self, events: usize, is_certain: bool) {
        match is_certain {
            true => self.acknowledged += events,
            false => self.unknown += events,
        }
        self.said.send_modify(|said| *said += events);
    }
}

fn call(client: &Client, history: &History, action: &Action) -> Call {
    let History { id, author, .. } = history;
    let path = format!("/posts/{id}");
    match action {
        Action::Create(text) => {
            client.post("/posts", &json!({"id": id, "user_id": author, "content": text.content}))
        }
        Action::Edit { text, if_match } => {
            let edit = client.patch(&path, &json!({"user_id": author, "content": text.content}));
            match if_match {
                Some(version) => edit.if_match(&format!("\"{version}\"")),
                None => edit,
            }
        }
        Action::Like(user) => client.put(&format!("{path}/likes/{user}")),
        Action::Unlike(user) => client.delete(&format!("{path}/likes/{user}")),
        Action::Delete => client.delete(&format!("{path}?user_id={author}")),
    }
}
