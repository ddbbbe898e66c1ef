//! Likes, events and an author's posts, page by page.

use hubbub_testkit::{
    answer::Answer,
    client::{API, Client},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{hub, time, unique, written};

/// Reads a list from its start to its end, by its links, and returns the sizes of its pages and all items.
async fn read_to_the_end(hub: &Client, path: &str, after: &Answer) -> (Vec<usize>, Vec<Value>) {
    let mut target = format!("{API}{path}");
    let (mut sizes, mut items) = (Vec::new(), Vec::new());
    loop {
        let answer = hub.query(Method::GET, &target).after(after).wait(10).await.expect(200);
        let mut page = answer.json();
        let found: Vec<Value> = serde_json::from_value(page["items"].take()).unwrap();
        sizes.push(found.len());
        items.extend(found);
        let Some(next) = page["next"].as_str() else {
            assert_eq!(answer.header("link"), None, "{answer}");
            assert!(page.get("next").is_none(), "{answer}");
            return (sizes, items);
        };
        let link = answer.header("link").unwrap();
        let (linked, rel) = link.split_once('>').unwrap();
        assert_eq!(rel, "; rel=\"next\"");
        target = linked.trim_start_matches('<').to_owned();
        assert!(target.contains(next), "{link} leads elsewhere than {next}");
    }
}

fn users(items: &[Value]) -> Vec<&str> {
    items.iter().filter_map(|item| item["user_id"].as_str()).collect()
}

#[tokio::test]
async fn the_likes_of_a_post_are_by_user() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "Much liked"})).await;
    let path = format!("/posts/{}/likes", post.id);
    let mut fans: Vec<_> = (0..45).map(|n| format!("fan-{}", n * 7 % 45)).collect();
    let mut last = post.answer;
    for fan in &fans {
        last = hub.put(&format!("{path}/{fan}")).await.expect(202);
    }
    fans.sort();

    let (sizes, items) = read_to_the_end(&hub, &path, &last).await;
    assert_eq!(
        (sizes, users(&items)),
        (vec![20, 20, 5], fans.iter().map(String::as_str).collect())
    );
    let (sizes, items) = read_to_the_end(&hub, &format!("{path}?limit=1"), &last).await;
    assert_eq!((sizes.len(), items.len()), (45, 45));
    // A page that ends with the list has no next one.
    let (sizes, _) = read_to_the_end(&hub, &format!("{path}?limit=15"), &last).await;
    assert_eq!(sizes, [15, 15, 15]);
    let (sizes, _) = read_to_the_end(&hub, &format!("{path}?limit=100"), &last).await;
    assert_eq!(sizes, [45]);
}

#[tokio::test]
async fn likes_that_were_taken_back_leave_no_holes() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "Liked for a while"})).await;
    let path = format!("/posts/{}/likes", post.id);
    let mut last = post.answer;
    for n in 0..30 {
        last = hub.put(&format!("{path}/fan-{n:02}")).await.expect(202);
    }
    for n in (0..30).filter(|n| n % 3 != 0) {
        last = hub.delete(&format!("{path}/fan-{n:02}")).await.expect(202);
    }
    let (_, items) = read_to_the_end(&hub, &format!("{path}?limit=4"), &last).await;
    let expected: Vec<_> = (0..30).step_by(3).map(|n| format!("fan-{n:02}")).collect();
    assert_eq!(users(&items), expected);
}

#[tokio::test]
async fn the_events_of_a_post_are_oldest_first() {
    let hub = hub().await;
    let author = unique("user");
    let post = written(&hub, json!({"user_id": author, "content": "Eventful"})).await;
    let path = format!("/posts/{}", post.id);
    hub.put(&format!("{path}/likes/fan")).await.expect(202);
    hub.put(&format!("{path}/likes/fan")).await.expect(202);
    hub.patch(&path, &json!({"user_id": author, "content": "More so"})).await.expect(202);
    // What is rejected did not happen.
    hub.patch(&path, &json!({"user_id": "fan", "content": "Mine"})).wait(10).await.expect(403);
    hub.patch(&path, &json!({"user_id": author, "content": "x"}))
        .if_match("\"9\"")
        .await
        .expect(202);
    let last = hub.delete(&format!("{path}/likes/fan")).await.expect(202);

    let (sizes, items) = read_to_the_end(&hub, &format!("{path}/events?limit=2"), &last).await;
    let said: Vec<_> = items.iter().map(|event| (&event["type"], &event["user_id"])).collect();
    let (author, fan) = (json!(author), json!("fan"));
    assert_eq!(
        said,
        [
            (&json!("created"), &author),
            (&json!("liked"), &fan),
            (&json!("liked"), &fan),
            (&json!("edited"), &author),
            (&json!("unliked"), &fan),
        ]
    );
    assert_eq!(sizes, [2, 2, 1]);
    let times: Vec<_> = items.iter().map(|event| time(&event["at"])).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(items.iter().all(|event| event.as_object().unwrap().len() == 3), "{items:?}");
}

#[tokio::test]
async fn an_authors_posts_are_newest_first() {
    let hub = hub().await;
    let author = unique("user");
    let mut ids = Vec::new();
    for n in 0..23 {
        let post = json!({"user_id": author, "content": format!("Number {n}")});
        ids.push(written(&hub, post).await.id);
    }
    let gone = ids.remove(7);
    let last = hub.delete(&format!("/posts/{gone}?user_id={author}")).wait(10).await.expect(204);
    ids.reverse();

    let path = format!("/users/{author}/posts");
    for (limit, pages) in
        [("", vec![20, 2]), ("?limit=5", vec![5, 5, 5, 5, 2]), ("?limit=22", vec![22])]
    {
        let (sizes, items) = read_to_the_end(&hub, &format!("{path}{limit}"), &last).await;
        // Those of one millisecond come by id, which is the order of their making too.
        let found: Vec<_> = items.iter().filter_map(|post| post["id"].as_str()).collect();
        assert_eq!((found, sizes), (ids.iter().map(String::as_str).collect(), pages));
        let own =
            hub.get(&format!("/posts/{}", ids[0])).after(&last).wait(10).await.expect(200).json();
        assert_eq!(items[0], own, "an item is what GET /posts/{{id}} answers");
    }
}

#[tokio::test]
async fn an_unknown_user_has_an_empty_page_and_no_totals() {
    let hub = hub().await;
    let user = unique("nobody");
    let page = hub.get(&format!("/users/{user}/posts")).await.expect(200);
    assert_eq!(page.json(), json!({"items": []}));
    assert_eq!(page.header("link"), None);
    let totals = hub.get(&format!("/users/{user}/analysis")).await.expect(200).json();
    assert_eq!(
        totals,
        json!({"user_id": user, "post_count": 0, "word_count": 0, "average_word_length": 0.0})
    );
}

#[tokio::test]
async fn the_lists_of_an_unknown_post_are_not_found() {
    let hub = hub().await;
    let id = unique("never");
    for part in ["", "/analysis", "/likes", "/events"] {
        let missing = hub.get(&format!("/posts/{id}{part}")).await;
        missing.problem(404, "post-not-found").says(&[&id]);
    }
}
