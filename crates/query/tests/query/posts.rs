use std::{sync::atomic::Ordering, time::Duration};

use futures::future::join_all;
use http::{Method, StatusCode};
use hubbub_events::Timestamp;
use hubbub_tables::{Posts, posts::PostHead};
use serde_json::json;

use crate::world::{CREATED, World, live_head, partition, settings};

#[tokio::test]
async fn a_post_has_the_documented_shape() {
    let world = World::new();
    world.create("p", "ann", "One #Tag, and #tag again.", 7).await;
    world.put_like("p", "bob", true, 1, 9).await;

    let answer = world.get("/posts/p").await;
    assert_eq!(answer.status, StatusCode::OK);
    let members: Vec<_> = [
        r#"{"id":"p","user_id":"ann","content":"One #Tag, and #tag again.","hashtags":["tag"],"#,
        r#""created_at":"2026-01-02T03:04:05.678Z","edited_at":null,"version":1,"like_count":1}"#,
    ]
    .concat()
    .into();
    assert_eq!(answer.body.as_bytes(), members);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("etag"), Some("\"1\""));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    // The like is newer than the frontier, and no older answer may follow.
    let within = partition("p").partition;
    let reflects = vec![("likes".to_owned(), within, 9), ("posts".to_owned(), within, 7)];
    assert_eq!(answer.reflects(), reflects);
}

#[tokio::test]
async fn an_edited_post_of_nobody() {
    let world = World::new();
    world.create("p", "", "first", 7).await;
    let edited_at = Timestamp(CREATED.0 + 1_000);
    let head = PostHead { version: 3, edited_at, ..live_head("") };
    world.put_version("p", head, "second #b #c", &["a", "b"], 11).await;

    let answer = world.get("/posts/p").await;
    assert_eq!(answer.header("etag"), Some("\"3\""));
    let expected = json!({
        "id": "p", "user_id": null, "content": "second #b #c", "hashtags": ["a", "b", "c"],
        "created_at": "2026-01-02T03:04:05.678Z", "edited_at": "2026-01-02T03:04:06.678Z",
        "version": 3, "like_count": 0,
    });
    assert_eq!(answer.json(), expected);
}

#[tokio::test]
async fn a_post_that_the_likes_have_not_seen_has_none() {
    let world = World::new();
    world.put_post("p", "ann", "text", 7).await;
    let answer = world.get("/posts/p").await;
    assert_eq!(answer.json()["like_count"], 0);
    assert_eq!(answer.reflects(), [("posts".to_owned(), partition("p").partition, 7)]);
}

#[tokio::test]
async fn absent_deleted_and_impossible_posts() {
    let world = World::new();
    world.create("gone", "ann", "text", 3).await;
    world.delete("gone", "ann", &["posts"], 4).await;
    world.advance(partition("never"), 5);

    for below in ["", "/likes", "/events"] {
        let answer = world.get(&format!("/posts/never{below}")).await;
        assert_eq!((answer.status.as_u16(), &*answer.problem()), (404, "post-not-found"));
        assert!(answer.reflects().contains(&("posts".to_owned(), partition("never").partition, 5)));

        let answer = world.get(&format!("/posts/gone{below}")).await;
        assert_eq!((answer.status.as_u16(), &*answer.problem()), (410, "post-deleted"));
        assert!(answer.reflects().contains(&("posts".to_owned(), partition("gone").partition, 4)));

        let answer = world.get(&format!("/posts/a%20b{below}")).await;
        assert_eq!((answer.status.as_u16(), &*answer.problem()), (422, "validation-failed"));
        assert_eq!(answer.json()["errors"][0]["field"], "id");
        assert_eq!(answer.json()["errors"][0]["value"], "a b");
    }
    let answer = world.get(&format!("/posts/{}", "x".repeat(129))).await;
    assert_eq!(answer.status.as_u16(), 422);
}

