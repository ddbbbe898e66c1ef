//! Everything that can be read, held against what was said.

use std::{collections::BTreeMap, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use super::{History, Live, Post, Pump, Text, Writer};
use crate::{
    answer::Answer,
    client::{API, Client, eventually},
};

/// How long what waits to be folded may take.
const CATCH_UP: Duration = Duration::from_secs(120);

/// Reads nothing that is older than all that was acknowledged before it came.
#[derive(Clone, Debug)]
pub struct Reader {
    client: Client,
    /// The answer to a batch with posts in every partition: its token is behind everything.
    last: Answer,
}

impl Reader {
    /// Waits until every projection has folded all that was acknowledged.
    ///
    /// # Panics
    /// Where that takes too long.
    pub async fn caught_up(client: Client) -> Self {
        let posts: Vec<_> = (0..500)
            .map(|n| json!({"id": format!("last.{n}"), "user_id": "last", "content": "x"}))
            .collect();
        let call = client.ingest(Method::POST, &format!("{API}/posts/batch")).json(&json!(posts));
        let last = call.await.expect(202);
        for path in ["/users/last/posts", "/users/last/analysis"] {
            eventually(CATCH_UP, || async {
                let answer = client.get(path).after(&last).wait(10).await;
                if answer.status == 200 { Ok(()) } else { Err(answer) }
            })
            .await;
        }
        Self { client, last }
    }

    /// Checks a writer's posts, one by one, and what they add up to.
    ///
    /// # Panics
    /// Where something was lost, is counted twice, or does not follow from what was said.
    pub async fn check_writer(&self, writer: &Writer) {
        let listed = self.listed(&writer.author).await;
        let mut live = Vec::new();
        for history in &writer.histories {
            let item = listed.get(&history.id);
            let post = self.observe(history, item).await;
            assert!(history.explains(&post), "{post:#?}\ndoes not follow from {history:#?}");
            if let Post::Live(post) = post {
                let analysis = self.read(&format!("/posts/{}/analysis", history.id)).await;
                assert_eq!(analysis, post.analysis(&history.id, &writer.author));
                live.push(post.text);
            }
        }
        assert_eq!(live.len(), listed.len(), "{} has posts that it never wrote", writer.author);
        self.check_totals(&writer.author, &live).await;
    }

    /// Checks a pump's posts: all of each acknowledged batch, and of any other what there is.
    ///
    /// # Panics
    /// Where something was lost, is counted twice, or does not follow from what was said.
    pub async fn check_pump(&self, pump: &Pump) {
        let listed = self.listed(&pump.author).await;
        let mut live = Vec::new();
        for (batch, is_certain) in pump.batches.iter().enumerate() {
            for place in 0..Pump::posts_of_a_batch() {
                let (id, text) = (pump.id(batch, place), Pump::text(batch, place));
                match listed.get(&id) {
                    Some(item) => {
                        let seen = (&item["content"], &item["version"], &item["like_count"]);
                        assert_eq!(seen, (&json!(text.content), &json!(1), &json!(0)), "{item}");
                        live.push(text);
                    }
                    None => assert!(!is_certain, "{id} was acknowledged and is lost"),
                }
            }
        }
        assert_eq!(live.len(), listed.len(), "{} has posts that it never wrote", pump.author);
        self.check_totals(&pump.author, &live).await;
    }

    async fn ask(&self, path: &str) -> Answer {
        self.client.get(path).after(&self.last).wait(10).await
    }

    async fn read(&self, path: &str) -> Value {
        self.ask(path).await.expect(200).json()
    }

    /// An author's posts by id, from page to page. None may come twice.
    async fn listed(&self, author: &str) -> BTreeMap<String, Value> {
        let (mut listed, mut cursor) = (BTreeMap::new(), String::new());
        loop {
            let page = self.read(&format!("/users/{author}/posts?limit=100{cursor}")).await;
            for item in items(&page) {
                let before = listed.insert(string(&item["id"]), item.clone());
                assert!(before.is_none(), "{item} is listed twice");
            }
            let Some(next) = page["next"].as_str() else {
                return listed;
            };
            cursor = format!("&cursor={next}");
        }
    }

    /// A post as it is seen by all routes, which must agree.
    async fn observe(&self, history: &History, listed: Option<&Value>) -> Post {
        let path = format!("/posts/{}", history.id);
        let Some(item) = listed else {
            let missing = self.ask(&path).await;
            return match missing.status {
                410 => Post::Deleted,
                404 => Post::Absent,
                _ => panic!("{} is not in its author's list: {missing}", history.id),
            };
        };
        let read = self.read(&path).await;
        assert_eq!(&read, item, "the post and the list differ");
        let (mut likers, mut events) =
            (Vec::new(), vec![("created".to_owned(), history.author.clone())]);
        if !history.is_untouched() {
            let likes = self.read(&format!("{path}/likes?limit=100")).await;
            likers = items(&likes).map(|like| string(&like["user_id"])).collect();
            assert!(likers.is_sorted(), "{likes}");
            events = self.all_events(&path).await;
        }
        assert_eq!(read["like_count"], likers.len(), "{read}: {likers:?}");
        let version = read["version"].as_u64().and_then(|version| usize::try_from(version).ok());
        Post::Live(Live {
            text: text_of(&read),
            version: version.unwrap_or_default(),
            likers: likers.into_iter().collect(),
            events,
        })
    }

    async fn all_events(&self, path: &str) -> Vec<(String, String)> {
        let (mut events, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.read(&format!("{path}/events?limit=100{cursor}")).await;
            let event = |event: &Value| (string(&event["type"]), string(&event["user_id"]));
            events.extend(items(&page).map(event));
            let Some(next) = page["next"].as_str() else {
                return events;
            };
            cursor = format!("&cursor={next}");
        }
    }

    /// What the live posts add up to, exactly.
    async fn check_totals(&self, author: &str, live: &[Text]) {
        let words: usize = live.iter().map(|text| text.words).sum();
        let chars: usize = live.iter().map(|text| text.chars).sum();
        let expected = json!({
            "user_id": author,
            "post_count": live.len(),
            "word_count": words,
            "average_word_length": if words == 0 { 0.0 } else { chars as f64 / words as f64 },
        });
        assert_eq!(self.read(&format!("/users/{author}/analysis")).await, expected);
    }
}

/// The text of a post that was written by [`Text::new`].
fn text_of(post: &Value) -> Text {
    let content = string(&post["content"]);
    let mark = content.split(' ').next().unwrap_or_default();
    Text::new(mark, content.matches(" word").count())
}

fn items(page: &Value) -> impl Iterator<Item = &Value> {
    page["items"].as_array().into_iter().flatten()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string")).to_owned()
}
