//! Everything that can be read, held against what was said.

use std::{collections::BTreeMap, time::Duration};

use hubbub_testkit::client::{API, Client, eventually};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    history::{History, Live, Post, Text},
    hub::Door,
    pump::Pump,
    writer::Writer,
};

/// How long what waits to be folded may take.
const CATCH_UP: Duration = Duration::from_secs(120);

/// Waits until every projection has folded all that was acknowledged: of a batch that has posts in every partition, the
/// token is behind all of it.
pub async fn caught_up(client: &Client) {
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
}

/// A writer's posts, one by one, and what they add up to.
pub async fn writer(door: &mut Door, writer: &Writer) {
    let client = door.client().await;
    let listed = listed(&client, &writer.author).await;
    let mut live = Vec::new();
    for history in &writer.histories {
        let item = listed.get(&history.id);
        let post = observe(&client, history, item).await;
        assert!(history.explains(&post), "{post:#?}\ndoes not follow from {history:#?}");
        if let Post::Live(post) = post {
            let analysis =
                client.get(&format!("/posts/{}/analysis", history.id)).await.expect(200).json();
            assert_eq!(analysis, post.analysis(&history.id, &writer.author));
            live.push(post.text);
        }
    }
    assert_eq!(live.len(), listed.len(), "{} has posts that it never wrote", writer.author);
    totals(&client, &writer.author, &live).await;
}

/// A pump's posts: all of each acknowledged batch, and of any other what there is.
pub async fn pump(client: &Client, pump: &Pump) {
    let listed = listed(client, &pump.author).await;
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
    totals(client, &pump.author, &live).await;
}

/// An author's posts by id, from page to page. None may come twice.
async fn listed(client: &Client, author: &str) -> BTreeMap<String, Value> {
    let (mut listed, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = client
            .get(&format!("/users/{author}/posts?limit=100{cursor}"))
            .await
            .expect(200)
            .json();
        for item in page["items"].as_array().into_iter().flatten() {
            let id = item["id"].as_str().unwrap_or_default().to_owned();
            let before = listed.insert(id, item.clone());
            assert!(before.is_none(), "{item} is listed twice");
        }
        let Some(next) = page["next"].as_str() else {
            return listed;
        };
        cursor = format!("&cursor={next}");
    }
}

/// A post as it is seen by all routes, which must agree.
async fn observe(client: &Client, history: &History, listed: Option<&Value>) -> Post {
    let path = format!("/posts/{}", history.id);
    let Some(item) = listed else {
        let missing = client.get(&path).await;
        return match missing.status {
            410 => Post::Deleted,
            404 => Post::Absent,
            _ => panic!("{} is not in its author's list: {missing}", history.id),
        };
    };
    let read = client.get(&path).await.expect(200).json();
    assert_eq!(&read, item, "the post and the list differ");
    let (mut likers, mut events) =
        (Vec::new(), vec![("created".to_owned(), history.author.clone())]);
    if !history.is_untouched() {
        let likes = client.get(&format!("{path}/likes?limit=100")).await.expect(200).json();
        likers = items(&likes).map(|like| string(&like["user_id"])).collect();
        assert!(likers.is_sorted(), "{likes}");
        events = all_events(client, &path).await;
    }
    assert_eq!(read["like_count"], likers.len(), "{read}: {likers:?}");
    Post::Live(Live {
        text: text_of(&read),
        version: read["version"]
            .as_u64()
            .and_then(|version| usize::try_from(version).ok())
            .unwrap_or_default(),
        likers: likers.into_iter().collect(),
        events,
    })
}

async fn all_events(client: &Client, path: &str) -> Vec<(String, String)> {
    let (mut events, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("{path}/events?limit=100{cursor}")).await.expect(200).json();
        events
            .extend(items(&page).map(|event| (string(&event["type"]), string(&event["user_id"]))));
        let Some(next) = page["next"].as_str() else {
            return events;
        };
        cursor = format!("&cursor={next}");
    }
}

/// What the live posts add up to, exactly.
async fn totals(client: &Client, author: &str, live: &[Text]) {
    let words: usize = live.iter().map(|text| text.words).sum();
    let chars: usize = live.iter().map(|text| text.chars).sum();
    let expected = json!({
        "user_id": author,
        "post_count": live.len(),
        "word_count": words,
        "average_word_length": if words == 0 { 0.0 } else { chars as f64 / words as f64 },
    });
    assert_eq!(client.get(&format!("/users/{author}/analysis")).await.expect(200).json(), expected);
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
