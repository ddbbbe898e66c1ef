//! Edits, deletes and likes: as what they lie in the log, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use hubbub_events::{Action, Id};
use support::{Answer, Harness};

#[track_caller]
fn assert_accepted(hub: &Harness, answer: &Answer, post_id: &str) {
    assert_eq!(answer.status, 202, "{}", answer.text);
    let (_, _, event) = hub.only();
    let body = answer.body();
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    assert_eq!((&body["id"], &body["status"]), (&post_id.into(), &"accepted".into()));
    assert_eq!(body["event_id"], event.event_id);
    assert!(answer.header("consistency-token").is_some());
    assert_eq!(answer.header("location"), None);
}

#[tokio::test]
async fn an_edit_says_what_it_changes() {
    let tags = |tags: &[&str]| Some(tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>());
    for (headers, body, user_id, content, hashtags, expected_version) in [
        (&[][..], r#"{"content":"new"}"#, "", Some("new"), None, None),
        (
            &[("if-match", "\"3\"")][..],
            r#"{"user_id":"u","content":"new"}"#,
            "u",
            Some("new"),
            None,
            Some(3),
        ),
        (&[][..], r##"{"user_id":"u","hashtags":["#A"]}"##, "u", None, tags(&["a"]), None),
        (&[][..], r#"{"hashtags":[],"content":null}"#, "", None, tags(&[]), None),
    ] {
        let hub = Harness::new();
        let answer = hub.json_with("PATCH", "/posts/p", headers, body).await;
        assert_accepted(&hub, &answer, "p");
        let (_, _, event) = hub.only();
        let content = content.map(str::to_owned);
        assert_eq!(event.action, Action::Edited { content, hashtags, expected_version });
        assert_eq!((event.user_id.as_str(), event.post_id.as_str()), (user_id, "p"));
    }
}

#[tokio::test]
async fn an_edit_that_is_not_allowed_is_refused_by_name() {
    let hub = Harness::new();
    let long = format!(r#"{{"content":"{}"}}"#, "x".repeat(65_537));
    let cases: [(&str, &str, u16, &str, &[&str]); 11] = [
        ("/posts/p", "{", 400, "malformed-json", &[]),
        ("/posts/p", "{}", 422, "validation-failed", &["content", "hashtags"]),
        ("/posts/p", r#"{"user_id":"u"}"#, 422, "validation-failed", &["content", "hashtags"]),
        ("/posts/p", r#"["u","x",null]"#, 422, "validation-failed", &["sequence"]),
        ("/posts/p", r#"{"content":""}"#, 422, "validation-failed", &["content", "empty"]),
        ("/posts/p", r#"{"content":"x","id":"q"}"#, 422, "unknown-field", &["id"]),
        ("/posts/p", r#"{"hashtags":["a b"]}"#, 422, "validation-failed", &["hashtags[0]"]),
        ("/posts/p", r#"{"content":"x","user_id":""}"#, 422, "validation-failed", &["user_id"]),
        ("/posts/a%20b", r#"{"content":"x"}"#, 422, "validation-failed", &["id", "a b"]),
        ("/posts/p?user_id=u", r#"{"content":"x"}"#, 400, "malformed-request", &["user_id"]),
        ("/posts/p", &long, 413, "too-large", &["65537"]),
    ];
    for (target, body, status, slug, says) in cases {
        hub.json("PATCH", target, body).await.is_problem(status, slug, says);
    }
    hub.send("PATCH", "/posts/p", &[], "{}").await.is_problem(415, "unsupported-media-type", &[]);
    assert_eq!(hub.appended(), []);
}

#[tokio::test]
async fn if_match_is_one_quoted_version() {
    let hub = Harness::new();
    for field in [
        "3",
        "*",
        "W/\"3\"",
        "\"3\", \"4\"",
        "\"0\"",
        "\"-1\"",
        "\"+3\"",
        "\"03\"",
        "\"x\"",
        "\"\"",
        "",
    ] {
        let answer =
            hub.json_with("PATCH", "/posts/p", &[("if-match", field)], r#"{"content":"x"}"#).await;
        answer.is_problem(400, "invalid-if-match", &["double quotes"]);
    }
    let twice = [("if-match", "\"1\""), ("if-match", "\"1\"")];
    let answer = hub.json_with("PATCH", "/posts/p", &twice, r#"{"content":"x"}"#).await;
    answer.is_problem(400, "invalid-if-match", &[]);
    // A delete of one version alone is not offered, and must not be taken for one.
    let answer = hub.send("DELETE", "/posts/p", &[("if-match", "\"1\"")], "").await;
    answer.is_problem(400, "invalid-if-match", &["edit"]);
    assert_eq!(hub.appended(), []);
}

#[tokio::test]
async fn a_delete_is_the_querys_users() {
    for (target, user_id) in
        [("/posts/p", ""), ("/posts/p?user_id=u", "u"), ("/posts/p/?user_id=a%3Ab", "a:b")]
    {
        let hub = Harness::new();
        let answer = hub.send("DELETE", target, &[], "").await;
        assert_accepted(&hub, &answer, "p");
        let (_, record, event) = hub.only();
        assert_eq!((event.action, event.user_id.as_str()), (Action::Deleted, user_id));
        assert!(
            record
                .headers
                .iter()
                .any(|(name, value)| name == "ce_type" && value == "hubbub.v1.PostDeleted")
        );
    }
}

#[tokio::test]
async fn a_like_is_the_paths_users() {
    for (method, action) in [("PUT", Action::Liked), ("DELETE", Action::Unliked)] {
        let hub = Harness::new();
        let answer = hub.send(method, "/posts/p/likes/u", &[], "").await;
        assert_accepted(&hub, &answer, "p");
        let (_, _, event) = hub.only();
        assert_eq!((event.action, event.user_id.as_str()), (action, "u"));
    }
}

#[tokio::test]
async fn paths_take_derived_ids_of_posts_and_only_clients_ids_of_users() {
    let id = Id::derived("u", "k", None);
    for (method, target) in [
        ("DELETE", format!("/posts/{id}")),
        ("PUT", format!("/posts/{id}/likes/u")),
        ("DELETE", format!("/posts/{id}/likes/u")),
    ] {
        let hub = Harness::new();
        let answer = hub.send(method, &target, &[], "").await;
        assert_accepted(&hub, &answer, id.as_str());
    }
    let hub = Harness::new();
    let answer = hub.send("PUT", &format!("/posts/p/likes/{id}"), &[], "").await;
    answer.is_problem(422, "validation-failed", &["user_id", "~"]);
    assert_eq!(hub.appended(), []);
}

#[tokio::test]
async fn deletes_and_likes_take_no_more_than_they_say() {
    let hub = Harness::new();
    let long = format!("/posts/{}", "x".repeat(129));
    type Case<'a> = (&'a str, &'a str, &'a str, u16, &'a str, &'a [&'a str]);
    let cases: [Case<'_>; 11] = [
        ("DELETE", "/posts/p?user=u", "", 400, "malformed-request", &["user"]),
        ("DELETE", "/posts/p?user_id=u&user_id=v", "", 400, "malformed-request", &["user_id"]),
        ("DELETE", "/posts/p?user_id=", "", 422, "validation-failed", &["user_id", "empty"]),
        ("DELETE", "/posts/p?user_id=a%20b", "", 422, "validation-failed", &["user_id", "a b"]),
        ("DELETE", "/posts/p", r#"{"user_id":"u"}"#, 400, "malformed-request", &["body"]),
        ("DELETE", &long, "", 422, "validation-failed", &["id", "129"]),
        ("PUT", "/posts/p/likes/u?user_id=u", "", 400, "malformed-request", &["user_id"]),
        ("DELETE", "/posts/p/likes/u?user_id=u", "", 400, "malformed-request", &["user_id"]),
        ("PUT", "/posts/p/likes/u", "{}", 400, "malformed-request", &["body"]),
        ("PUT", "/posts/p/likes/a%2Fb", "", 422, "validation-failed", &["user_id", "a/b"]),
        ("PUT", "/posts/%ff/likes/u", "", 400, "malformed-request", &["id"]),
    ];
    for (method, target, body, status, slug, says) in cases {
        hub.send(method, target, &[], body).await.is_problem(status, slug, says);
    }
    assert_eq!(hub.appended(), []);
}
