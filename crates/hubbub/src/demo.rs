//! `hubbub demo`: a user's first minutes, against any running hubbub. Every step prints
//! the request that it makes and what comes back, and verifies it.

mod exchange;

use anyhow::bail;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use exchange::{Ask, Conversation};

/// A post of the demo, and what its analysis must come to.
struct Sample {
    content: &'static str,
    /// In the field, …
    hashtags: &'static [&'static str],
    /// … and those with the text's own.
    all_hashtags: &'static [&'static str],
    words: i64,
    /// The characters of its words, all together.
    chars: i64,
}

const SAMPLES: [Sample; 3] = [
    Sample {
        content: "Sunrise over the harbour. #morning",
        hashtags: &["photo"],
        all_hashtags: &["photo", "morning"],
        words: 5,
        chars: 28,
    },
    Sample {
        content: "Coffee first, then the long way home. #coffee",
        hashtags: &["morning"],
        all_hashtags: &["morning", "coffee"],
        words: 8,
        chars: 35,
    },
    Sample {
        content: "It works: 3 posts in 1 minute!",
        hashtags: &["hubbub"],
        all_hashtags: &["hubbub"],
        words: 7,
        chars: 22,
    },
];

/// Runs the demo against the API at this URL, printing to standard output.
///
/// # Errors
/// Where it does not answer, or something differs from what is expected.
pub async fn run(url: &str) -> anyhow::Result<()> {
    let mut talk = Conversation::new(url)?;
    let run = uuid::Uuid::new_v4().simple().to_string();
    let author = format!("demo-{}", &run[..12]);
    let fan = format!("{author}-fan");
    let ids = [1, 2, 3].map(|number| format!("{author}-post-{number}"));

    for (id, sample) in ids.iter().zip(&SAMPLES) {
        let Sample { content, hashtags, .. } = sample;
        let post = json!({"id": id, "user_id": author, "content": content, "hashtags": hashtags});
        let step = format!("{author} posts, with hashtags in the field and in the text");
        let answer = talk.ask(&step, Ask::new(Method::POST, "/posts/", &[id]).body(post)).await?;
        talk.expect("the status", answer.status, StatusCode::ACCEPTED);
        talk.expect("id", &answer.body["id"], &json!(id));
        talk.expect("status", &answer.body["status"], &json!("accepted"));
    }

    let [first, ..] = &ids;
    for step in ["somebody likes the first post", "and likes it again, which changes nothing"] {
        let like = Ask::new(Method::PUT, format!("/posts/{first}/likes/{fan}"), &[first]);
        let answer = talk.ask(step, like).await?;
        talk.expect("the status", answer.status, StatusCode::ACCEPTED);
    }

    let read = |path: String| Ask::new(Method::GET, path, &[first]);
    let read_author = |path: String| Ask::new(Method::GET, path, &[&ids[0], &ids[1], &ids[2]]);
    let [sample, ..] = &SAMPLES;
    let analysis = read(format!("/posts/{first}/analysis"));
    let answer = talk.ask("the first post's analysis", analysis).await?;
    talk.expect("word_count", &answer.body["word_count"], &json!(sample.words));
    let average = sample.chars as f64 / sample.words as f64;
    talk.expect("average_word_length", &answer.body["average_word_length"], &json!(average));

    let post = read(format!("/posts/{first}"));
    let answer = talk.ask("the first post: liked twice by one, which counts once", post).await?;
    talk.expect("like_count", &answer.body["like_count"], &json!(1));
    talk.expect("hashtags", &answer.body["hashtags"], &json!(sample.all_hashtags));
    talk.expect("content", &answer.body["content"], &json!(sample.content));

    let answer = talk.ask("who likes it", read(format!("/posts/{first}/likes"))).await?;
    talk.expect("items", &answer.body["items"], &json!([{"user_id": fan}]));

    let timeline = read(format!("/posts/{first}/events"));
    let answer = talk.ask("its timeline: everything that happened to it", timeline).await?;
    talk.expect("the types", &pluck(&answer.body, "type"), &json!(["created", "liked", "liked"]));

    let posts = read_author(format!("/users/{author}/posts"));
    let answer = talk.ask("the author's posts, newest first", posts).await?;
    talk.expect(
        "the ids",
        &pluck(&answer.body, "id"),
        &json!(ids.iter().rev().collect::<Vec<_>>()),
    );
    let hashtags: Vec<_> = SAMPLES.iter().rev().map(|sample| sample.all_hashtags).collect();
    talk.expect("the hashtags", &pluck(&answer.body, "hashtags"), &json!(hashtags));

    let totals = read_author(format!("/users/{author}/analysis"));
    let answer = talk.ask("the author's totals", totals).await?;
    let words: i64 = SAMPLES.iter().map(|sample| sample.words).sum();
    let chars: i64 = SAMPLES.iter().map(|sample| sample.chars).sum();
    let expected = json!({
        "user_id": author,
        "post_count": SAMPLES.len(),
        "word_count": words,
        "average_word_length": chars as f64 / words as f64,
    });
    talk.expect("the totals", &answer.body, &expected);

    match talk.differences() {
        [] => talk.say("Everything is as expected."),
        differences => bail!("{} answers differ:\n{}", differences.len(), differences.join("\n")),
    }
}

/// One field of every item of a page.
fn pluck(page: &Value, field: &str) -> Value {
    let items = page["items"].as_array();
    items.into_iter().flatten().map(|item| item[field].clone()).collect()
}
