//! What a body, a path or a query may not be, each with an error that says what is wrong and what is allowed.

use hubbub_testkit::{
    answer::ProblemDocument,
    client::{API, Call, Client},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{hub, system::IS_FLEET, unique, written};

const JSON: &str = "application/json";

fn create(hub: &Client, body: impl Into<Vec<u8>>) -> Call {
    hub.ingest(Method::POST, &format!("{API}/posts")).body(JSON, body.into())
}

async fn refused_value(hub: &Client, body: &Value, field: &str) -> ProblemDocument {
    let answer = create(hub, body.to_string()).await;
    let problem = answer.problem(422, "validation-failed");
    problem.blames(field).says(&[field]);
    problem
}

#[tokio::test]
async fn what_is_not_json_is_malformed() {
    let hub = hub().await;
    for body in [
        "",
        "   ",
        "{",
        "{\"content\":}",
        "{\"content\": \"x\"",
        "{\"content\": \"x\",}",
        "{'content': 'x'}",
        "{\"content\": \"x\"} trailing",
        "{\"content\": \"x\"}{\"content\": \"x\"}",
        "{\"content\": \"line\nbreak\"}",
        "{\"content\": \"\\x\"}",
        "{\"content\": \"\\ud800\"}",
        "{\"content\": NaN}",
        "\u{feff}{\"content\": \"x\"}",
        "content=x",
        &format!("{{\"content\": {}", "[".repeat(100_000)),
    ] {
        create(&hub, body).await.problem(400, "malformed-json");
    }
    let problem = create(&hub, "{\n  \"content\": oops}").await.problem(400, "malformed-json").0;
    assert_eq!((&problem["line"], &problem["column"]), (&json!(2), &json!(14)), "{problem}");
}

#[tokio::test]
async fn text_is_utf8() {
    let hub = hub().await;
    for bytes in [&b"\xff"[..], b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"] {
        let body = [b"{\"content\": \"", bytes, b"\"}"].concat();
        let problem = create(&hub, body).await.problem(400, "malformed-json");
        problem.says(&["UTF-8", "13"]);
        assert_eq!(problem.0["offset"], 13);
    }
    // Neither is UTF-16, whatever its mark says.
    let utf16: Vec<u8> = "{\"content\":\"x\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    create(&hub, utf16).await.problem(400, "malformed-json");
}

#[tokio::test]
async fn a_post_is_an_object() {
    let hub = hub().await;
    for body in ["[]", "\"content\"", "5", "null", "true", "[null, null, \"content\", null]"] {
        let problem = create(&hub, body).await.problem(422, "validation-failed");
        problem.blames("body");
    }
}

#[tokio::test]
async fn content_is_a_string_with_something_in_it() {
    let hub = hub().await;
    refused_value(&hub, &json!({}), "content").await.says(&["missing"]);
    refused_value(&hub, &json!({"content": ""}), "content").await.says(&["empty", "65536"]);
    refused_value(&hub, &json!({"content": "nul\0nul"}), "content").await.says(&["NUL", "3"]);
    for (value, named) in
        [(json!(5), "5"), (json!(true), "true"), (json!(1.5), "1.5"), (json!(null), "null")]
    {
        let problem = refused_value(&hub, &json!({"content": value}), "content").await;
        problem.says(&[named, "string"]);
    }
    for value in [json!(["x"]), json!({"text": "x"})] {
        refused_value(&hub, &json!({"content": value}), "content").await.says(&["string"]);
    }
}

#[tokio::test]
async fn content_ends_at_65536_bytes() {
    let hub = hub().await;
    for content in ["x".repeat(65_537), "é".repeat(32_769), "\0".repeat(65_537)] {
        let problem =
            create(&hub, json!({"content": content}).to_string()).await.problem(413, "too-large");
        problem.says(&["content", &content.len().to_string(), "65536"]);
        assert_eq!(problem.0["limit"], 65_536);
        let user = unique("user");
        let post = written(&hub, json!({"user_id": user, "content": "x"})).await;
        let edit = json!({"user_id": user, "content": content});
        hub.patch(&format!("/posts/{}", post.id), &edit).await.problem(413, "too-large");
    }
}

#[tokio::test]
async fn a_body_ends_at_512_kib() {
    let hub = hub().await;
    let post = json!({"content": "x"}).to_string();
    let largest = format!("{post}{}", " ".repeat(512 * 1024 - post.len()));
    create(&hub, largest.clone()).await.expect(202);
    let problem = create(&hub, format!("{largest} ")).await.problem(413, "too-large");
    problem.says(&["524288"]);
    assert_eq!(problem.0["limit"], 524_288);
    let edit =
        hub.ingest(Method::PATCH, &format!("{API}/posts/x")).body(JSON, format!("{largest} "));
    edit.await.problem(413, "too-large");
}

#[tokio::test]
async fn an_unknown_field_is_refused_by_name() {
    let hub = hub().await;
    for field in ["contents", "Content", "version", "like_count", ""] {
        let mut post = json!({"content": "x"});
        post[field] = json!(1);
        let problem = create(&hub, post.to_string()).await.problem(422, "unknown-field");
        problem.blames(field).says(&[field, "id", "user_id", "content", "hashtags"]);
    }
    for field in ["id", "version", "contents"] {
        let mut edit = json!({"content": "x"});
        edit[field] = json!("1");
        let problem = hub.patch("/posts/x", &edit).await.problem(422, "unknown-field");
        problem.blames(field).says(&[field, "user_id", "content", "hashtags"]);
    }
    let twice = create(&hub, "{\"content\": \"x\", \"content\": \"y\"}").await;
    twice.problem(422, "validation-failed").blames("content").says(&["duplicate"]);
}

#[tokio::test]
async fn ids_are_of_few_characters_and_some_are_reserved() {
    let hub = hub().await;
    let too_long = "x".repeat(129);
    let derived = format!("~{}", "A".repeat(43));
    for field in ["id", "user_id"] {
        for (value, named) in [
            ("", "empty"),
            ("a b", "a b"),
            ("a/b", "a/b"),
            ("é", "é"),
            ("a\0", "\\0"),
            ("a\n", "\\n"),
            ("a?b", "a?b"),
            ("a%20b", "a%20b"),
            (&too_long, "129"),
            (&derived, "~"),
        ] {
            let post = json!({"content": "x", field: value});
            refused_value(&hub, &post, field).await.says(&[named, "1 to 128", "A–Z"]);
        }
        for reserved in [".", "..", "batch"] {
            let post = json!({"content": "x", field: reserved});
            refused_value(&hub, &post, field).await.says(&[reserved, "reserved"]);
        }
        for value in [json!(5), json!(["x"]), json!({}), json!(true)] {
            let post = json!({"content": "x", field: value});
            refused_value(&hub, &post, field).await.says(&["string"]);
        }
    }
}

#[tokio::test]
async fn ids_in_paths_and_queries_are_checked_alike() {
    let hub = hub().await;
    let too_long = "x".repeat(129);
    let ids = ["a%20b", "%C3%A9", "a%2Fb", "a%00", "~short", "a%3F", &too_long];
    // What nginx itself does not take for a path stops there.
    for id in ids.into_iter().filter(|id| !(IS_FLEET && id.ends_with("%00"))) {
        for call in [
            hub.get(&format!("/posts/{id}")),
            hub.get(&format!("/posts/{id}/analysis")),
            hub.get(&format!("/posts/{id}/likes")),
            hub.get(&format!("/posts/{id}/events")),
            hub.get(&format!("/users/{id}/posts")),
            hub.get(&format!("/users/{id}/analysis")),
            hub.patch(&format!("/posts/{id}"), &json!({"content": "x"})),
            hub.delete(&format!("/posts/{id}")),
            hub.put(&format!("/posts/{id}/likes/u")),
            hub.delete(&format!("/posts/{id}/likes/u")),
        ] {
            let problem = call.await.problem(422, "validation-failed");
            problem.blames("id").says(&["1 to 128"]);
        }
        for call in [
            hub.put(&format!("/posts/x/likes/{id}")),
            hub.delete(&format!("/posts/x/likes/{id}")),
            hub.delete(&format!("/posts/x?user_id={id}")),
        ] {
            call.await.problem(422, "validation-failed").blames("user_id").says(&["1 to 128"]);
        }
    }
    for call in [
        hub.get("/posts/%FF"),
        hub.get("/users/a%C3/posts"),
        hub.put("/posts/x/likes/%FF"),
        hub.delete("/posts/%FF"),
        hub.delete("/posts/x?user_id=%FF"),
    ] {
        call.await.problem(400, "malformed-request").says(&["UTF-8"]);
    }
}

#[tokio::test]
async fn hashtags_are_a_list_of_strings_that_can_be_tags() {
    let hub = hub().await;
    for (hashtags, field) in [
        (json!("tag"), "hashtags"),
        (json!({"a": 1}), "hashtags"),
        (json!(5), "hashtags"),
        (json!([1]), "hashtags[0]"),
        (json!(["a", null]), "hashtags[1]"),
        (json!(["a", ["b"]]), "hashtags[1]"),
    ] {
        refused_value(&hub, &json!({"content": "x", "hashtags": hashtags}), field).await;
        let edit = hub.patch("/posts/x", &json!({"hashtags": hashtags})).await;
        edit.problem(422, "validation-failed").blames(field);
    }
    let too_long = "x".repeat(101);
    for (tag, named) in [
        ("", "at least one"),
        ("#", "at least one"),
        ("##a", "'#'"),
        ("two words", "' '"),
        ("a-b", "'-'"),
        ("a\0", "'\\0'"),
        ("2026", "digits"),
        ("\u{301}a", "mark"),
        (&too_long, "100"),
        (&format!("#{too_long}"), "100"),
        // Folded it is longer.
        (&"ß".repeat(51), "100"),
    ] {
        let post = json!({"content": "x", "hashtags": ["good", tag]});
        refused_value(&hub, &post, "hashtags[1]").await.says(&[named]);
    }
    let many: Vec<_> = (0..31).map(|n| format!("tag{n}")).collect();
    let problem =
        refused_value(&hub, &json!({"content": "x", "hashtags": many}), "hashtags[30]").await;
    problem.says(&["tag30", "30"]);
    // A repeat is not one more.
    let repeated: Vec<_> = (0..60).map(|n| format!("tag{}", n % 30)).collect();
    create(&hub, json!({"content": "x", "hashtags": repeated}).to_string()).await.expect(202);
}

#[tokio::test]
async fn an_edit_names_what_it_changes() {
    let hub = hub().await;
    for edit in [json!({}), json!({"user_id": "u"}), json!({"content": null, "hashtags": null})] {
        let problem = hub.patch("/posts/x", &edit).await.problem(422, "validation-failed");
        problem.says(&["content", "hashtags"]);
    }
    for edit in [json!({"content": ""}), json!({"content": "a\0"}), json!({"content": 5})] {
        let problem = hub.patch("/posts/x", &edit).await.problem(422, "validation-failed");
        problem.blames("content");
    }
    for body in ["", "{", "[1,"] {
        let call = hub.ingest(Method::PATCH, &format!("{API}/posts/x")).body(JSON, body);
        call.await.problem(400, "malformed-json");
    }
    for body in ["[]", "null", "\"x\""] {
        let call = hub.ingest(Method::PATCH, &format!("{API}/posts/x")).body(JSON, body);
        call.await.problem(422, "validation-failed").blames("body");
    }
}

#[tokio::test]
async fn if_match_is_one_version_in_quotes() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "x"})).await;
    let path = format!("/posts/{}", post.id);
    let edit = json!({"content": "y"});
    for tag in [
        "1",
        "*",
        "W/\"1\"",
        "\"\"",
        "\"a\"",
        "\"1",
        "\"-1\"",
        "\"0\"",
        "\"01\"",
        "\"1\", \"2\"",
        "\"9999999999999999999\"",
    ] {
        let refused = hub.patch(&path, &edit).if_match(tag).await;
        refused.problem(400, "invalid-if-match").says(&["If-Match", "version"]);
    }
    let twice = hub.patch(&path, &edit).if_match("\"1\"").if_match("\"1\"").await;
    // nginx itself does not take a field twice that may stand once.
    twice.problem(400, if IS_FLEET { "malformed-request" } else { "invalid-if-match" });
    let read = hub.get(&path).after(&post.answer).wait(10).await.expect(200).json();
    assert_eq!(read["version"], 1, "a refused edit was appended");
}

