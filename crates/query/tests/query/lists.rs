use std::{
    cmp::Reverse,
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering},
};

use hubbub_events::Timestamp;
use hubbub_tables::{PostLikes, PostsByAuthor, likes::Like, posts::AuthoredPost};
use proptest::{bool::weighted, collection::vec, prelude::ProptestConfig, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::world::{ALL, Answer, CREATED, World, partition, settings, stored, within};

/// A post p with 5 likes by users a to e, and one withdrawn.
async fn with_likes() -> World {
    let world = World::new();
    world.create("p", "ann", "text", 1).await;
    for (offset, user) in (2..).zip(["c", "a", "e", "b", "d"]) {
        world.put_like("p", user, true, offset - 1, offset).await;
    }
    world.put_like("p", "bb", false, 5, 8).await;
    world
}

fn items(answer: &Answer) -> Vec<Value> {
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.body);
    answer.json()["items"].as_array().unwrap().clone()
}

fn next(answer: &Answer) -> Option<String> {
    answer.json().get("next").map(|next| next.as_str().unwrap().to_owned())
}

/// Every item of a list, following `next`, with the length of each page.
async fn read_all(world: &World, path: &str, limit: usize) -> (Vec<Value>, Vec<usize>) {
    let (mut all, mut lengths) = (Vec::new(), Vec::new());
    let mut page = world.get(&format!("{path}?limit={limit}")).await;
    loop {
        lengths.push(items(&page).len());
        all.extend(items(&page));
        let Some(cursor) = next(&page) else {
            return (all, lengths);
        };
        page = world.get(&format!("{path}?limit={limit}&cursor={cursor}")).await;
    }
}

#[tokio::test]
async fn likes_are_those_that_stand_by_user() {
    let world = with_likes().await;
    let answer = world.get("/posts/p/likes").await;
    assert_eq!(
        answer.body,
        r#"{"items":[{"user_id":"a"},{"user_id":"b"},{"user_id":"c"},{"user_id":"d"},{"user_id":"e"}]}"#
    );
    assert_eq!(answer.header("link"), None);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    // The withdrawn like was seen too.
    let reflects = answer.reflects();
    assert_eq!(reflects[0], ("likes".to_owned(), partition("p").partition, 8));
    assert_eq!(reflects[1], ("posts".to_owned(), partition("p").partition, 1));
}

#[tokio::test]
async fn a_page_links_to_the_next() {
    let world = with_likes().await;
    let answer = world.get("/posts/p/likes/?limit=2").await;
    let cursor = next(&answer).unwrap();
    let link = format!("</api/v1/posts/p/likes?limit=2&cursor={cursor}>; rel=\"next\"");
    assert_eq!(answer.header("link"), Some(&*link));
    let target = link.trim_start_matches("</api/v1").split('>').next().unwrap();
    assert_eq!(items(&world.get(target).await), [json!({"user_id": "c"}), json!({"user_id": "d"})]);

    for limit in 1..=6 {
        let (likes, lengths) = read_all(&world, "/posts/p/likes", limit).await;
        assert_eq!(likes.len(), 5);
        assert!(lengths.iter().rev().skip(1).all(|length| *length == limit), "{lengths:?}");
        assert!(lengths.iter().all(|length| *length > 0), "{lengths:?}");
    }
}

#[tokio::test]
async fn limits() {
    let world = World::new();
    world.create("p", "ann", "text", 1).await;
    for offset in 2..123 {
        world.put_event("p", "liked", "bob", offset).await;
    }
    assert_eq!(items(&world.get("/posts/p/events").await).len(), 20);
    assert_eq!(items(&world.get("/posts/p/events?limit=100").await).len(), 100);
    for bad in ["0", "101", "abc", "", "-1", "%2B5", "1.5", "99999999999999999999"] {
        for path in ["/posts/p/events", "/posts/p/likes", "/users/ann/posts"] {
            let answer = world.get(&format!("{path}?limit={bad}")).await;
            assert_eq!((answer.status.as_u16(), &*answer.problem()), (400, "malformed-request"));
            let error = &answer.json()["errors"][0];
            assert_eq!(error["field"], "limit");
            assert!(error["detail"].as_str().unwrap().contains("from 1 to 100"), "{error}");
        }
    }
    let twice = world.get("/posts/p/events?limit=5&limit=6").await;
    assert_eq!(twice.problem(), "malformed-request");
}

