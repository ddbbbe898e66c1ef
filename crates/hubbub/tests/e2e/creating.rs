//! `POST /posts`, and the post as it is read.

use serde_json::json;
use uuid::Uuid;

use crate::{hub, read_post, time, unique, written};

#[tokio::test]
async fn a_create_is_answered_when_the_log_has_it() {
    let hub = hub().await;
    let id = unique("create");
    let posted = hub.post("/posts", &json!({"id": id, "content": "Hello"})).await.expect(202);
    assert_eq!(posted.header("location"), Some(&*format!("/api/v1/posts/{id}")));
    assert_eq!(posted.header("preference-applied"), None);
    assert!(!posted.token().is_empty());

    let body = posted.json();
    let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members.len(), 4, "{members:?}");
    assert_eq!(body["id"], id.as_str());
    assert_eq!(body["status"], "accepted");
    assert!(!posted.string("event_id").is_empty());
    assert!(!posted.string("receipt").is_empty());
}

#[tokio::test]
async fn a_post_reads_as_it_was_written() {
    let hub = hub().await;
    let (id, user) = (unique("create"), unique("user"));
    let post = json!({"id": id, "user_id": user, "content": "Read me", "hashtags": ["News"]});
    let posted = hub.post("/posts", &post).await.expect(202);

    let read = hub.get(&format!("/posts/{id}")).after(&posted).wait(10).await.expect(200);
    assert_eq!(read.header("etag"), Some("\"1\""));
    assert!(!read.token().is_empty());
    let mut post = read.json();
    time(&post["created_at"].take());
    assert_eq!(
        post,
        json!({
            "id": id, "user_id": user, "content": "Read me", "hashtags": ["news"],
            "created_at": null, "edited_at": null, "version": 1, "like_count": 0,
        })
    );
}

#[tokio::test]
async fn a_post_without_id_and_user_gets_an_id_and_stays_nobodys() {
    let hub = hub().await;
    let posted = hub.post("/posts", &json!({"content": "Anonymous"})).wait(10).await.expect(201);
    let id = posted.string("id");
    assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), 7);
    assert_eq!(read_post(&hub, &id, &posted).await["user_id"], json!(null));

    let analysis =
        hub.get(&format!("/posts/{id}/analysis")).after(&posted).wait(10).await.expect(200).json();
    assert_eq!(analysis["user_id"], json!(null));
    let events =
        hub.get(&format!("/posts/{id}/events")).after(&posted).wait(10).await.expect(200).json();
    assert_eq!(events["items"][0]["user_id"], json!(null));
}

#[tokio::test]
async fn null_is_as_good_as_absent() {
    let hub = hub().await;
    let post = json!({"id": null, "user_id": null, "content": "Nothing else", "hashtags": null});
    let posted = hub.post("/posts", &post).wait(10).await.expect(201);
    let read = read_post(&hub, &posted.string("id"), &posted).await;
    assert_eq!((&read["user_id"], &read["hashtags"]), (&json!(null), &json!([])));
}

#[tokio::test]
async fn a_waited_create_is_answered_when_it_is_applied() {
    let hub = hub().await;
    let id = unique("create");
    let posted =
        hub.post("/posts", &json!({"id": id, "content": "Hello"})).wait(10).await.expect(201);
    assert_eq!(posted.header("preference-applied"), Some("wait=10"));
    assert_eq!(posted.header("location"), Some(&*format!("/api/v1/posts/{id}")));
    let body = posted.json();
    assert_eq!((&body["id"], &body["status"]), (&json!(id), &json!("applied")));
    assert!(body["event_id"].is_string() && body["receipt"].is_string());
}

#[tokio::test]
async fn the_same_create_again_is_the_same_post() {
    let hub = hub().await;
    let (id, user) = (unique("again"), unique("user"));
    let post = json!({"id": id, "user_id": user, "content": "Once", "hashtags": ["a", "b"]});
    for _ in 0..3 {
        let posted = hub.post("/posts", &post).wait(10).await.expect(201);
        assert_eq!(posted.string("id"), id);
    }
    // Also when it was edited since, and when the tags are written another way.
    let edit = json!({"user_id": user, "content": "Twice"});
    hub.patch(&format!("/posts/{id}"), &edit).wait(10).await.expect(200);
    let same = json!({"id": id, "user_id": user, "content": "Once", "hashtags": ["#A", "b", "a"]});
    let last = hub.post("/posts", &same).wait(10).await.expect(201);

    let read = read_post(&hub, &id, &last).await;
    assert_eq!((&read["version"], &read["content"]), (&json!(2), &json!("Twice")));
    let totals =
        hub.get(&format!("/users/{user}/analysis")).after(&last).wait(10).await.expect(200).json();
    assert_eq!((&totals["post_count"], &totals["word_count"]), (&json!(1), &json!(1)));
    let events =
        hub.get(&format!("/posts/{id}/events")).after(&last).wait(10).await.expect(200).json();
    assert_eq!(events["items"].as_array().unwrap().len(), 2, "{events}");
}