#[tokio::test]
async fn a_body_is_json_and_says_so() {
    let hub = hub().await;
    let body = r#"{"content": "x"}"#;
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/x-ndjson",
        "application/jsonx",
        "application/json; charset=iso-8859-1",
        "json",
    ] {
        for target in [format!("{API}/posts"), format!("{API}/posts/x")] {
            let method = if target.ends_with('x') { Method::PATCH } else { Method::POST };
            let refused = hub.ingest(method, &target).body(media_type, body).await;
            let named = media_type.split("charset=").last().unwrap_or_default();
            refused.problem(415, "unsupported-media-type").says(&[named, JSON]);
            assert_eq!(refused.header("accept"), Some(JSON));
        }
    }
    for media_type in ["application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""] {
        hub.ingest(Method::POST, &format!("{API}/posts")).body(media_type, body).await.expect(202);
    }
    let untyped = hub.ingest(Method::POST, &format!("{API}/posts")).untyped_body(body);
    untyped.await.problem(415, "unsupported-media-type").says(&["Content-Type", JSON]);
    for coding in ["gzip", "br", "deflate"] {
        let coded = create(&hub, body).header("content-encoding", coding).await;
        coded.problem(415, "unsupported-media-type").says(&[coding]);
        assert_eq!(coded.header("accept-encoding"), Some("identity"));
    }
}

