//! Everything that can be read, held against what was said.

use std::{collections::BTreeSet, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    Event, History, Invariant, Live, Post, Pump, Subject, Text, Violation, Writer, listing,
};
use crate::{
    answer::Answer,
    client::{API, Client, eventually},
};

/// How long what waits to be folded may take, whatever was pumped in.
const CATCH_UP: Duration = Duration::from_secs(120);

/// The analyzer of this version, as clients know it: written out, so that the check follows nothing that it checks.
pub const ANALYZER: &str = "uax29-nfc/1";

/// Reads nothing that is older than all that was acknowledged before it came.
#[derive(Clone, Debug)]
pub struct Reader {
    client: Client,
    /// The answer to a batch with posts in every partition: its token is behind everything.
    last: Answer,
    analyzer: &'static str,
}

impl Reader {
    /// Waits until every projection has folded all that was acknowledged.
    ///
    /// # Panics
    /// Where that takes too long, even with a backlog.
    pub async fn caught_up(client: Client) -> Self {
        let posts: Vec<_> = (0..500)
            .map(|n| json!({"id": format!("last.{n}"), "user_id": "last", "content": "x"}))
            .collect();
        let call = client.ingest(Method::POST, &format!("{API}/posts/batch")).json(&json!(posts));
        let last = call.await.expect(202);
        // Each projection in each partition: an author's rows come from all of them, a post's likes from one.
        let mut paths = vec!["/users/last/posts".to_owned(), "/users/last/analysis".to_owned()];
        paths.extend((0..500).step_by(5).map(|n| format!("/posts/last.{n}/likes")));
        for path in &paths {
            eventually(CATCH_UP, || async {
                let answer = client.get(path).after(&last).wait(10).await;
                if answer.status == 200 { Ok(()) } else { Err(answer) }
            })
            .await;
        }
        Self { client, last, analyzer: ANALYZER }
    }

    /// Expects analyses that another analyzer made. Of what loads write it must count the same.
    #[must_use]
    pub fn expecting(self, analyzer: &'static str) -> Self {
        Self { analyzer, ..self }
    }

    /// Checks a writer's posts, one by one, and what they add up to.
    ///
    /// # Errors
    /// The first thing that was lost, is counted twice, or does not follow from what was said.
    ///
    /// # Panics
    /// Where something cannot be read.
    pub async fn check_writer(&self, writer: &Writer) -> Result<(), Violation> {
        let items = self.listed(&writer.author).await;
        let listed = listing::by_id(&writer.histories, &items)?;
        let mut live = Vec::new();
        for history in &writer.histories {
            let item = listed.get(&*history.id).copied();
            if let Post::Live(post) = self.check_post(history, item).await? {
                live.push(post.text);
            }
        }
        self.check_totals(&writer.author, &live).await
    }

    /// Checks a pump's posts: all of each acknowledged batch, and of any other what there is.
    ///
    /// # Errors
    /// The first thing that was lost, is counted twice, or does not follow from what was said.
    ///
    /// # Panics
    /// Where something cannot be read.
    pub async fn check_pump(&self, pump: &Pump) -> Result<(), Violation> {
        let items = self.listed(&pump.author).await;
        let listed = listing::by_id(&pump.histories, &items)?;
        let mut live = Vec::new();
        for history in &pump.histories {
            let Some(item) = listed.get(&*history.id) else {
                history.check(&Post::Absent)?;
                continue;
            };
            let post = untouched(history, item);
            live.push(post.text.clone());
            history.check(&Post::Live(post))?;
        }
        self.check_totals(&pump.author, &live).await
    }

    async fn ask(&self, path: &str) -> Answer {
        self.client.get(path).after(&self.last).wait(10).await
    }

    async fn read(&self, path: &str) -> Value {
        self.ask(path).await.expect(200).json()
    }

    /// All items of a list, from page to page.
    async fn items(&self, path: &str) -> Vec<Value> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        loop {
            let mut page = self.read(&format!("{path}?limit=100{cursor}")).await;
            if let Value::Array(more) = page["items"].take() {
                items.extend(more);
            }
            let Some(next) = page["next"].as_str() else {
                return items;
            };
            cursor = format!("&cursor={next}");
        }
    }

    async fn listed(&self, author: &str) -> Vec<Value> {
        self.items(&format!("/users/{author}/posts")).await
    }

    /// Checks what all routes show of a post.
    async fn check_post(&self, history: &History, item: Option<&Value>) -> Result<Post, Violation> {
        let path = format!("/posts/{}", history.id);
        let answer = self.ask(&path).await;
        let (seen, read) = match answer.status {
            410 => (Post::Deleted, None),
            404 => (Post::Absent, None),
            _ => {
                let read = answer.expect(200).json();
                (Post::Live(self.observe(history, &read).await?), Some(read))
            }
        };
        history.check(&seen)?;
        history.check_listed(&seen, read.as_ref(), item)?;
        let analysis = self.ask(&format!("{path}/analysis")).await;
        let analysis = match analysis.status {
            404 | 410 => None,
            _ => Some(analysis.expect(200).json()),
        };
        history.check_analysis(&seen, analysis.as_ref(), self.analyzer)?;
        Ok(seen)
    }

    /// A post with its likes and events, where anything was said but that there be a post.
    async fn observe(&self, history: &History, read: &Value) -> Result<Live, Violation> {
        let post = untouched(history, read);
        if history.is_untouched() {
            return Ok(post);
        }
        let path = format!("/posts/{}", history.id);
        let likes = self.items(&format!("{path}/likes")).await;
        let likers: Vec<_> = likes.iter().map(|like| string(&like["user_id"])).collect();
        history.check_order(&likers)?;
        let events = self.items(&format!("{path}/events")).await;
        let event =
            |event: &Value| -> Event { (string(&event["type"]), string(&event["user_id"])) };
        Ok(Live {
            likers: likers.into_iter().collect(),
            events: events.iter().map(event).collect(),
            ..post
        })
    }

    /// What the live posts add up to, exactly.
    async fn check_totals(&self, author: &str, live: &[Text]) -> Result<(), Violation> {
        let words: usize = live.iter().map(|text| text.words).sum();
        let chars: usize = live.iter().map(|text| text.chars).sum();
        let expected = json!({
            "user_id": author,
            "post_count": live.len(),
            "word_count": words,
            "average_word_length": if words == 0 { 0.0 } else { chars as f64 / words as f64 },
        });
        let seen = self.read(&format!("/users/{author}/analysis")).await;
        if seen == expected {
            return Ok(());
        }
        Err(Violation {
            invariant: Invariant::Analysis,
            subject: Subject::Author(author.to_owned()),
            expected: format!("the totals {expected}"),
            seen: format!("the totals {seen}"),
            story: Vec::new(),
        })
    }
}

/// A post as it reads, to which nothing happened but that it was made.
fn untouched(history: &History, read: &Value) -> Live {
    Live {
        text: Text::of(string(&read["content"])),
        version: number(&read["version"]),
        likers: BTreeSet::new(),
        like_count: number(&read["like_count"]),
        events: vec![("created".to_owned(), history.author.clone())],
    }
}

fn number(value: &Value) -> usize {
    let number = value.as_u64().and_then(|number| usize::try_from(number).ok());
    number.unwrap_or_else(|| panic!("{value} is no number"))
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string")).to_owned()
}