#[tokio::test]
async fn cursors_hold_for_one_list_of_one_owner_unchanged() {
    let world = with_likes().await;
    world.create("q", "ann", "text", 1).await;
    let cursor = next(&world.get("/posts/p/likes?limit=2").await).unwrap();

    for elsewhere in ["/posts/p/events", "/users/p/posts", "/posts/q/likes"] {
        let answer = world.get(&format!("{elsewhere}?cursor={cursor}")).await;
        assert_eq!((answer.status.as_u16(), &*answer.problem()), (400, "invalid-cursor"));
    }
    for at in 0..cursor.len() {
        for other in [b'A', b'B', b'_'] {
            let mut bytes = cursor.clone().into_bytes();
            if bytes[at] == other {
                continue;
            }
            bytes[at] = other;
            let changed = String::from_utf8(bytes).unwrap();
            let answer = world.get(&format!("/posts/p/likes?cursor={changed}")).await;
            assert_eq!((answer.status.as_u16(), &*answer.problem()), (400, "invalid-cursor"));
        }
    }
    for bad in ["", "x", &cursor[1..], &cursor[..cursor.len() - 1], &format!("{cursor}A")] {
        let answer = world.get(&format!("/posts/p/likes?cursor={bad}")).await;
        assert_eq!((answer.status.as_u16(), &*answer.problem()), (400, "invalid-cursor"));
    }
    assert_eq!(world.get(&format!("/posts/p/likes?cursor={cursor}")).await.status.as_u16(), 200);
}

#[tokio::test]
async fn events_are_told_from_the_oldest_on() {
    let world = World::new();
    world.create("p", "ann", "text", 1).await;
    for (offset, event_type, user) in
        [(1, "created", "ann"), (4, "liked", "bob"), (6, "edited", ""), (300, "unliked", "bob")]
    {
        world.put_event("p", event_type, user, offset).await;
    }
    let answer = world.get("/posts/p/events").await;
    let expected = json!([
        {"type": "created", "user_id": "ann", "at": "2026-01-02T03:04:05.679Z"},
        {"type": "liked", "user_id": "bob", "at": "2026-01-02T03:04:05.682Z"},
        {"type": "edited", "user_id": null, "at": "2026-01-02T03:04:05.684Z"},
        {"type": "unliked", "user_id": "bob", "at": "2026-01-02T03:04:05.978Z"},
    ]);
    assert_eq!(answer.json()["items"], expected);
    assert_eq!(answer.reflects(), [("posts".to_owned(), partition("p").partition, 300)]);
    for limit in 1..5 {
        assert_eq!(Value::from(read_all(&world, "/posts/p/events", limit).await.0), expected);
    }
}

