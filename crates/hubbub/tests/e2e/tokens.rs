//! Consistency tokens: no answer is older than what its client has seen.

use std::time::{Duration, Instant};

use hubbub_events::LogIdentity;
use hubbub_testkit::{
    answer::Answer,
    client::{Call, Client},
};
use hubbub_web::{ReceiptId, Token};
use serde_json::{Value, json};

use crate::{hub, read_post, unique, written};

/// Every route that answers a token, about one post and its author.
fn reads(post: &Answer, user: &str) -> Vec<String> {
    let (id, receipt) = (post.string("id"), post.string("receipt"));
    vec![
        format!("/posts/{id}"),
        format!("/posts/{id}/analysis"),
        format!("/posts/{id}/likes"),
        format!("/posts/{id}/events"),
        format!("/users/{user}/posts"),
        format!("/users/{user}/analysis"),
        format!("/receipts/{receipt}"),
    ]
}

fn with(call: Call, token: &Token) -> Call {
    call.header("consistency-token", token.seal())
}

async fn json_after(hub: &Client, path: &str, seen: &Answer) -> Value {
    hub.get(path).after(seen).wait(10).await.expect(200).json()
}

/// Not waited for, but with the token of the write, every route shows it at once.
#[tokio::test]
async fn what_was_written_is_read_on_every_route() {
    let hub = hub().await;
    for round in 0..10 {
        let (user, fan) = (unique("user"), format!("fan-{round}"));
        let post = json!({"user_id": user, "content": "one two"});
        let posted = hub.post("/posts", &post).await.expect(202);
        let [post, analysis, likes, events, posts, totals, receipt] =
            reads(&posted, &user).try_into().unwrap();
        assert_eq!(json_after(&hub, &totals, &posted).await["word_count"], 2);
        assert_eq!(json_after(&hub, &posts, &posted).await["items"].as_array().unwrap().len(), 1);
        assert_eq!(json_after(&hub, &analysis, &posted).await["word_count"], 2);
        assert_eq!(json_after(&hub, &post, &posted).await["version"], 1);
        assert_eq!(json_after(&hub, &receipt, &posted).await["status"], "applied");

        let liked = hub.put(&format!("{likes}/{fan}")).await.expect(202);
        assert_eq!(json_after(&hub, &likes, &liked).await["items"], json!([{"user_id": fan}]));
        let liked = hub.delete(&format!("{likes}/{fan}")).await.expect(202);
        let liked = hub.put(&format!("{likes}/{fan}")).after(&liked).await.expect(202);
        assert_eq!(json_after(&hub, &post, &liked).await["like_count"], 1);

        let edit = json!({"user_id": user, "content": "one two three"});
        let edited = hub.patch(&post, &edit).await.expect(202);
        assert_eq!(json_after(&hub, &posts, &edited).await["items"][0]["version"], 2);
        assert_eq!(json_after(&hub, &events, &edited).await["items"].as_array().unwrap().len(), 5);
        assert_eq!(json_after(&hub, &totals, &edited).await["word_count"], 3);
        assert_eq!(json_after(&hub, &analysis, &edited).await["word_count"], 3);

        let deleted = hub.delete(&format!("{post}?user_id={user}")).await.expect(202);
        assert_eq!(json_after(&hub, &posts, &deleted).await["items"], json!([]));
        assert_eq!(json_after(&hub, &totals, &deleted).await["post_count"], 0);
        for gone in [&post, &analysis, &likes, &events] {
            hub.get(gone).after(&deleted).wait(10).await.problem(410, "post-deleted");
        }
    }
}

/// A cache that answered a moment ago must not answer a client that has seen more.
#[tokio::test]
async fn no_older_answer_stands_in_for_a_token() {
    let hub = hub().await;
    let user = unique("user");
    let post = written(&hub, json!({"user_id": user, "content": "x"})).await;
    let path = format!("/posts/{}", post.id);
    for count in 1..=30 {
        hub.get(&path).await.expect(200);
        hub.get(&format!("{path}/analysis")).await.expect(200);
        let liked = hub.put(&format!("{path}/likes/fan-{count}")).await.expect(202);
        let content = "word ".repeat(count);
        let edit = json!({"user_id": user, "content": content});
        let edited = hub.patch(&path, &edit).await.expect(202);
        assert_eq!(read_post(&hub, &post.id, &liked).await["like_count"], count);
        assert_eq!(read_post(&hub, &post.id, &edited).await["content"], content);
        assert_eq!(
            json_after(&hub, &format!("{path}/analysis"), &edited).await["word_count"],
            count
        );
    }
}

