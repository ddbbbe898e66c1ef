//! What a client is told when the log does not take an event.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use hubbub_stream::AppendError;
use hubbub_testkit::memory_log::Fault;
use support::Harness;

const REQUESTS: [(&str, &str, &str); 4] = [
    ("POST", "/posts", r#"{"id":"p","content":"x"}"#),
    ("PATCH", "/posts/p", r#"{"content":"x"}"#),
    ("DELETE", "/posts/p", ""),
    ("PUT", "/posts/p/likes/u", ""),
];

#[tokio::test]
async fn certainly_not_stored_is_told_from_unknown() {
    let secret = "10.0.0.7".to_owned();
    for (error, status, slug, retry_after) in [
        (AppendError::Full, 503, "overloaded", Some("1")),
        (AppendError::Unavailable(secret.clone()), 503, "log-unavailable", Some("1")),
        (AppendError::Storage(secret.clone()), 507, "storage-full", None),
        (AppendError::Unknown(secret.clone()), 504, "outcome-unknown", None),
    ] {
        for (method, target, body) in REQUESTS {
            let hub = Harness::new();
            hub.log.inject([Some(Fault::Refused(error.clone()))]);
            let answer = hub.json_with(method, target, &[("prefer", "wait=10")], body).await;
            answer.is_problem(status, slug, &[]);
            assert_eq!(answer.header("retry-after"), retry_after);
            assert_eq!(answer.header("consistency-token"), None);
            assert!(!answer.text.contains(&secret), "{}", answer.text);
            assert_eq!(hub.appended(), []);
        }
    }
}

#[tokio::test]
async fn who_does_not_know_is_told_what_to_look_for() {
    let hub = Harness::new();
    hub.log.inject([Some(Fault::StoredUnknown)]);
    let answer = hub.json("POST", "/posts", r#"{"content":"x"}"#).await;
    answer.is_problem(504, "outcome-unknown", &["Idempotency-Key"]);
    let (_, _, event) = hub.only();
    assert_eq!(answer.body()["id"], event.post_id);
    assert_eq!(answer.body()["event_id"], event.event_id);
}

#[tokio::test]
async fn a_log_that_is_closing_refuses() {
    let hub = Harness::new();
    hubbub_stream::Log::close(&hub.log).await;
    let answer = hub.json("POST", "/posts", r#"{"content":"x"}"#).await;
    answer.is_problem(503, "log-unavailable", &[]);
}
