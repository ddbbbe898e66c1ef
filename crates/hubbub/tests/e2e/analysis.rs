//! The numbers of a post and of its author.

use serde_json::{Value, json};

use crate::{hub, unique, written};

#[tokio::test]
async fn words_are_counted_by_unicodes_rules() {
    let hub = hub().await;
    let long = "x".repeat(65_536);
    for (content, words, chars) in [
        ("This is a sample post.", 5, 17),
        ("Excited to share our latest project!", 6, 30),
        ("can't 3.14 foo_bar", 3, 16),
        ("well-known e-mail", 4, 14),
        ("!!! ... ---", 0, 0),
        ("   ", 0, 0),
        ("🎉 🎊", 0, 0),
        ("Zażółć gęślą jaźń", 3, 15),
        // The same text, composed and decomposed.
        ("caf\u{e9}", 1, 4),
        ("cafe\u{301}", 1, 4),
        ("日本語", 3, 3),
        ("Привет, мир", 2, 9),
        ("#rust is @home", 3, 10),
        (&long, 1, 65_536),
    ] {
        let post = written(&hub, json!({"content": content})).await;
        let analysis =
            hub.get(&format!("/posts/{}/analysis", post.id)).after(&post.answer).wait(10).await;
        let average = if words == 0 { 0.0 } else { f64::from(chars) / f64::from(words) };
        assert_eq!(
            analysis.expect(200).json(),
            json!({
                "post_id": post.id, "user_id": null, "word_count": words,
                "average_word_length": average, "analyzer": "uax29-nfc/1",
            }),
            "{}",
            content.chars().take(40).collect::<String>()
        );
    }
}

#[tokio::test]
async fn an_average_is_not_rounded() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "a bb cccc"})).await;
    let analysis = hub
        .get(&format!("/posts/{}/analysis", post.id))
        .after(&post.answer)
        .wait(10)
        .await
        .expect(200);
    assert_eq!(analysis.json()["average_word_length"], 7.0 / 3.0);
}

#[tokio::test]
async fn an_author_has_the_totals_of_all_live_posts() {
    let hub = hub().await;
    let user = unique("user");
    let path = format!("/users/{user}/analysis");
    let totals = |posts: u32, words: u32, chars: u32| {
        let average = if words == 0 { 0.0 } else { f64::from(chars) / f64::from(words) };
        json!({"user_id": user, "post_count": posts, "word_count": words, "average_word_length": average})
    };
    let mut ids = Vec::new();
    let mut last = None;
    for content in ["one", "two words", "three words here", "..."] {
        let post = written(&hub, json!({"user_id": user, "content": content})).await;
        ids.push(post.id);
        last = Some(post.answer);
    }
    let last = last.unwrap();
    assert_eq!(hub.get(&path).after(&last).wait(10).await.expect(200).json(), totals(4, 6, 25));

    let edit = json!({"user_id": user, "content": "now four words here"});
    let last = hub.patch(&format!("/posts/{}", ids[0]), &edit).await.expect(202);
    assert_eq!(hub.get(&path).after(&last).wait(10).await.expect(200).json(), totals(4, 9, 38));
    // Tags alone, a repeat, a like and what is rejected change no number.
    let last = hub
        .patch(&format!("/posts/{}", ids[1]), &json!({"user_id": user, "hashtags": ["x"]}))
        .await;
    hub.patch(&format!("/posts/{}", ids[1]), &json!({"user_id": "other", "content": "x y z"}))
        .await;
    hub.put(&format!("/posts/{}/likes/{user}", ids[1])).after(&last).wait(10).await.expect(204);
    let create = json!({"id": ids[2], "user_id": user, "content": "three words here"});
    let last = hub.post("/posts", &create).wait(10).await.expect(201);
    assert_eq!(hub.get(&path).after(&last).wait(10).await.expect(200).json(), totals(4, 9, 38));

    let mut last = last;
    for id in &ids {
        last = hub.delete(&format!("/posts/{id}?user_id={user}")).wait(10).await.expect(204);
    }
    assert_eq!(hub.get(&path).after(&last).wait(10).await.expect(200).json(), totals(0, 0, 0));
}

#[tokio::test]
async fn an_edit_without_content_keeps_the_numbers() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "three words here"})).await;
    let path = format!("/posts/{}", post.id);
    let edited = hub.patch(&path, &json!({"hashtags": ["tag"]})).await.expect(202);
    let analysis =
        hub.get(&format!("{path}/analysis")).after(&edited).wait(10).await.expect(200).json();
    assert_eq!(analysis["word_count"], 3);
    let edited = hub
        .patch(&path, &json!({"content": "two words", "hashtags": Value::Null}))
        .await
        .expect(202);
    let analysis =
        hub.get(&format!("{path}/analysis")).after(&edited).wait(10).await.expect(200).json();
    assert_eq!(
        (&analysis["word_count"], &analysis["average_word_length"]),
        (&json!(2), &json!(4.0))
    );
}