#[tokio::test]
async fn an_unknown_query_parameter_is_refused_by_name() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "x"})).await;
    let (path, receipt) = (format!("/posts/{}", post.id), post.answer.string("receipt"));
    let edit = json!({"content": "y"});
    for call in [
        hub.post("/posts?colour=red", &edit),
        hub.post("/posts/batch?colour=red", &json!([edit])),
        hub.patch(&format!("{path}?colour=red"), &edit),
        hub.delete(&format!("{path}?colour=red")),
        hub.put(&format!("{path}/likes/u?colour=red")),
        hub.delete(&format!("{path}/likes/u?colour=red")),
        hub.get(&format!("{path}?colour=red")),
        hub.get(&format!("{path}/analysis?colour=red")),
        hub.get(&format!("{path}/likes?colour=red")),
        hub.get(&format!("{path}/events?limit=5&colour=red")),
        hub.get("/users/u/posts?colour=red"),
        hub.get("/users/u/analysis?colour=red"),
        hub.get(&format!("/receipts/{receipt}?colour=red")),
    ] {
        let problem = call.await.problem(400, "malformed-request");
        problem.blames("colour").says(&["colour"]);
    }
    // Who acts stands in the body, where there is one.
    let refused = hub.patch(&format!("{path}?user_id=u"), &edit).await;
    refused.problem(400, "malformed-request").blames("user_id");
    let refused = hub.delete(&format!("{path}?user_id=u&user_id=v")).await;
    refused.problem(400, "malformed-request").blames("user_id");
}
