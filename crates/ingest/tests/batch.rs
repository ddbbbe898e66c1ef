//! `POST /posts/batch`: a whole body is read, then all of it is appended.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use std::collections::BTreeMap;

use hubbub_events::PostEvent;
use hubbub_stream::AppendError;
use hubbub_testkit::memory_log::Fault;
use hubbub_web::{ReceiptId, Token};
use serde_json::{Value, json};
use support::{Answer, Harness, assert_problem};

const NDJSON: [(&str, &str); 1] = [("content-type", "application/x-ndjson")];

async fn batch(hub: &Harness, posts: &Value) -> Answer {
    hub.json("POST", "/posts/batch", posts.to_string()).await
}

fn posts(count: usize) -> Value {
    (0..count).map(|n| json!({"id": format!("p{n}"), "content": format!("post {n}")})).collect()
}

#[tokio::test]
async fn results_stand_in_the_order_of_the_posts_and_one_token_binds_all() {
    let hub = Harness::new();
    let answer = batch(&hub, &posts(50)).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.body();
    let results = body["results"].as_array().unwrap();
    assert_eq!((results.len(), body.as_object().unwrap().len()), (50, 1));

    let mut greatest = BTreeMap::new();
    let appended: BTreeMap<_, _> = hub.appended().into_iter().collect();
    assert_eq!(appended.len(), 50);
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result["id"], format!("p{n}"));
        assert_eq!(result["status"], "accepted");
        let receipt = ReceiptId::open(result["receipt"].as_str().unwrap()).unwrap();
        let record = &appended[&receipt.at];
        let event = PostEvent::decode(&record.key, &record.value).unwrap();
        assert_eq!(event.post_id, format!("p{n}"));
        assert_eq!(result["event_id"], event.event_id);
        assert_eq!(receipt.event_id, event.event_id);
        greatest.insert(receipt.at.partition, receipt.at);
    }
    let token = Token::open(answer.header("consistency-token").unwrap()).unwrap();
    assert!(token.bounds.iter().all(|bound| bound.projection.is_none()));
    let bound: Vec<_> = token.bounds.iter().map(|bound| bound.at).collect();
    assert_eq!(bound, greatest.into_values().collect::<Vec<_>>());
}

#[tokio::test]
async fn the_order_in_a_partition_is_the_order_in_the_batch() {
    let hub = Harness::new();
    let same: Value = (0..100).map(|n| json!({"id": "one", "content": n.to_string()})).collect();
    assert_eq!(batch(&hub, &same).await.status, 202);
    for (n, (_, record)) in hub.appended().into_iter().enumerate() {
        let event = PostEvent::decode(&record.key, &record.value).unwrap();
        let hubbub_events::Action::Created { content, .. } = event.action else {
            panic!("{event:?}");
        };
        assert_eq!(content, n.to_string());
    }
}

