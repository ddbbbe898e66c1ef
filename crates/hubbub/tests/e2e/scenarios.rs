//! What a newcomer types, as it stands.

use reqwest::Method;

use crate::{API, hub, read_post, unique};

const JSON: &str = "application/json";

#[tokio::test]
async fn a_post_and_its_analysis_one_right_after_the_other() {
    let hub = hub().await;
    let post = r#"{"id": "123", "content": "This is a sample post."}"#;
    let posted =
        hub.ingest(Method::POST, &format!("{API}/posts/")).body(JSON, post).await.expect(202);
    assert_eq!(posted.string("id"), "123");

    let analysis =
        hub.query(Method::GET, &format!("{API}/posts/123/analysis/")).await.expect(200).json();
    assert_eq!(analysis["post_id"], "123");
    assert_eq!(analysis["word_count"], 5);
    assert_eq!(analysis["average_word_length"], 3.4);
}

#[tokio::test]
async fn a_post_of_a_user_without_an_id_of_its_own() {
    let hub = hub().await;
    let post = r#"{"user_id": "123", "content": "Excited to share our latest project!"}"#;
    let posted =
        hub.ingest(Method::POST, &format!("{API}/posts/")).body(JSON, post).await.expect(202);
    let id = posted.string("id");

    let post = hub.get(&format!("/posts/{id}")).await.expect(200).json();
    assert_eq!(post["user_id"], "123");
    assert_eq!(post["content"], "Excited to share our latest project!");
    let analysis = hub.get(&format!("/posts/{id}/analysis")).await.expect(200).json();
    assert_eq!(analysis["user_id"], "123");
    assert_eq!(analysis["word_count"], 6);
    assert_eq!(analysis["average_word_length"], 5.0);
    let posts = hub.get("/users/123/posts").after(&posted).wait(10).await.expect(200).json();
    assert_eq!(posts["items"][0]["id"], id.as_str());
}

/// A plain POST, then GET, works without a token: what is absent is looked for again for a moment.
#[tokio::test]
async fn whatever_was_just_posted_is_found_without_a_token() {
    let hub = hub().await;
    for _ in 0..20 {
        let post = serde_json::json!({"id": unique("plain"), "user_id": unique("user"), "content": "At once"});
        let posted = hub.post("/posts", &post).await.expect(202);
        let id = posted.string("id");
        for part in ["", "/analysis", "/likes", "/events"] {
            hub.get(&format!("/posts/{id}{part}")).await.expect(200);
        }
        assert_eq!(read_post(&hub, &id, &posted).await["content"], "At once");
    }
}
