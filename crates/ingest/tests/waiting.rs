//! `Prefer: wait=N`: the answer says what became of the event, or is the plain one.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use hubbub_tables::{Reason, posts::ReceiptOutcome};
use support::{Answer, Harness, PATIENCE};

const CREATE: (&str, &str, &str) = ("POST", "/posts", r#"{"id":"p","content":"x"}"#);
const EDIT: (&str, &str, &str) = ("PATCH", "/posts/p", r#"{"content":"x"}"#);
const DELETE: (&str, &str, &str) = ("DELETE", "/posts/p", "");
const LIKE: (&str, &str, &str) = ("PUT", "/posts/p/likes/u", "");
const UNLIKE: (&str, &str, &str) = ("DELETE", "/posts/p/likes/u", "");

async fn send(hub: &Harness, (method, target, body): (&str, &str, &str), prefer: &str) -> Answer {
    hub.json_with(method, target, &[("prefer", prefer)], body).await
}

#[tokio::test]
async fn what_is_applied_is_answered_with_its_own_status() {
    for (request, status) in [(CREATE, 201), (EDIT, 200), (DELETE, 204), (LIKE, 204), (UNLIKE, 204)]
    {
        let hub = Harness::new();
        let (answer, ()) = tokio::join!(
            send(&hub, request, "wait=10"),
            hub.judge(ReceiptOutcome::Applied, Reason::None)
        );
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.header("preference-applied"), Some("wait=10"));
        assert!(answer.header("consistency-token").is_some());
        let location = (status == 201).then_some("/api/v1/posts/p");
        assert_eq!(answer.header("location"), location);
        if status == 204 {
            assert_eq!(answer.text, "");
            continue;
        }
        let (_, _, event) = hub.only();
        let body = answer.body();
        assert_eq!((&body["id"], &body["status"]), (&"p".into(), &"applied".into()));
        assert_eq!(body["event_id"], event.event_id);
        assert!(body["receipt"].is_string());
    }
}

#[tokio::test]
async fn what_is_rejected_is_answered_with_its_reason() {
    for (request, reason, status, slug) in [
        (CREATE, Reason::IdTaken, 409, "id-taken"),
        (CREATE, Reason::KeyReused, 422, "idempotency-key-reused"),
        (EDIT, Reason::NotAuthor, 403, "not-the-author"),
        (EDIT, Reason::NotFound, 404, "post-not-found"),
        (EDIT, Reason::Gone, 410, "post-deleted"),
        (EDIT, Reason::VersionMoved, 412, "version-moved"),
        (DELETE, Reason::NotAuthor, 403, "not-the-author"),
        (LIKE, Reason::NotFound, 404, "post-not-found"),
        (UNLIKE, Reason::Gone, 410, "post-deleted"),
    ] {
        let hub = Harness::new();
        let (answer, ()) = tokio::join!(
            send(&hub, request, "wait=10"),
            hub.judge(ReceiptOutcome::Rejected, reason)
        );
        answer.is_problem(status, slug, &[]);
        assert_eq!(answer.header("preference-applied"), Some("wait=10"));
        assert!(answer.header("consistency-token").is_some());
        assert_eq!(answer.body()["id"], "p");
    }
}

#[track_caller]
fn assert_plain(answer: &Answer) {
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.header("preference-applied"), None);
    assert!(answer.header("consistency-token").is_some());
    assert_eq!(answer.body()["status"], "accepted");
}

#[tokio::test]
async fn a_wait_that_ends_is_answered_plainly() {
    for (request, wait) in
        [(CREATE, "wait=0"), (EDIT, "wait=0"), (DELETE, "wait=0"), (LIKE, "wait=1")]
    {
        let hub = Harness::new();
        assert_plain(&send(&hub, request, wait).await);
    }
}

#[tokio::test]
async fn a_store_that_is_away_costs_no_write() {
    let hub = Harness::new();
    hub.receipts.go_away();
    let (answer, ()) = tokio::join!(
        send(&hub, CREATE, "wait=10"),
        hub.judge(ReceiptOutcome::Applied, Reason::None)
    );
    assert_plain(&answer);
}

#[tokio::test]
async fn a_halted_projection_is_not_waited_for() {
    let hub = Harness::new();
    let halt = async {
        let (at, _) = hub.until_appended().await;
        hub.progress.halted("posts", 1, at.topic_partition(), Some("a newer event".to_owned()));
    };
    let started = std::time::Instant::now();
    let (answer, ()) = tokio::join!(send(&hub, CREATE, "wait=10"), halt);
    assert_plain(&answer);
    assert!(started.elapsed() < PATIENCE);
}

#[tokio::test]
async fn another_events_receipt_is_not_taken_for_this_ones() {
    let hub = Harness::new();
    let foreign = async {
        let (at, _) = hub.until_appended().await;
        let receipt = hubbub_tables::posts::Receipt {
            event_id: "another".to_owned(),
            outcome: ReceiptOutcome::Applied,
            reason: Reason::None,
        };
        hub.receipts.put(at, receipt);
        hub.progress.advanced("posts", 1, at.topic_partition(), at.offset);
    };
    let (answer, ()) = tokio::join!(send(&hub, CREATE, "wait=10"), foreign);
    assert_plain(&answer);
}

#[tokio::test]
async fn without_a_wait_nothing_is_asked_of_the_store() {
    let hub = Harness::new();
    hub.receipts.go_away();
    let answer = hub.json("POST", "/posts", CREATE.2).await;
    assert_plain(&answer);
}