/// A read's own token carries on what it showed: no later read goes back behind it.
#[tokio::test]
async fn reads_are_monotonic_by_their_own_tokens() {
    let hub = hub().await;
    let user = unique("user");
    let post = written(&hub, json!({"user_id": user, "content": "x"})).await;
    let path = format!("/posts/{}", post.id);
    let writer = async {
        for fan in 0..40 {
            hub.put(&format!("{path}/likes/fan-{fan}")).await.expect(202);
        }
    };
    let reader = async {
        let mut seen = hub.get(&path).after(&post.answer).wait(10).await.expect(200);
        let mut count = 0;
        while count < 40 {
            let read = hub.get(&path).after(&seen).wait(10).await.expect(200);
            let now = read.json()["like_count"].as_u64().unwrap();
            assert!(now >= count, "{now} likes after {count}");
            let page = json_after(&hub, &format!("{path}/likes?limit=100"), &read).await;
            assert!(page["items"].as_array().unwrap().len() as u64 >= now, "{page}");
            let listed = json_after(&hub, &format!("/users/{user}/posts"), &read).await;
            assert!(listed["items"][0]["like_count"].as_u64() >= Some(now), "{listed}");
            (seen, count) = (read, now);
        }
    };
    tokio::join!(writer, reader);
}

#[tokio::test]
async fn tokens_are_merged_from_commas_and_repeated_fields() {
    let hub = hub().await;
    let user = unique("user");
    let mut posted = Vec::new();
    for n in 0..64 {
        let post = json!({"user_id": user, "content": format!("Number {n}")});
        posted.push(hub.post("/posts", &post).await.expect(202));
    }
    let tokens: Vec<_> = posted.iter().map(Answer::token).collect();
    let totals = format!("/users/{user}/analysis");
    let call = hub.get(&totals).header("consistency-token", tokens.join(" , "));
    assert_eq!(call.wait(10).await.expect(200).json()["post_count"], 64);
    let call = hub
        .get(&totals)
        .header("consistency-token", tokens[..32].join(","))
        .header("consistency-token", tokens[32..].join(","));
    assert_eq!(call.wait(10).await.expect(200).json()["post_count"], 64);

    let one_more = format!("{},{}", tokens.join(","), tokens[0]);
    let refused = hub.get(&totals).header("consistency-token", one_more).await;
    refused.problem(400, "invalid-token").says(&["64"]);
}

#[tokio::test]
async fn every_read_answers_a_token_that_every_read_takes() {
    let hub = hub().await;
    let user = unique("user");
    let post = written(&hub, json!({"user_id": user, "content": "x"})).await;
    let paths = reads(&post.answer, &user);
    for path in &paths {
        let seen = hub.get(path).after(&post.answer).wait(10).await.expect(200);
        for other in &paths {
            hub.get(other).after(&seen).wait(10).await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_token_that_was_changed_is_refused_on_every_route() {
    let hub = hub().await;
    let user = unique("user");
    let post = written(&hub, json!({"user_id": user, "content": "x"})).await;
    let token = post.answer.token();
    let mut changed = token.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    let receipt = post.answer.string("receipt");
    for path in reads(&post.answer, &user) {
        let with_other = format!("{token},{changed}");
        for bad in [&*changed, &token[1..], "abc", "not base64!", &receipt, &with_other, "\u{e9}"] {
            let refused = hub.get(&path).header("consistency-token", bad).await;
            refused.problem(400, "invalid-token");
        }
    }
}

#[tokio::test]
async fn a_token_of_another_log_is_refused_at_once() {
    let hub = hub().await;
    let user = unique("user");
    let post = written(&hub, json!({"user_id": user, "content": "x"})).await;
    let mut token = Token::open(&post.answer.token()).unwrap();
    token.identity = LogIdentity("00000000-0000-4000-8000-000000000000".to_owned());
    let mut receipt = ReceiptId::open(&post.answer.string("receipt")).unwrap();
    receipt.identity = token.identity.clone();
    let started = Instant::now();
    for path in reads(&post.answer, &user) {
        with(hub.get(&path), &token).wait(10).await.problem(503, "log-replaced");
        let both = hub.get(&path).after(&post.answer);
        with(both, &token).wait(10).await.problem(503, "log-replaced");
    }
    assert!(started.elapsed() < Duration::from_secs(10), "it waited for what cannot come");
    hub.get(&format!("/receipts/{}", receipt.seal())).await.problem(404, "not-found");
}

#[tokio::test]
async fn what_is_not_folded_in_time_is_refused_as_behind() {
    let hub = hub().await;
    let user = unique("user");
    let post = written(&hub, json!({"user_id": user, "content": "x"})).await;
    let mut token = Token::open(&post.answer.token()).unwrap();
    for bound in &mut token.bounds {
        bound.at.offset += 1_000_000_000;
    }
    for path in reads(&post.answer, &user) {
        let refused = with(hub.get(&path), &token).wait(0).await;
        refused.problem(503, "projection-behind").says(&["offset", "wait"]);
    }
    for (wait, least, most) in [(Some(1), 1, 2), (None, 2, 9)] {
        let call = with(hub.get(&format!("/posts/{}", post.id)), &token);
        let started = Instant::now();
        let refused = match wait {
            Some(seconds) => call.wait(seconds).await,
            None => call.await,
        };
        refused.problem(503, "projection-behind");
        let waited = started.elapsed();
        let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
        assert!(least <= waited && waited < most + Duration::from_secs(5), "{wait:?}: {waited:?}");
    }
}