#[tokio::test]
async fn derived_ids_are_read_like_others() {
    let world = World::new();
    let id = hubbub_events::Id::derived("ann", "key", None);
    world.create(id.as_str(), "ann", "text", 3).await;
    assert_eq!(world.get(&format!("/posts/{id}")).await.json()["id"], id.as_str());
}

#[tokio::test]
async fn queries_head_slash_and_conditions() {
    let world = World::new();
    world.create("p", "ann", "text", 3).await;
    for path in [
        "/posts/p?x=1",
        "/posts/p/analysis?limit=3",
        "/posts/p/likes?x=1",
        "/posts/p/events?offset=1",
        "/users/ann/posts?user_id=ann",
        "/users/ann/analysis?x",
        "/receipts/abc?x=1",
    ] {
        let answer = world.get(path).await;
        assert_eq!((answer.status.as_u16(), &*answer.problem()), (400, "malformed-request"));
        let name = path.split(['?', '=']).nth(1).unwrap();
        assert_eq!(answer.json()["errors"][0]["field"], name, "{}", answer.body);
    }
    let slash = world.get("/posts/p/").await;
    assert_eq!(slash.status, StatusCode::OK);

    let head = world.request(Method::HEAD, "/posts/p", &[]).await;
    assert_eq!((head.status, &*head.body), (StatusCode::OK, ""));
    assert_eq!(head.header("etag"), Some("\"1\""));

    // The version stands for the text alone, while likes come and go: never a 304.
    let known = world.request(Method::GET, "/posts/p", &[("if-none-match", "\"1\"")]).await;
    assert_eq!(known.status, StatusCode::OK);

    let answer = world.request(Method::PUT, "/posts/p/likes", &[]).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET,HEAD")));
}

#[tokio::test]
async fn many_readers_share_one_read_and_the_next_ones_need_none() {
    let world = World::new();
    world.create("p", "ann", "text", 3).await;
    let gate = world.control().gate.forget_permits(usize::MAX);
    let release = async {
        // Every request is under way before the first read may end.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        world.control().gate.add_permits(gate);
    };
    let requests = join_all((0..50).map(|_| world.get("/posts/p")));
    let (answers, ()) = tokio::join!(requests, release);
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
    // A head, and the row of its version.
    assert_eq!(world.control().reads::<Posts>(), 2);

    world.get("/posts/p").await;
    assert_eq!(world.control().reads::<Posts>(), 2);
}

#[tokio::test]
async fn what_is_kept_is_read_again_when_its_time_is_over() {
    let mut settings = settings();
    settings.cache.time_to_live = Duration::ZERO;
    let world = World::with(settings);
    world.create("p", "ann", "text", 3).await;
    world.get("/posts/p").await;
    world.put_like("p", "bob", true, 1, 4).await;
    assert_eq!(world.get("/posts/p").await.json()["like_count"], 1);
}

#[tokio::test]
async fn a_version_that_is_not_there_yet_is_read_again() {
    let world = World::new();
    world.create("p", "ann", "text", 3).await;
    world.control().hides_rows.store(1, Ordering::Relaxed);
    assert_eq!(world.get("/posts/p").await.status, StatusCode::OK);
    assert_eq!(world.control().reads::<Posts>(), 4);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_503_and_not_kept() {
    let world = World::new();
    world.create("p", "ann", "text", 3).await;
    world.control().fails.store(true, Ordering::Relaxed);
    for path in [
        "/posts/p",
        "/posts/p/analysis",
        "/posts/p/likes",
        "/posts/p/events",
        "/users/ann/posts",
        "/users/ann/analysis",
    ] {
        let answer = world.get(path).await;
        assert_eq!((answer.status.as_u16(), &*answer.problem()), (503, "store-unavailable"));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(!answer.body.contains("the test says so"), "{}", answer.body);
    }
    world.control().fails.store(false, Ordering::Relaxed);
    assert_eq!(world.get("/posts/p").await.status, StatusCode::OK);
}
