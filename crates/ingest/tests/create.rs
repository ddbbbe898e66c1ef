//! `POST /posts`: what is accepted, as what it lies in the log, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test fails by a panic")]

mod support;

use hubbub_events::{Action, Timestamp, partition_of};
use hubbub_web::{ReceiptId, Token};
use support::{Harness, LOG, PARTITIONS};

fn created(content: &str, hashtags: &[&str]) -> Action {
    Action::Created {
        content: content.to_owned(),
        hashtags: hashtags.iter().map(|tag| (*tag).to_owned()).collect(),
    }
}

#[tokio::test]
async fn a_post_is_in_the_log_before_it_is_accepted() {
    let hub = Harness::new();
    let before = Timestamp::now();
    let answer = hub
        .json("POST", "/posts", r##"{"id": "123", "user_id": "u", "content": "Hi \"you\" é", "hashtags": ["#New", "new", "Straße"]}"##)
        .await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.header("location"), Some("/api/v1/posts/123"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("preference-applied"), None);

    let (at, record, event) = hub.only();
    assert_eq!(event.action, created("Hi \"you\" é", &["new", "strasse"]));
    assert_eq!((event.post_id.as_str(), event.user_id.as_str()), ("123", "u"));
    assert!((before..=Timestamp::now()).contains(&event.time));
    assert_eq!(record.time, event.time);
    assert_eq!(record.key, "123");
    assert_eq!(at.partition, partition_of(b"123", PARTITIONS));
    let headers: Vec<_> =
        record.headers.iter().map(|(name, value)| (&**name, &value[..])).collect();
    let expected: [(&str, &[u8]); 5] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event.event_id.as_bytes()),
        ("ce_type", b"hubbub.v1.PostCreated"),
        ("ce_source", b"/hubbub/ingest"),
        ("content-type", b"application/protobuf"),
    ];
    assert_eq!(headers, expected);

    let body = answer.body();
    assert_eq!(body.as_object().unwrap().len(), 4, "{body}");
    assert_eq!((&body["id"], &body["status"]), (&"123".into(), &"accepted".into()));
    assert_eq!(body["event_id"], event.event_id);
    let receipt = ReceiptId::open(body["receipt"].as_str().unwrap()).unwrap();
    assert_eq!((receipt.at, receipt.time, receipt.event_id), (at, event.time, event.event_id));
    assert_eq!(receipt.identity.0, LOG);
    let token = Token::open(answer.header("consistency-token").unwrap()).unwrap();
    assert_eq!((token.identity.0.as_str(), token.time), (LOG, event.time));
    assert_eq!(token.bounds.len(), 1);
    assert_eq!((token.bounds[0].at, &token.bounds[0].projection), (at, &None));
}

