//! Cursors that were changed, or belong elsewhere, and limits that are none.

use hubbub_testkit::client::Client;
use serde_json::json;

use crate::{hub, unique, written};

/// A post with three likes and an author of three posts, and the cursors behind their first items.
struct Pages {
    likes: String,
    posts: String,
    events: String,
    likes_cursor: String,
    posts_cursor: String,
    events_cursor: String,
}

async fn pages(hub: &Client) -> Pages {
    let author = unique("user");
    for _ in 0..2 {
        written(hub, json!({"user_id": author, "content": "One of three"})).await;
    }
    let post = written(hub, json!({"user_id": author, "content": "The third"})).await;
    let likes = format!("/posts/{}/likes", post.id);
    for fan in ["a", "b", "c"] {
        hub.put(&format!("{likes}/{fan}")).wait(10).await.expect(204);
    }
    let last = hub.put(&format!("{likes}/c")).wait(10).await.expect(204);
    let (posts, events) = (format!("/users/{author}/posts"), format!("/posts/{}/events", post.id));
    let mut cursors = Vec::new();
    for path in [&likes, &posts, &events] {
        let page = hub.get(&format!("{path}?limit=1")).after(&last).wait(10).await.expect(200);
        cursors.push(page.string("next"));
    }
    let [likes_cursor, posts_cursor, events_cursor] = cursors.try_into().unwrap();
    Pages { likes, posts, events, likes_cursor, posts_cursor, events_cursor }
}

#[tokio::test]
async fn a_cursor_goes_on_with_any_limit() {
    let hub = hub().await;
    let pages = pages(&hub).await;
    let rest = hub.get(&format!("{}?limit=100&cursor={}", pages.likes, pages.likes_cursor)).await;
    assert_eq!(rest.expect(200).json(), json!({"items": [{"user_id": "b"}, {"user_id": "c"}]}));
}

#[tokio::test]
async fn a_cursor_is_good_for_its_own_list_alone() {
    let hub = hub().await;
    let (one, other) = (pages(&hub).await, pages(&hub).await);
    for (path, cursor) in [
        (&one.likes, &one.posts_cursor),
        (&one.likes, &one.events_cursor),
        (&one.posts, &one.likes_cursor),
        (&one.posts, &one.events_cursor),
        (&one.events, &one.likes_cursor),
        (&one.events, &one.posts_cursor),
        // Of the same route, and of another post or user.
        (&one.likes, &other.likes_cursor),
        (&one.posts, &other.posts_cursor),
        (&one.events, &other.events_cursor),
    ] {
        let refused = hub.get(&format!("{path}?cursor={cursor}")).await;
        refused.problem(400, "invalid-cursor").says(&["cursor"]);
    }
}

#[tokio::test]
async fn a_cursor_that_was_changed_is_refused() {
    let hub = hub().await;
    let pages = pages(&hub).await;
    for (path, cursor) in [
        (&pages.likes, &pages.likes_cursor),
        (&pages.posts, &pages.posts_cursor),
        (&pages.events, &pages.events_cursor),
    ] {
        for place in 0..cursor.len() {
            let mut changed = cursor.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let refused = hub.get(&format!("{path}?cursor={changed}")).await;
            refused.problem(400, "invalid-cursor");
        }
        let cut = &cursor[..cursor.len() - 1];
        for made_up in
            ["", "1", "AAAA", "not+base64", cut, &format!("{cursor}A"), &format!("{cursor}=")]
        {
            hub.get(&format!("{path}?cursor={made_up}")).await.problem(400, "invalid-cursor");
        }
    }
}

#[tokio::test]
async fn a_limit_is_a_number_from_1_to_100() {
    let hub = hub().await;
    let pages = pages(&hub).await;
    for path in [&pages.likes, &pages.posts, &pages.events] {
        for limit in ["0", "101", "-1", "1.5", "abc", "", "+5", "%35%20", "99999999999999999999"] {
            let refused = hub.get(&format!("{path}?limit={limit}")).await;
            refused.problem(400, "malformed-request").blames("limit").says(&["limit", "1", "100"]);
        }
        for limit in ["1", "100", "007"] {
            hub.get(&format!("{path}?limit={limit}")).await.expect(200);
        }
        hub.get(&format!("{path}?limit=1&limit=2"))
            .await
            .problem(400, "malformed-request")
            .blames("limit");
    }
}
