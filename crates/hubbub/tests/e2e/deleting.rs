//! `DELETE /posts/{id}`: a deleted post is gone for good.

use serde_json::json;

use crate::{hub, read_post, unique, written};

#[tokio::test]
async fn a_deleted_post_is_gone_everywhere() {
    let hub = hub().await;
    let user = unique("user");
    let kept = written(&hub, json!({"user_id": user, "content": "this one stays"})).await;
    let post = written(&hub, json!({"user_id": user, "content": "gone"})).await;
    let path = format!("/posts/{}", post.id);
    hub.put(&format!("{path}/likes/{user}")).wait(10).await.expect(204);

    let deleted = hub.delete(&format!("{path}?user_id={user}")).wait(10).await.expect(204);
    assert_eq!(deleted.header("preference-applied"), Some("wait=10"));
    for part in ["", "/analysis", "/likes", "/events"] {
        let gone = hub.get(&format!("{path}{part}")).after(&deleted).wait(10).await;
        gone.problem(410, "post-deleted").says(&[&post.id]);
        assert!(!gone.token().is_empty());
    }
    let posts =
        hub.get(&format!("/users/{user}/posts")).after(&deleted).wait(10).await.expect(200).json();
    assert_eq!(posts["items"].as_array().unwrap().len(), 1);
    assert_eq!(posts["items"][0]["id"], kept.id.as_str());
    let totals = hub
        .get(&format!("/users/{user}/analysis"))
        .after(&deleted)
        .wait(10)
        .await
        .expect(200)
        .json();
    assert_eq!((&totals["post_count"], &totals["word_count"]), (&json!(1), &json!(3)));

    let (query, edit) =
        (format!("{path}?user_id={user}"), json!({"user_id": user, "content": "x"}));
    hub.delete(&query).wait(10).await.problem(410, "post-deleted");
    hub.patch(&path, &edit).wait(10).await.problem(410, "post-deleted");
    hub.patch(&path, &edit).if_match("\"1\"").wait(10).await.problem(410, "post-deleted");
    hub.put(&format!("{path}/likes/{user}")).wait(10).await.problem(410, "post-deleted");
    hub.delete(&format!("{path}/likes/{user}")).wait(10).await.problem(410, "post-deleted");
    // Not even the same create brings it back.
    let create = json!({"id": post.id, "user_id": user, "content": "gone"});
    let last = hub.post("/posts", &create).wait(10).await;
    last.problem(409, "id-taken");
    hub.get(&path).after(&last).wait(10).await.problem(410, "post-deleted");
}

#[tokio::test]
async fn only_the_author_deletes() {
    let hub = hub().await;
    let user = unique("user");
    let post = written(&hub, json!({"user_id": user, "content": "Mine"})).await;
    let path = format!("/posts/{}", post.id);
    hub.delete(&path).wait(10).await.problem(403, "not-the-author");
    let someone = unique("user");
    hub.delete(&format!("{path}?user_id={someone}")).wait(10).await.problem(403, "not-the-author");

    let unwaited = hub.delete(&format!("{path}?user_id={someone}")).await.expect(202);
    assert_eq!(
        (unwaited.string("id"), unwaited.string("status")),
        (post.id.clone(), "accepted".to_owned())
    );
    assert_eq!(read_post(&hub, &post.id, &unwaited).await["content"], "Mine");
}

#[tokio::test]
async fn nobodys_post_is_deleted_by_a_request_without_a_user_alone() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "Nobody's"})).await;
    let path = format!("/posts/{}", post.id);
    let someone = unique("user");
    hub.delete(&format!("{path}?user_id={someone}")).wait(10).await.problem(403, "not-the-author");
    hub.delete(&path).wait(10).await.expect(204);
}

#[tokio::test]
async fn what_never_was_cannot_be_deleted() {
    let hub = hub().await;
    let path = format!("/posts/{}", unique("never"));
    let missing = hub.delete(&path).wait(10).await;
    missing.problem(404, "post-not-found");
    // A delete of what is created later does not reach forward.
    let create = json!({"id": path.trim_start_matches("/posts/"), "content": "Later"});
    let posted = hub.post("/posts", &create).wait(10).await.expect(201);
    assert_eq!(read_post(&hub, &posted.string("id"), &posted).await["content"], "Later");
}
