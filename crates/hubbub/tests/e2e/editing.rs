//! `PATCH /posts/{id}`, with and without `If-Match`.

use serde_json::{Value, json};

use crate::{hub, read_post, time, unique, written};

#[tokio::test]
async fn an_edit_changes_what_it_names_and_moves_the_version() {
    let hub = hub().await;
    let user = unique("user");
    let post = json!({"user_id": user, "content": "One #text", "hashtags": ["field"]});
    let post = written(&hub, post).await;
    let path = format!("/posts/{}", post.id);

    let edited = hub.patch(&path, &json!({"user_id": user, "content": "Two words"})).wait(10).await;
    let edited = edited.expect(200);
    assert_eq!(edited.header("preference-applied"), Some("wait=10"));
    assert_eq!(edited.header("location"), None);
    assert_eq!(
        (edited.string("id"), edited.string("status")),
        (post.id.clone(), "applied".to_owned())
    );
    let read = hub.get(&path).after(&edited).wait(10).await.expect(200);
    assert_eq!(read.header("etag"), Some("\"2\""));
    let read = read.json();
    assert_eq!((&read["content"], &read["hashtags"]), (&json!("Two words"), &json!(["field"])));
    assert_eq!((&read["version"], &read["user_id"]), (&json!(2), &json!(user)));
    assert!(time(&read["edited_at"]) >= time(&read["created_at"]));

    let tags = json!({"user_id": user, "hashtags": ["Other"]});
    let edited = hub.patch(&path, &tags).await.expect(202);
    assert_eq!(edited.string("status"), "accepted");
    assert_eq!(edited.header("preference-applied"), None);
    let read = read_post(&hub, &post.id, &edited).await;
    assert_eq!((&read["content"], &read["hashtags"]), (&json!("Two words"), &json!(["other"])));
    assert_eq!(read["version"], 3);

    let none = json!({"user_id": user, "content": "No tags", "hashtags": []});
    let edited = hub.patch(&path, &none).wait(10).await.expect(200);
    assert_eq!(read_post(&hub, &post.id, &edited).await["hashtags"], json!([]));
}

#[tokio::test]
async fn an_edit_of_the_version_that_was_read_is_applied_once() {
    let hub = hub().await;
    let user = unique("user");
    let post = written(&hub, json!({"user_id": user, "content": "v1"})).await;
    let path = format!("/posts/{}", post.id);
    let read = hub.get(&path).after(&post.answer).wait(10).await.expect(200);
    let etag = read.header("etag").unwrap();

    let edit = json!({"user_id": user, "content": "v2"});
    let edited = hub.patch(&path, &edit).if_match(etag).wait(10).await.expect(200);
    let refused = hub.patch(&path, &edit).if_match(etag).wait(10).await;
    refused.problem(412, "version-moved");
    assert_eq!(refused.header("preference-applied"), Some("wait=10"));
    hub.patch(&path, &edit).if_match("\"7\"").wait(10).await.problem(412, "version-moved");

    // Not waited for, it is only recorded.
    let late = hub.patch(&path, &edit).if_match(etag).await.expect(202);
    let read = read_post(&hub, &post.id, &late).await;
    assert_eq!((&read["version"], &read["content"]), (&json!(2), &json!("v2")));
    assert_eq!(read, read_post(&hub, &post.id, &edited).await);
}

#[tokio::test]
async fn of_edits_of_one_version_exactly_one_is_applied() {
    let hub = hub().await;
    let user = unique("user");
    let post = written(&hub, json!({"user_id": user, "content": "start"})).await;
    let path = format!("/posts/{}", post.id);
    let edits = (0..8).map(|n| {
        let edit = json!({"user_id": user, "content": format!("by {n}")});
        hub.patch(&path, &edit).if_match("\"1\"").wait(10).into_future()
    });
    let mut answers = futures::future::join_all(edits).await;
    answers.sort_by_key(|answer| answer.status);
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 412, 412, 412, 412, 412, 412, 412]);
    assert_eq!(read_post(&hub, &post.id, &answers[7]).await["version"], 2);
}

#[tokio::test]
async fn only_the_author_edits() {
    let hub = hub().await;
    let user = unique("user");
    let post = written(&hub, json!({"user_id": user, "content": "Mine"})).await;
    for someone in [json!(unique("user")), Value::Null] {
        let edit = json!({"user_id": someone, "content": "Yours"});
        let refused = hub.patch(&format!("/posts/{}", post.id), &edit).wait(10).await;
        refused.problem(403, "not-the-author");
        assert_eq!(read_post(&hub, &post.id, &refused).await["content"], "Mine");
    }
}

#[tokio::test]
async fn nobodys_post_is_edited_by_a_request_without_a_user_alone() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "Nobody's"})).await;
    let path = format!("/posts/{}", post.id);
    let edit = json!({"user_id": unique("user"), "content": "Mine"});
    hub.patch(&path, &edit).wait(10).await.problem(403, "not-the-author");
    let edited = hub.patch(&path, &json!({"content": "Still nobody's"})).wait(10).await.expect(200);
    let read = read_post(&hub, &post.id, &edited).await;
    assert_eq!((&read["content"], &read["user_id"]), (&json!("Still nobody's"), &Value::Null));
}

#[tokio::test]
async fn what_never_was_cannot_be_edited() {
    let hub = hub().await;
    let path = format!("/posts/{}", unique("never"));
    hub.patch(&path, &json!({"content": "x"})).wait(10).await.problem(404, "post-not-found");
    hub.patch(&path, &json!({"content": "x"})).if_match("\"1\"").await.expect(202);
}