#[tokio::test]
async fn lines_are_read_as_the_elements_of_an_array_are() {
    let hub = Harness::new();
    let body = "{\"id\":\"a\",\"content\":\"1\"}\r\n\n  \n{\"id\":\"b\",\"content\":\"2\"}\n{\"id\":\"c\"}\n";
    let answer = hub.send("POST", "/posts/batch", &NDJSON, body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    let results = answer.body()["results"].clone();
    assert_eq!((&results[0]["id"], &results[1]["id"]), (&json!("a"), &json!("b")));
    assert_eq!(results.as_array().unwrap().len(), 3);
    assert_problem(&results[2]["problem"], 422, "validation-failed", &["content", "missing"]);
    assert_eq!(hub.appended().len(), 2);
}

#[tokio::test]
async fn of_ten_thousand_posts_three_bad_ones_are_refused_alone() {
    let hub = Harness::new();
    let mut posts = posts(10_000);
    posts[17] = json!({"content": ""});
    posts[5_000] = json!({"content": "x", "colour": "red"});
    posts[9_999] = json!(["a", "b", "c", null]);
    let answer = batch(&hub, &posts).await;
    assert_eq!(answer.status, 202);
    let results = answer.body()["results"].clone();
    for (index, slug, says) in [
        (17, "validation-failed", "content"),
        (5_000, "unknown-field", "colour"),
        (9_999, "validation-failed", "sequence"),
    ] {
        let refused = results[index].as_object().unwrap();
        assert_eq!(refused.len(), 2, "{refused:?}");
        assert_eq!(refused["status"], "refused");
        assert_problem(&refused["problem"], 422, slug, &[says]);
    }
    let accepted =
        results.as_array().unwrap().iter().filter(|result| result["status"] == "accepted");
    assert_eq!(accepted.count(), 9_997);
    assert_eq!(hub.appended().len(), 9_997);
}

#[tokio::test]
async fn a_body_that_is_not_json_appends_nothing() {
    let hub = Harness::new();
    let cases: [(&str, &[u8], Value, &[&str]); 8] = [
        ("application/json", b"", Value::Null, &["empty"]),
        (
            "application/json",
            b"[{\"content\":\"x\"},\n{\"content\":]",
            json!({"line": 2}),
            &["line 2 column 12"],
        ),
        ("application/json", b"[{\"content\":\"x\"}", json!({"line": 1}), &["EOF"]),
        ("application/json", b"[{\"content\":\"\xff\"}]", json!({"offset": 13}), &["UTF-8"]),
        (
            "application/json",
            br#"[{"content":"x"},{"content":"\ud800"}]"#,
            json!({"index": 1}),
            &["element 1", "hex escape"],
        ),
        (
            "application/x-ndjson",
            b"{\"content\":\"x\"}\n\n{\"content\":}\n",
            json!({"line": 3}),
            &["line 3", "at column 12"],
        ),
        (
            "application/x-ndjson",
            b"{\"content\":\"x\"}\n{\"content\":\"\xff\"}",
            json!({"line": 2}),
            &["line 2", "UTF-8"],
        ),
        (
            "application/x-ndjson",
            br#"{"content":"x"} {"content":"y"}"#,
            json!({"line": 1}),
            &["line 1", "trailing"],
        ),
    ];
    for (media_type, body, place, says) in cases {
        let answer = hub.send("POST", "/posts/batch", &[("content-type", media_type)], body).await;
        answer.is_problem(400, "malformed-json", says);
        for (member, value) in place.as_object().into_iter().flatten() {
            assert_eq!(answer.body()[member], *value, "{}", answer.text);
        }
    }
    assert_eq!(hub.appended(), []);
}

#[tokio::test]
async fn a_batch_has_one_to_ten_thousand_posts_in_at_most_16_mib() {
    let hub = Harness::new();
    batch(&hub, &json!([])).await.is_problem(422, "validation-failed", &["10000"]);
    hub.send("POST", "/posts/batch", &NDJSON, "\n \r\n").await.is_problem(
        422,
        "validation-failed",
        &["10000"],
    );
    batch(&hub, &json!({"content": "x"})).await.is_problem(
        422,
        "validation-failed",
        &["an array of posts"],
    );
    batch(&hub, &posts(10_001)).await.is_problem(413, "too-large", &["10001", "10000"]);
    let lines = "{\"content\":\"x\"}\n".repeat(10_001);
    hub.send("POST", "/posts/batch", &NDJSON, lines).await.is_problem(
        413,
        "too-large",
        &["10001", "10000"],
    );
    let large = " ".repeat((16 << 20) + 1);
    hub.json("POST", "/posts/batch", large).await.is_problem(413, "too-large", &["16777216"]);
    assert_eq!(hub.appended(), []);
}

#[tokio::test]
async fn the_header_and_the_query_of_a_batch() {
    let hub = Harness::new();
    let text = [("content-type", "text/csv")];
    let answer = hub.send("POST", "/posts/batch", &text, "[]").await;
    answer.is_problem(
        415,
        "unsupported-media-type",
        &["text/csv", "application/json", "application/x-ndjson"],
    );
    hub.json("POST", "/posts/batch?x=1", "[]").await.is_problem(400, "malformed-request", &["x"]);
    hub.json("PATCH", "/posts/batch", "{}").await.is_problem(405, "method-not-allowed", &["PATCH"]);
    // A batch never waits.
    let answer =
        hub.json_with("POST", "/posts/batch", &[("prefer", "wait=10")], posts(1).to_string()).await;
    assert_eq!((answer.status.as_u16(), answer.header("preference-applied")), (202, None));
}

#[tokio::test]
async fn each_post_is_told_what_the_log_said_of_it() {
    let hub = Harness::new();
    let refused = |error| Some(Fault::Refused(error));
    hub.log.inject([
        None,
        refused(AppendError::Full),
        refused(AppendError::Unavailable("a broker at 10.0.0.7".to_owned())),
        refused(AppendError::Storage("/dev/sda".to_owned())),
        Some(Fault::StoredUnknown),
        None,
    ]);
    let answer = batch(&hub, &posts(6)).await;
    assert_eq!(answer.status, 202);
    let results = answer.body()["results"].clone();
    for (index, status, problem, slug) in [
        (1, "refused", 503, "overloaded"),
        (2, "refused", 503, "log-unavailable"),
        (3, "refused", 507, "storage-full"),
        (4, "unknown", 504, "outcome-unknown"),
    ] {
        assert_eq!(results[index]["status"], status);
        assert_problem(&results[index]["problem"], problem, slug, &[]);
    }
    assert_eq!((&results[0]["id"], &results[5]["id"]), (&json!("p0"), &json!("p5")));
    assert_eq!(results[4]["problem"]["id"], "p4");
    assert!(!answer.text.contains("10.0.0.7") && !answer.text.contains("/dev/sda"));
}

#[tokio::test]
async fn where_nothing_is_accepted_the_most_urgent_problem_is_the_answers() {
    let unavailable = AppendError::Unavailable("away".to_owned());
    let storage = AppendError::Storage("full".to_owned());
    let refused = |error: &AppendError| Some(Fault::Refused(error.clone()));
    for (faults, status, slug) in [
        (vec![refused(&AppendError::Full), Some(Fault::StoredUnknown)], 504, "outcome-unknown"),
        (vec![refused(&storage), refused(&AppendError::Full)], 503, "overloaded"),
        (vec![refused(&storage), refused(&unavailable)], 503, "log-unavailable"),
        (vec![refused(&storage), refused(&storage)], 507, "storage-full"),
    ] {
        let hub = Harness::new();
        hub.log.inject(faults);
        let mut posts = posts(3);
        posts[1] = json!({"content": 5});
        let answer = batch(&hub, &posts).await;
        answer.is_problem(status, slug, &["3"]);
        assert_eq!(answer.header("consistency-token"), None);
        assert_eq!(answer.header("retry-after").is_some(), status == 503);
        let results = answer.body()["results"].clone();
        assert_eq!(results.as_array().unwrap().len(), 3);
        assert_problem(&results[1]["problem"], 422, "validation-failed", &["content"]);
    }
    let hub = Harness::new();
    let long = json!({"content": "x".repeat(65_537)});
    let answer = batch(&hub, &json!([{"content": ""}, long])).await;
    answer.is_problem(422, "validation-failed", &["2"]);
    assert_problem(&answer.body()["results"][1]["problem"], 413, "too-large", &["65537"]);
    assert_eq!(hub.appended(), []);
}

#[tokio::test]
async fn a_post_too_large_to_be_sent_alone_is_refused_in_a_batch() {
    let hub = Harness::new();
    let large = json!({"content": "x", "hashtags": vec!["a"; 150_000]});
    let answer = batch(&hub, &json!([large, {"content": "y"}])).await;
    assert_eq!(answer.status, 202);
    let results = answer.body()["results"].clone();
    assert_problem(&results[0]["problem"], 413, "too-large", &["524288"]);
    assert_eq!(results[1]["status"], "accepted");
    let broken = format!("{{\"content\":\"y\"}}\n{}]", large);
    let answer = hub.send("POST", "/posts/batch", &NDJSON, broken).await;
    answer.is_problem(400, "malformed-json", &["line 2"]);
    assert_eq!(hub.appended().len(), 1);
}