#[tokio::test]
async fn an_authors_posts_are_whole_posts_newest_first() {
    let world = World::new();
    world.create("old", "ann", "first #one", 1).await;
    for (post_id, offset, gone) in [("mid", 2, true), ("new", 3, false)] {
        let at = Timestamp(CREATED.0 + offset);
        world.create(post_id, "", "later", offset).await;
        world.put_authored("ann", post_id, at, gone, offset).await;
    }
    for projection in ALL {
        (0..4).for_each(|p| world.progress.advanced(projection, 1, within(p), 5));
    }
    let answer = world.get("/users/ann/posts").await;
    let posts = items(&answer);
    assert_eq!(posts.len(), 2);
    assert_eq!(posts[0]["id"], "new");
    assert_eq!(posts[1], world.get("/posts/old").await.json());
    let every =
        ["likes", "posts"].iter().flat_map(|name| (0..4).map(|p| ((*name).to_owned(), p, 5)));
    assert_eq!(answer.reflects(), every.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_post_that_is_listed_and_not_there_is_left_out() {
    let world = World::new();
    world.create("here", "ann", "text", 1).await;
    world.put_authored("ann", "not-yet", CREATED, false, 2).await;
    world.create("going", "ann", "text", 1).await;
    world.delete("going", "", &["posts"], 3).await;
    let posts = items(&world.get("/users/ann/posts").await);
    assert_eq!(posts.iter().map(|post| &post["id"]).collect::<Vec<_>>(), ["here"]);
}

#[tokio::test]
async fn an_unknown_user_has_an_empty_page() {
    let world = World::new();
    let answer = world.get("/users/nobody/posts").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, r#"{"items":[]}"#));
    assert_eq!(world.get("/users/no%20one/posts").await.problem(), "validation-failed");
}

#[tokio::test]
async fn a_page_reads_so_many_rows_and_no_more() {
    let mut settings = settings();
    settings.page_rows = NonZeroUsize::new(10).unwrap();
    let world = World::with(settings);
    world.create("p", "ann", "text", 1).await;
    for offset in 2..40 {
        world.put_like("p", &format!("u{offset:02}"), offset == 33, 0, offset).await;
    }
    let first = world.get("/posts/p/likes?limit=3").await;
    assert_eq!(items(&first).len(), 0);
    assert!(next(&first).is_some());
    let (likes, lengths) = read_all(&world, "/posts/p/likes", 3).await;
    assert_eq!(likes, [json!({"user_id": "u33"})]);
    assert_eq!(lengths.len(), 4);
}

/// Whatever the limit, the rows that are hidden and the bound on rows read at once: every item is
/// answered once, in order.
#[test]
fn pages_are_complete() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let shared = World::new();
    let case = AtomicUsize::new(0);
    let hidden = vec(weighted(0.4), 0..60);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(100));
    let law = |(hidden, limit, page_rows): (Vec<bool>, usize, usize)| {
        let mut settings = settings();
        settings.page_rows = NonZeroUsize::new(page_rows).unwrap();
        let world = shared.again(settings);
        let case = case.fetch_add(1, Ordering::Relaxed);
        let is_complete = async {
            let (post, author) = (format!("post-{case}"), format!("author-{case}"));
            let shown = hide_and_show(&world, &post, &author, &hidden).await;
            let (likes, lengths) = read_all(&world, &format!("/posts/{post}/likes"), limit).await;
            assert_eq!(each(&likes, "user_id"), shown);
            assert!(lengths.iter().all(|length| *length <= limit));

            let mut newest_first = shown;
            newest_first.sort_by_key(|name| Reverse((authored_at(name), name.clone())));
            let (posts, lengths) = read_all(&world, &format!("/users/{author}/posts"), limit).await;
            assert_eq!(each(&posts, "id"), newest_first);
            assert!(lengths.iter().all(|length| *length <= limit));
        };
        runtime.block_on(is_complete);
        Ok(())
    };
    runner.run(&(hidden, 1..30_usize, 1..50_usize), law).unwrap();
}

/// Names that like a post, and are posts of an author, unless they are hidden. Answers those that
/// are not, in the order of their names.
async fn hide_and_show(world: &World, post: &str, author: &str, hidden: &[bool]) -> Vec<String> {
    let names: Vec<_> = (0..hidden.len()).map(|index| format!("n{index:03}")).collect();
    let mut posts = names.clone();
    posts.push(post.to_owned());
    world.create_many(&posts).await;
    let (mut authored, mut likes) = (Vec::new(), Vec::new());
    for (name, gone) in names.iter().zip(hidden) {
        let key = (authored_at(name), name.clone());
        authored.push((key, stored(1, AuthoredPost { gone: *gone })));
        likes.push(((name.clone(),), stored(1, Like { liked: !gone })));
    }
    world.apply::<PostsByAuthor>((author.to_owned(),), None, authored).await;
    world.apply::<PostLikes>((post.to_owned(),), None, likes).await;
    let shown = names.into_iter().zip(hidden).filter(|(_, hidden)| !**hidden);
    shown.map(|(name, _)| name).collect()
}

/// Every three of them in one millisecond.
fn authored_at(name: &str) -> Timestamp {
    Timestamp(CREATED.0 + name[1..].parse::<i64>().unwrap() / 3)
}

fn each(items: &[Value], member: &str) -> Vec<String> {
    items.iter().map(|item| item[member].as_str().unwrap().to_owned()).collect()
}
