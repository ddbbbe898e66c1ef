//! `Prefer: wait=N`, as it is written and as it is not.

use hubbub_testkit::client::{Call, Client};
use serde_json::json;

use crate::{hub, unique, written};

/// Every route that honours it.
fn calls(hub: &Client, id: &str) -> Vec<Call> {
    let post = format!("/posts/{id}");
    vec![
        hub.post("/posts", &json!({"content": "x"})),
        hub.patch(&post, &json!({"content": "x"})),
        hub.delete(&format!("{post}?user_id=someone")),
        hub.put(&format!("{post}/likes/u")),
        hub.delete(&format!("{post}/likes/u")),
        hub.get(&post),
        hub.get(&format!("{post}/analysis")),
        hub.get(&format!("{post}/likes")),
        hub.get(&format!("{post}/events")),
        hub.get("/users/u/posts"),
        hub.get("/users/u/analysis"),
    ]
}

#[tokio::test]
async fn a_wait_that_is_no_number_from_0_to_10_is_refused() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "x"})).await;
    for wait in ["abc", "", "-1", "1.5", "11", "99999999999999999999", "1s", "\"x\"", "+1"] {
        for call in calls(&hub, &post.id) {
            let refused = call.header("prefer", format!("wait={wait}")).await;
            refused.problem(400, "invalid-prefer").says(&[wait, "0", "10"]);
        }
    }
    let read = hub
        .get(&format!("/posts/{}", post.id))
        .after(&post.answer)
        .wait(10)
        .await
        .expect(200)
        .json();
    assert_eq!(read["version"], 1, "a refused edit was appended");
}

#[tokio::test]
async fn other_preferences_are_ignored() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "x"})).await;
    for prefer in [
        "respond-async",
        "handling=strict",
        "return=minimal; foo=\"wait=abc\"",
        "x=\"a, wait=abc\"",
    ] {
        for call in calls(&hub, &post.id) {
            let answer = call.header("prefer", prefer).await;
            assert!(answer.status < 300, "{prefer}: {answer}");
            assert_eq!(answer.header("preference-applied"), None, "{prefer}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_wait_is_read_as_the_rfc_writes_it() {
    let hub = hub().await;
    for prefer in
        ["wait=10", "WAIT=10", "wait = 10", "respond-async, wait=10", "wait=\"10\"", "wait=10; x=y"]
    {
        let post = json!({"id": unique("prefer"), "content": "x"});
        let posted = hub.post("/posts", &post).header("prefer", prefer).await.expect(201);
        assert_eq!(posted.header("preference-applied"), Some("wait=10"), "{prefer}");
    }
    let post = json!({"content": "x"});
    let twice =
        hub.post("/posts", &post).header("prefer", "handling=lenient").header("prefer", "wait=9");
    assert_eq!(twice.await.expect(201).header("preference-applied"), Some("wait=9"));
}

/// When the wait ends first, the answer is that of a write that did not wait.
#[tokio::test]
async fn a_wait_that_ends_leaves_a_plain_accepted() {
    let hub = hub().await;
    for _ in 0..20 {
        let posted = hub.post("/posts", &json!({"content": "x"})).wait(0).await;
        let applied = posted.header("preference-applied");
        match posted.status {
            202 => assert_eq!((applied, posted.string("status")), (None, "accepted".to_owned())),
            201 => assert_eq!(
                (applied, posted.string("status")),
                (Some("wait=0"), "applied".to_owned())
            ),
            _ => panic!("{posted}"),
        }
    }
}