#[tokio::test]
async fn an_id_is_taken_by_the_first_create() {
    let hub = hub().await;
    let user = unique("user");
    let first = written(&hub, json!({"user_id": user, "content": "First"})).await;
    let id = &first.id;
    for other in [
        json!({"id": id, "user_id": user, "content": "Second"}),
        json!({"id": id, "user_id": unique("user"), "content": "First"}),
        json!({"id": id, "content": "First"}),
        json!({"id": id, "user_id": user, "content": "First", "hashtags": ["more"]}),
    ] {
        let refused = hub.post("/posts", &other).wait(10).await;
        refused.problem(409, "id-taken");
        assert_eq!(refused.header("preference-applied"), Some("wait=10"));
        assert!(!refused.token().is_empty());
        // Without a wait nobody has looked yet.
        hub.post("/posts", &other).await.expect(202);
    }
    let last = hub.put(&format!("/posts/{id}/likes/someone")).wait(10).await.expect(204);
    let read = read_post(&hub, id, &last).await;
    assert_eq!((&read["content"], &read["user_id"]), (&json!("First"), &json!(user)));
}

#[tokio::test]
async fn every_allowed_character_and_length_makes_an_id() {
    let hub = hub().await;
    let unique = unique("");
    let longest = format!("{}{unique}", "x".repeat(128 - unique.len()));
    for id in [longest, format!("A.b_c:d{unique}"), format!("...{unique}"), format!("-{unique}:")] {
        let post = json!({"id": id, "user_id": id, "content": "An id"});
        let posted = hub.post("/posts", &post).wait(10).await.expect(201);
        assert_eq!(read_post(&hub, &id, &posted).await["user_id"], id.as_str());
        hub.put(&format!("/posts/{id}/likes/{id}")).wait(10).await.expect(204);
        let totals =
            hub.get(&format!("/users/{id}/analysis")).after(&posted).wait(10).await.expect(200);
        assert_eq!(totals.json()["post_count"], 1);
    }
}

#[tokio::test]
async fn content_comes_back_as_it_was_sent() {
    let hub = hub().await;
    for content in [
        "Zażółć gęślą jaźń",
        "漢字かな交じり文 한국어 ภาษาไทย",
        "עִבְרִית العربية",
        "👩‍👩‍👧‍👦 🏳️‍🌈 e\u{301} \u{e9}",
        "line\nbreak\r\n\ttab \"quoted\" \\ / \u{7f} \u{1}",
        " leading and trailing ",
        "\u{feff}\u{202e}\u{200b}",
        "\u{10ffff}",
    ] {
        let post = written(&hub, json!({"content": content})).await;
        assert_eq!(read_post(&hub, &post.id, &post.answer).await["content"], content);
    }
}

#[tokio::test]
async fn content_has_room_for_65536_bytes() {
    let hub = hub().await;
    // Of the bytes it is the decoded ones that count.
    let escaped = format!(r#"{{"content":"{}"}}"#, "\\u0041".repeat(65_536));
    for body in [
        json!({"content": "x".repeat(65_536)}).to_string(),
        json!({"content": "é".repeat(32_768)}).to_string(),
        escaped,
    ] {
        let posted = hub.post("/posts", &json!(null)).body("application/json", body).wait(10).await;
        let posted = posted.expect(201);
        let read = read_post(&hub, &posted.string("id"), &posted).await;
        assert_eq!(read["content"].as_str().map(str::len), Some(65_536));
    }
}

#[tokio::test]
async fn the_hashtags_are_those_of_the_field_and_then_those_of_the_text() {
    let hub = hub().await;
    let post = json!({
        "content": "#Rust and #rust, #Straße, #2026 is no tag, #v2 is; C#minor is none",
        "hashtags": ["#News", "RUST", "news", "日本"],
    });
    let post = written(&hub, post).await;
    let read = read_post(&hub, &post.id, &post.answer).await;
    assert_eq!(read["hashtags"], json!(["news", "rust", "日本", "strasse", "v2"]));
}

#[tokio::test]
async fn a_post_has_thirty_hashtags_at_most() {
    let hub = hub().await;
    let field: Vec<_> = (0..30).map(|n| format!("field{n}")).collect();
    let text: String = (0..40).map(|n| format!("#text{n} ")).collect();

    let post = written(&hub, json!({"content": text, "hashtags": field})).await;
    assert_eq!(read_post(&hub, &post.id, &post.answer).await["hashtags"], json!(field));

    let post = written(&hub, json!({"content": text})).await;
    let first: Vec<_> = (0..30).map(|n| format!("text{n}")).collect();
    assert_eq!(read_post(&hub, &post.id, &post.answer).await["hashtags"], json!(first));

    let longest = "x".repeat(100);
    let post = written(&hub, json!({"content": "long", "hashtags": [format!("#{longest}")]})).await;
    assert_eq!(read_post(&hub, &post.id, &post.answer).await["hashtags"], json!([longest]));
}
