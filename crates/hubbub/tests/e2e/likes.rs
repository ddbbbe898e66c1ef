//! `PUT` and `DELETE /posts/{id}/likes/{user_id}`: a like is a fact, however often it is said.

use serde_json::{Value, json};

use crate::{hub, read_post, unique, written};

#[tokio::test]
async fn a_like_counts_once_and_is_taken_back_once() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "Like me"})).await;
    let (likes, user) = (format!("/posts/{}/likes", post.id), unique("user"));
    let like = format!("{likes}/{user}");

    // Not found, it takes nothing away.
    let nothing = hub.delete(&like).wait(10).await.expect(204);
    assert_eq!(read_post(&hub, &post.id, &nothing).await["like_count"], 0);
    for _ in 0..2 {
        let liked = hub.put(&like).wait(10).await.expect(204);
        assert_eq!(liked.header("preference-applied"), Some("wait=10"));
        let read = read_post(&hub, &post.id, &liked).await;
        assert_eq!((&read["like_count"], &read["version"]), (&json!(1), &json!(1)));
        let page = hub.get(&likes).after(&liked).wait(10).await.expect(200).json();
        assert_eq!(page, json!({"items": [{"user_id": user}]}));
    }
    for _ in 0..2 {
        let unliked = hub.delete(&like).wait(10).await.expect(204);
        assert_eq!(read_post(&hub, &post.id, &unliked).await["like_count"], 0);
        let page = hub.get(&likes).after(&unliked).wait(10).await.expect(200).json();
        assert_eq!(page, json!({"items": []}));
    }
    let again = hub.put(&like).await.expect(202);
    assert_eq!(
        (again.string("id"), again.string("status")),
        (post.id.clone(), "accepted".to_owned())
    );
    assert_eq!(again.header("preference-applied"), None);
    assert_eq!(read_post(&hub, &post.id, &again).await["like_count"], 1);
}

#[tokio::test]
async fn likes_of_many_at_once_add_up() {
    let hub = hub().await;
    let author = unique("user");
    let post = written(&hub, json!({"user_id": author, "content": "Popular"})).await;
    let path = format!("/posts/{}", post.id);
    let likes =
        (0..50).map(|n| hub.put(&format!("{path}/likes/fan-{:02}", n % 25)).wait(10).into_future());
    let answers = futures::future::join_all(likes).await;
    assert!(answers.iter().all(|answer| answer.status == 204));
    let tokens: Vec<_> = answers.iter().map(|answer| answer.token()).collect();

    let call = hub.get(&path).header("consistency-token", tokens.join(","));
    assert_eq!(call.await.expect(200).json()["like_count"], 25);
    let own = hub.put(&format!("{path}/likes/{author}")).wait(10).await.expect(204);
    assert_eq!(read_post(&hub, &post.id, &own).await["like_count"], 26);
}

#[tokio::test]
async fn there_is_nothing_to_like_where_no_post_is() {
    let hub = hub().await;
    let path = format!("/posts/{}/likes/{}", unique("never"), unique("user"));
    hub.put(&path).wait(10).await.problem(404, "post-not-found");
    hub.delete(&path).wait(10).await.problem(404, "post-not-found");
    hub.put(&path).await.expect(202);
}

#[tokio::test]
async fn the_paths_user_acts_and_no_other() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "Whose like"})).await;
    let path = format!("/posts/{}/likes/{}", post.id, unique("user"));
    for call in
        [hub.put(&format!("{path}?user_id=other")), hub.delete(&format!("{path}?user_id=other"))]
    {
        call.await.problem(400, "malformed-request").blames("user_id");
    }
    hub.put(&path).json(&Value::Null).await.problem(400, "malformed-request");
}
