//! `Idempotency-Key`: a retry is the same create.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::collections::HashSet;

use hubbub_events::Id;
use support::{Harness, assert_problem};

const BODY: &str = r#"{"user_id":"u","content":"x"}"#;

#[tokio::test]
async fn a_key_makes_the_id_bare_or_quoted() {
    let hub = Harness::new();
    for (field, key) in [
        ("abc", "abc"),
        ("\"abc\"", "abc"),
        (r#""a\"b\\c""#, r#"a"b\c"#),
        (r#"a"b\c"#, r#"a"b\c"#),
        (&"k".repeat(128), &"k".repeat(128)),
    ] {
        let answer = hub.json_with("POST", "/posts", &[("idempotency-key", field)], BODY).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        assert_eq!(answer.body()["id"], Id::derived("u", key, None).as_str(), "{field}");
    }
}

#[tokio::test]
async fn a_key_belongs_to_its_user() {
    let hub = Harness::new();
    let mut ids = HashSet::new();
    for user in ["u", "v"] {
        let body = format!(r#"{{"user_id":"{user}","content":"x"}}"#);
        let answer = hub.json_with("POST", "/posts", &[("idempotency-key", "k")], body).await;
        ids.insert(answer.body()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn a_key_that_is_not_allowed_is_400() {
    let hub = Harness::new();
    let long = "k".repeat(129);
    for field in
        ["", "\"\"", "a b", "\"a b\"", "\"abc", "\"a\"b\"", "\"a\\b\"", "\"a\";p=1", "é", &long]
    {
        let answer = hub.json_with("POST", "/posts", &[("idempotency-key", field)], BODY).await;
        answer.is_problem(400, "invalid-idempotency-key", &["128 visible ASCII"]);
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    let answer = hub.json_with("POST", "/posts", &twice, BODY).await;
    answer.is_problem(400, "invalid-idempotency-key", &["more than one"]);
    for (body, says) in [
        (r#"{"user_id":"u","id":"mine","content":"x"}"#, "mine"),
        (r#"{"content":"x"}"#, "user_id"),
    ] {
        let answer = hub.json_with("POST", "/posts", &[("idempotency-key", "k")], body).await;
        answer.is_problem(400, "invalid-idempotency-key", &[says]);
    }
    assert_eq!(hub.appended(), []);
}

#[tokio::test]
async fn the_items_of_a_batch_derive_from_key_and_index() {
    let hub = Harness::new();
    let body = r#"[
        {"user_id":"u","content":"a"},
        {"user_id":"u","content":"b","id":"mine"},
        {"content":"c"},
        {"user_id":"v","content":"d"}
    ]"#;
    let answer = hub.json_with("POST", "/posts/batch", &[("idempotency-key", "k")], body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let results = answer.body()["results"].clone();
    assert_eq!(results[0]["id"], Id::derived("u", "k", Some(0)).as_str());
    for refused in [1, 2] {
        assert_eq!(results[refused]["status"], "refused");
        assert_problem(&results[refused]["problem"], 400, "invalid-idempotency-key", &[]);
    }
    assert_eq!(results[3]["id"], Id::derived("v", "k", Some(3)).as_str());
    assert_eq!(hub.appended().len(), 2);
}
