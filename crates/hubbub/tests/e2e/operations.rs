//! The operations port: health and metrics.

use std::time::Duration;

use hubbub_testkit::client::eventually;
use serde_json::json;

use crate::{hub, system::operations, unique, written};

#[tokio::test]
async fn a_process_that_serves_is_live_started_and_ready() {
    let operations = operations().await;
    for path in ["/livez", "/startupz", "/readyz", "/readyz/"] {
        for answer in operations.get(path).await {
            let answer = answer.expect(200);
            assert_eq!(answer.header("content-type"), Some("application/json"));
        }
    }
    for answer in operations.get("/nothing").await {
        answer.problem(404, "not-found");
    }
}

#[tokio::test]
async fn nothing_died() {
    for answer in operations().await.get("/dead-letters").await {
        assert_eq!(answer.expect(200).json(), json!({"items": []}));
    }
}

#[tokio::test]
async fn what_happens_is_counted() {
    let (hub, operations) = (hub().await, operations().await);
    let before = operations.metrics().await;
    let user = unique("user");
    let post = written(&hub, json!({"user_id": user, "content": "Count me"})).await;
    let path = format!("/posts/{}", post.id);
    for _ in 0..2 {
        hub.get(&path).after(&post.answer).wait(10).await.expect(200);
    }
    hub.get(&format!("{path}/analysis")).after(&post.answer).wait(10).await.expect(200);
    hub.put(&format!("{path}/likes/{user}")).wait(10).await.expect(204);
    let last = hub.patch(&path, &json!({"content": "Not mine"})).await.expect(202);
    for read in [&path, &format!("{path}/analysis")] {
        hub.get(read).after(&last).wait(10).await.expect(200);
    }

    // A process may count what it did a little after others can see it.
    eventually(Duration::from_secs(10), || async {
        let now = operations.metrics().await;
        let requests = "http_server_request_duration_seconds_count";
        let records = "hubbub_records_total";
        for (name, labels, least) in [
            (
                requests,
                &[("route", "/api/v1/posts"), ("method", "POST"), ("status", "201")][..],
                1.0,
            ),
            (
                requests,
                &[("route", "/api/v1/posts/{id}"), ("method", "GET"), ("status", "200")],
                3.0,
            ),
            (requests, &[("route", "/api/v1/posts/{id}/likes/{user_id}"), ("status", "204")], 1.0),
            ("hubbub_append_duration_seconds_count", &[], 3.0),
            (records, &[("projection", "posts"), ("outcome", "applied")], 2.0),
            (records, &[("projection", "posts"), ("outcome", "rejected")], 1.0),
            (records, &[("projection", "analysis"), ("outcome", "applied")], 1.0),
            (records, &[("projection", "likes"), ("outcome", "applied")], 2.0),
            ("hubbub_batch_records_count", &[("projection", "posts")], 1.0),
            ("hubbub_store_duration_seconds_count", &[], 1.0),
            ("hubbub_cache_requests_total", &[], 3.0),
        ] {
            let counted = now.sum(name, labels) - before.sum(name, labels);
            if counted < least {
                return Err(format!("{name} {labels:?} grew by {counted}, not by {least} or more"));
            }
        }
        for name in [
            "hubbub_lag_records",
            "hubbub_oldest_unfolded_seconds",
            "hubbub_partition_state",
            "hubbub_dead_letters_total",
        ] {
            for projection in ["posts", "analysis", "likes"] {
                if !now.0.contains(&format!("{name}{{projection=\"{projection}\"")) {
                    return Err(format!("no {name} of {projection}"));
                }
            }
        }
        Ok(())
    })
    .await;
}

/// A label that is an id would make a series of everything.
#[tokio::test]
async fn no_id_is_a_label() {
    let (hub, operations) = (hub().await, operations().await);
    let user = unique("labelled");
    let post = written(&hub, json!({"user_id": user, "content": "x"})).await;
    hub.get(&format!("/posts/{}", post.id)).after(&post.answer).wait(10).await.expect(200);
    hub.get(&format!("/posts/{}/nothing", post.id)).await.expect(404);
    hub.get(&format!("/users/{user}/posts")).await.expect(200);
    let metrics = operations.metrics().await.0;
    assert!(!metrics.contains(&post.id) && !metrics.contains(&user));
}
