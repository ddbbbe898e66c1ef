//! `Idempotency-Key`: the same request again is the same post.

use hubbub_testkit::client::API;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{hub, read_post, unique};

#[tokio::test]
async fn the_same_key_is_the_same_post() {
    let hub = hub().await;
    let (user, key) = (unique("user"), unique("key"));
    let post = json!({"user_id": user, "content": "Only once"});
    let first = hub.post("/posts", &post).key(&key).wait(10).await.expect(201);
    let id = first.string("id");
    // In quotes it is the same key.
    for key in [key.clone(), format!("\"{key}\"")] {
        let again = hub.post("/posts", &post).key(&key).wait(10).await.expect(201);
        assert_eq!(again.string("id"), id);
        assert_eq!(again.header("location"), Some(&*format!("/api/v1/posts/{id}")));
        assert_eq!(hub.post("/posts", &post).key(&key).await.expect(202).string("id"), id);
    }
    let last = hub.put(&format!("/posts/{id}/likes/{user}")).wait(10).await.expect(204);
    assert_eq!(read_post(&hub, &id, &last).await["version"], 1);
    let totals =
        hub.get(&format!("/users/{user}/analysis")).after(&last).wait(10).await.expect(200).json();
    assert_eq!((&totals["post_count"], &totals["word_count"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn a_key_with_another_payload_is_refused() {
    let hub = hub().await;
    let (user, key) = (unique("user"), unique("key"));
    let post = json!({"user_id": user, "content": "First"});
    let id = hub.post("/posts", &post).key(&key).wait(10).await.expect(201).string("id");
    for other in [
        json!({"user_id": user, "content": "Second"}),
        json!({"user_id": user, "content": "First", "hashtags": ["more"]}),
    ] {
        hub.post("/posts", &other).key(&key).wait(10).await.problem(422, "idempotency-key-reused");
        let unwaited = hub.post("/posts", &other).key(&key).await.expect(202);
        let receipt =
            hub.get(&format!("/receipts/{}", unwaited.string("receipt"))).after(&unwaited);
        let receipt = receipt.await.expect(200).json();
        assert_eq!(receipt["status"], "rejected");
        assert_eq!(receipt["problem"]["type"], "urn:hubbub:problem:idempotency-key-reused");
        assert_eq!(read_post(&hub, &id, &unwaited).await["content"], "First");
    }
}

#[tokio::test]
async fn a_key_belongs_to_its_user() {
    let hub = hub().await;
    let key = unique("key");
    let mut ids = Vec::new();
    for user in [unique("user"), unique("user")] {
        let post = json!({"user_id": user, "content": "Mine"});
        ids.push(hub.post("/posts", &post).key(&key).wait(10).await.expect(201).string("id"));
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn what_a_key_made_is_used_like_any_post_and_chosen_by_nobody() {
    let hub = hub().await;
    let user = unique("user");
    let post = json!({"user_id": user, "content": "By key"});
    let posted = hub.post("/posts", &post).key(&unique("key")).wait(10).await.expect(201);
    let id = posted.string("id");
    let path = format!("/posts/{id}");
    hub.put(&format!("{path}/likes/{user}")).wait(10).await.expect(204);
    hub.patch(&path, &json!({"user_id": user, "content": "Edited"})).wait(10).await.expect(200);
    for part in ["", "/analysis", "/likes", "/events"] {
        hub.get(&format!("{path}{part}")).after(&posted).wait(10).await.expect(200);
    }
    let own = json!({"id": id, "user_id": user, "content": "By key"});
    hub.post("/posts", &own).await.problem(422, "validation-failed").blames("id");
    hub.delete(&format!("{path}?user_id={user}")).wait(10).await.expect(204);
    hub.post("/posts", &post).key(&unique("key")).wait(10).await.expect(201);
}

#[tokio::test]
async fn a_key_replaces_the_id_and_needs_a_user() {
    let hub = hub().await;
    let (id, user) = (unique("own"), unique("user"));
    let both = json!({"id": id, "user_id": user, "content": "x"});
    let refused = hub.post("/posts", &both).key("k").await;
    refused.problem(400, "invalid-idempotency-key").says(&["id", &id, "Idempotency-Key"]);
    let refused = hub.post("/posts", &json!({"content": "x"})).key("k").await;
    refused.problem(400, "invalid-idempotency-key").says(&["user"]);
}

#[tokio::test]
async fn a_key_is_1_to_128_visible_characters() {
    let hub = hub().await;
    let post = json!({"user_id": unique("user"), "content": "x"});
    let longest = "k".repeat(128);
    for key in [&*longest, &*format!("\"{longest}\""), "!~{}[]", r#""with\"quotes\"""#] {
        hub.post("/posts", &post).key(key).await.expect(202);
    }
    for key in [&*"k".repeat(129), "", "\"\"", "two words", "\"open", "clé"] {
        let refused = hub.post("/posts", &post).key(key).await;
        refused.problem(400, "invalid-idempotency-key").says(&["128"]);
    }
    hub.post("/posts", &post).key("a").key("b").await.problem(400, "invalid-idempotency-key");
}

#[tokio::test]
async fn a_batch_is_as_idempotent_as_a_post() {
    let hub = hub().await;
    let (user, key) = (unique("user"), unique("key"));
    let posts = json!([
        {"user_id": user, "content": "one"},
        {"user_id": user, "content": "one"},
        {"content": "no user"},
        {"user_id": user, "content": "own id", "id": unique("own")},
    ]);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let call = hub.ingest(Method::POST, &format!("{API}/posts/batch")).json(&posts).key(&key);
        answers.push(call.await.expect(202));
    }
    let ids = |index: usize| -> Vec<Value> {
        let results = answers[index].json()["results"].take();
        (0..2).map(|item| results[item]["id"].clone()).collect()
    };
    assert_eq!(ids(0), ids(1));
    // The items of a batch are told apart by their place.
    assert_ne!(ids(0)[0], ids(0)[1]);
    for item in [2, 3] {
        let problem = &answers[0].json()["results"][item]["problem"];
        assert_eq!(problem["type"], "urn:hubbub:problem:invalid-idempotency-key");
    }
    let totals =
        hub.get(&format!("/users/{user}/analysis")).after(&answers[1]).await.expect(200).json();
    assert_eq!(totals["post_count"], 2);
}
