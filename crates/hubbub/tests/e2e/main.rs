//! The HTTP contract, end to end, and nothing of what is behind the URL: the suite starts one process of the real binary
//! (`e2e`) or a fleet of them behind nginx (`e2e_fleet`), or takes the base URLs of any hubbub from `HUBBUB_TEST_INGEST_URL`, `HUBBUB_TEST_QUERY_URL` and
//! `HUBBUB_TEST_OPERATIONS_URLS` (separated by commas). Reads may be eventually consistent, so a test waits by tokens and
//! `Prefer: wait`, never by time, and has ids of its own, so that all of them run on one hubbub at once.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

mod analysis;
mod bad_input;
mod batches;
mod creating;
mod cursors;
mod deleting;
mod edge;
mod editing;
mod explaining;
mod idempotency;
mod likes;
mod lists;
mod operations;
mod preferences;
mod receipts;
mod scenarios;
mod system;
mod tokens;

use hubbub_testkit::{
    answer::Answer,
    client::{API, Client},
};
use serde_json::{Value, json};
use system::hub;
use uuid::Uuid;

/// An id that no other test, and no earlier run, has used.
fn unique(prefix: &str) -> String {
    format!("{prefix}-{}", Uuid::now_v7())
}

/// A post, as the client wrote it and hubbub answered.
struct Written {
    id: String,
    answer: Answer,
}

/// Creates a post with an id of its own and waits until it is there.
async fn written(hub: &Client, mut post: Value) -> Written {
    let id = unique("post");
    post["id"] = json!(id);
    let answer = hub.post("/posts", &post).wait(10).await.expect(201);
    Written { id, answer }
}

/// A post, no older than an answer.
async fn read_post(hub: &Client, id: &str, after: &Answer) -> Value {
    hub.get(&format!("/posts/{id}")).after(after).wait(10).await.expect(200).json()
}

/// Checks that a time is RFC 3339 in UTC with milliseconds, and returns it.
#[track_caller]
fn time(value: &Value) -> String {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is no time"));
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{text}");
    text.to_owned()
}