#[tokio::test]
async fn a_post_needs_content_alone_and_gets_an_id() {
    for body in
        [r#"{"content":"x"}"#, r#" {"content":"x","id":null,"user_id":null,"hashtags":null} "#]
    {
        let hub = Harness::new();
        let answer = hub.json("POST", "/posts/", body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        let (_, _, event) = hub.only();
        assert_eq!(event.user_id, "");
        assert_eq!(event.action, created("x", &[]));
        assert_eq!(event.post_id.len(), 36);
        assert_eq!(answer.body()["id"], event.post_id);
        assert_eq!(answer.header("location"), Some(&*format!("/api/v1/posts/{}", event.post_id)));
    }
}

#[tokio::test]
async fn what_is_at_a_limit_is_accepted() {
    let tags: Vec<String> = (0..30).map(|n| format!("{}{n:02}", "é".repeat(98))).collect();
    let content = format!("{}é", "x".repeat(65_534));
    for body in [
        format!(r#"{{"content":"{content}"}}"#),
        format!(r#"{{"content":"{}"}}"#, "\\u0041".repeat(65_536)),
        format!(r#"{{"content":"x","hashtags":{}}}"#, serde_json::to_string(&tags).unwrap()),
        format!(r#"{{"content":"x","id":"{}"}}"#, "i".repeat(128)),
        r#"{"content":"\u0001 \n"}"#.to_owned(),
    ] {
        let hub = Harness::new();
        let answer = hub.json("POST", "/posts", body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        hub.only();
    }
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_by_name_and_nothing_is_appended() {
    let hub = Harness::new();
    let too_many = format!("{:?}", (0..31).map(|n| format!("t{n}")).collect::<Vec<_>>());
    let cases: [(&[u8], u16, &str, &[&str]); 27] = [
        (b"", 400, "malformed-json", &["empty"]),
        (b"{", 400, "malformed-json", &["line 1"]),
        (b"{\"content\":\"x\"} x", 400, "malformed-json", &["line 1"]),
        (b"{\"content\":\"\xff\"}", 400, "malformed-json", &["UTF-8", "12"]),
        (br#"{"content":"\ud800"}"#, 400, "malformed-json", &["hex escape"]),
        (br#"["x"]"#, 422, "validation-failed", &["body", "sequence"]),
        (br#"[null,null,"x",null]"#, 422, "validation-failed", &["body", "sequence"]),
        (br#""x""#, 422, "validation-failed", &["body", "string"]),
        (b"null", 422, "validation-failed", &["body", "null"]),
        (b"{}", 422, "validation-failed", &["content", "missing"]),
        (br#"{"content":null}"#, 422, "validation-failed", &["content", "null"]),
        (br#"{"content":5}"#, 422, "validation-failed", &["content", "5", "string"]),
        (br#"{"content":""}"#, 422, "validation-failed", &["content", "empty", "65536"]),
        (br#"{"content":"a\u0000"}"#, 422, "validation-failed", &["content", "NUL", "byte 1"]),
        (br#"{"content":"x","colour":1}"#, 422, "unknown-field", &["colour"]),
        (br#"{"content":"x","content":"y"}"#, 422, "validation-failed", &["content", "duplicate"]),
        (br#"{"content":"x","id":5}"#, 422, "validation-failed", &["id", "5", "string"]),
        (br#"{"content":"x","id":""}"#, 422, "validation-failed", &["id", "empty"]),
        (br#"{"content":"x","id":"a b"}"#, 422, "validation-failed", &["id", "a b", "allowed"]),
        (
            br#"{"content":"x","id":"batch"}"#,
            422,
            "validation-failed",
            &["id", "batch", "reserved"],
        ),
        (br#"{"content":"x","id":".."}"#, 422, "validation-failed", &["id", "..", "reserved"]),
        (
            br#"{"content":"x","id":"~AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
            422,
            "validation-failed",
            &["id", "~"],
        ),
        (br#"{"content":"x","user_id":"a/b"}"#, 422, "validation-failed", &["user_id", "a/b"]),
        (br#"{"content":"x","hashtags":"a"}"#, 422, "validation-failed", &["hashtags", "sequence"]),
        (
            br#"{"content":"x","hashtags":["a",1]}"#,
            422,
            "validation-failed",
            &["hashtags[1]", "1", "string"],
        ),
        (
            br#"{"content":"x","hashtags":["a","b c"]}"#,
            422,
            "validation-failed",
            &["hashtags[1]", "' '"],
        ),
        (
            br#"{"content":"x","hashtags":["123"]}"#,
            422,
            "validation-failed",
            &["hashtags[0]", "digits"],
        ),
    ];
    for (body, status, slug, says) in cases {
        hub.json("POST", "/posts", body).await.is_problem(status, slug, says);
    }
    let many = format!(r#"{{"content":"x","hashtags":{too_many}}}"#);
    hub.json("POST", "/posts", many).await.is_problem(
        422,
        "validation-failed",
        &["hashtags[30]", "t30", "30"],
    );
    let long = format!(r#"{{"content":"x","id":"{}"}}"#, "i".repeat(129));
    hub.json("POST", "/posts", long).await.is_problem(
        422,
        "validation-failed",
        &["id", "129", "128"],
    );
    assert_eq!(hub.appended(), []);
}

#[tokio::test]
async fn what_is_too_large_is_413() {
    let hub = Harness::new();
    let content = format!(r#"{{"content":"{}"}}"#, "x".repeat(65_537));
    hub.json("POST", "/posts", content).await.is_problem(
        413,
        "too-large",
        &["content", "65537", "65536"],
    );
    let body = format!(r#"{{"content":"{}"}}"#, "\\u0041".repeat(90_000));
    hub.json("POST", "/posts", body).await.is_problem(413, "too-large", &["body", "524288"]);
    assert_eq!(hub.appended(), []);
}

#[tokio::test]
async fn the_header_and_the_query_are_checked_too() {
    let hub = Harness::new();
    let body = r#"{"content":"x"}"#;
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, &'a str, &'a [&'a str]);
    let cases: [Case<'_>; 5] = [
        ("/posts", &[], 415, "unsupported-media-type", &["application/json"]),
        (
            "/posts",
            &[("content-type", "text/plain")],
            415,
            "unsupported-media-type",
            &["text/plain"],
        ),
        ("/posts?a=1", &[("content-type", "application/json")], 400, "malformed-request", &["a"]),
        (
            "/posts",
            &[("content-type", "application/json"), ("prefer", "wait=abc")],
            400,
            "invalid-prefer",
            &["wait=abc", "10"],
        ),
        (
            "/posts",
            &[("content-type", "application/json"), ("prefer", "wait=11")],
            400,
            "invalid-prefer",
            &["wait=11"],
        ),
    ];
    for (target, headers, status, slug, says) in cases {
        hub.send("POST", target, headers, body).await.is_problem(status, slug, says);
    }
    hub.json("PUT", "/posts", body).await.is_problem(405, "method-not-allowed", &["PUT"]);
    assert_eq!(hub.appended(), []);
}

#[tokio::test]
async fn a_well_formed_traceparent_goes_with_the_event() {
    let trace = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
    for (sent, is_kept) in [
        (format!("00-{trace}-01"), true),
        (format!("01-{trace}-01-later"), true),
        (format!("00-{trace}-01-later"), false),
        (format!("01-{trace}-01later"), false),
        (format!("ff-{trace}-01"), false),
        (format!("00-{trace}-0"), false),
        (format!("00-{}-01", trace.to_uppercase()), false),
        (format!("00-{}-b7ad6b7169203331-01", "0".repeat(32)), false),
        (format!("00-0af7651916cd43dd8448eb211c80319c-{}-01", "0".repeat(16)), false),
        (String::new(), false),
    ] {
        let hub = Harness::new();
        hub.json_with("POST", "/posts", &[("traceparent", &sent)], r#"{"content":"x"}"#).await;
        let (_, record, _) = hub.only();
        let kept = record.headers.iter().find(|(name, _)| name == "traceparent");
        // Of a later version, what this one knows.
        let known = is_kept.then(|| format!("00-{}", &sent[3..55]));
        assert_eq!(
            kept.map(|(_, value)| &value[..]),
            known.as_deref().map(str::as_bytes),
            "{sent}"
        );
    }
}

#[tokio::test]
async fn a_client_that_leaves_while_the_log_is_busy_leaves_its_post_there() {
    let hub = Harness::new();
    hub.log.hold();
    {
        let mut request = Box::pin(hub.json("POST", "/posts", r#"{"content":"x"}"#));
        assert!(futures::poll!(request.as_mut()).is_pending());
    }
    hub.log.release();
    hub.only();
}
