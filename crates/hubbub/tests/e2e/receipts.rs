//! `GET /receipts/{receipt}`: what became of a write that nobody waited for.

use hubbub_testkit::{
    answer::{Answer, ProblemDocument},
    client::Client,
};
use hubbub_web::ReceiptId;
use serde_json::{Value, json};

use crate::{hub, unique, written};

async fn receipt(hub: &Client, accepted: &Answer) -> Value {
    let path = format!("/receipts/{}", accepted.string("receipt"));
    let receipt = hub.get(&path).after(accepted).wait(10).await.expect(200).json();
    assert_eq!(receipt["event_id"], accepted.string("event_id").as_str());
    receipt
}

#[tokio::test]
async fn what_was_applied_says_so() {
    let hub = hub().await;
    let (id, user) = (unique("receipt"), unique("user"));
    let post = json!({"id": id, "user_id": user, "content": "x"});
    let path = format!("/posts/{id}");
    let edit = json!({"user_id": user, "content": "y"});
    for accepted in [
        hub.post("/posts", &post).await,
        hub.post("/posts", &post).await,
        hub.post("/posts", &post).wait(10).await.expect(201),
        hub.patch(&path, &edit).await,
        hub.put(&format!("{path}/likes/{user}")).await,
        hub.put(&format!("{path}/likes/{user}")).await,
        hub.delete(&format!("{path}/likes/{user}")).await,
        hub.delete(&format!("{path}?user_id={user}")).await,
    ] {
        let receipt = receipt(&hub, &accepted).await;
        assert_eq!(
            (&receipt["status"], receipt.get("problem")),
            (&json!("applied"), None),
            "{accepted}"
        );
    }
}

#[tokio::test]
async fn what_was_rejected_says_why() {
    let hub = hub().await;
    let user = unique("user");
    let live = written(&hub, json!({"user_id": user, "content": "live"})).await.id;
    let gone = written(&hub, json!({"user_id": user, "content": "gone"})).await.id;
    hub.delete(&format!("/posts/{gone}?user_id={user}")).wait(10).await.expect(204);
    let never = unique("never");
    let edit = json!({"user_id": user, "content": "y"});
    let live_path = format!("/posts/{live}");
    for (accepted, status, name) in [
        (hub.patch(&format!("/posts/{never}"), &edit).await, 404, "post-not-found"),
        (hub.delete(&format!("/posts/{never}")).await, 404, "post-not-found"),
        (hub.put(&format!("/posts/{never}/likes/{user}")).await, 404, "post-not-found"),
        (hub.delete(&format!("/posts/{never}/likes/{user}")).await, 404, "post-not-found"),
        (hub.patch(&format!("/posts/{gone}"), &edit).await, 410, "post-deleted"),
        (hub.put(&format!("/posts/{gone}/likes/{user}")).await, 410, "post-deleted"),
        (hub.delete(&format!("/posts/{gone}?user_id={user}")).await, 410, "post-deleted"),
        (
            hub.post("/posts", &json!({"id": gone, "user_id": user, "content": "gone"})).await,
            409,
            "id-taken",
        ),
        (hub.post("/posts", &json!({"id": live, "content": "other"})).await, 409, "id-taken"),
        (hub.patch(&live_path, &json!({"content": "y"})).await, 403, "not-the-author"),
        (hub.delete(&live_path).await, 403, "not-the-author"),
        (hub.patch(&live_path, &edit).if_match("\"2\"").await, 412, "version-moved"),
    ] {
        let receipt = receipt(&hub, &accepted.expect(202)).await;
        assert_eq!(receipt["status"], "rejected", "{receipt}");
        ProblemDocument(receipt["problem"].clone()).is(status, name);
    }
}

/// A plain write and its receipt work one right after the other.
#[tokio::test]
async fn a_receipt_is_looked_for_again_for_a_moment() {
    let hub = hub().await;
    for _ in 0..20 {
        let accepted = hub.post("/posts", &json!({"content": "x"})).await.expect(202);
        let receipt =
            hub.get(&format!("/receipts/{}", accepted.string("receipt"))).await.expect(200);
        assert_eq!(receipt.string("status"), "applied");
    }
}

#[tokio::test]
async fn what_is_not_folded_yet_is_pending() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "x"})).await;
    let mut ahead = ReceiptId::open(&post.answer.string("receipt")).unwrap();
    ahead.at.offset += 1_000_000_000;
    let pending = hub.get(&format!("/receipts/{}", ahead.seal())).await.expect(200);
    assert_eq!(pending.json(), json!({"event_id": ahead.event_id, "status": "pending"}));
}

#[tokio::test]
async fn a_receipt_is_of_its_own_event() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "x"})).await;
    let mut other = ReceiptId::open(&post.answer.string("receipt")).unwrap();
    other.event_id = unique("event");
    let missing =
        hub.get(&format!("/receipts/{}", other.seal())).after(&post.answer).wait(10).await;
    missing.problem(404, "not-found").says(&[&other.event_id]);
}

#[tokio::test]
async fn a_receipt_that_was_changed_is_refused() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "x"})).await;
    let receipt = post.answer.string("receipt");
    for place in 0..receipt.len() {
        let mut changed = receipt.clone().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        hub.get(&format!("/receipts/{changed}")).await.problem(400, "invalid-receipt");
    }
    for made_up in ["1", "a%20b", &post.answer.token(), &receipt[1..]] {
        hub.get(&format!("/receipts/{made_up}"))
            .await
            .problem(400, "invalid-receipt")
            .says(&["receipt"]);
    }
}
