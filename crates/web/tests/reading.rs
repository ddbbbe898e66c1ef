//! Bodies, queries and paths: what is not parseable is 400, what is parseable and not allowed is 422, both by name.

#![allow(clippy::unwrap_used, reason = "a helper fails its test by a panic")]

mod support;

use axum::{
    Router,
    extract::Request,
    routing::{get, post},
};
use http::HeaderMap;
use hubbub_web::{
    Json, NoQuery, Path, Problem, ProblemType, Query, media_type, parse_json, read_body,
};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, json};
use support::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPost {
    id: Option<Id>,
    content: String,
    #[serde(default)]
    hashtags: Vec<String>,
    place: Option<Place>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    name: String,
}

/// A type that says itself what it allows.
#[derive(Debug)]
struct Id(String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = String::deserialize(deserializer)?;
        if id.contains('/') {
            return Err(de::Error::custom("an id has no slash"));
        }
        Ok(Self(id))
    }
}

#[derive(Deserialize)]
struct Like {
    user: Id,
    post: Id,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    limit: Option<u8>,
    cursor: Option<String>,
}

async fn create(Json(post): Json<NewPost>) -> String {
    let id = post.id.map_or_else(|| "-".to_owned(), |id| id.0);
    let place = post.place.map_or_else(|| "-".to_owned(), |place| place.name);
    format!("{id} {} {} {place}", post.content, post.hashtags.len())
}

async fn list(Query(page): Query<Page>) -> String {
    format!("{:?} {:?}", page.limit, page.cursor)
}

async fn batch(headers: HeaderMap, request: Request) -> Result<String, Problem> {
    let kind = media_type(&headers, &["application/json", "application/x-ndjson"])?;
    let body = read_body(request, 1 << 20).await?;
    Ok(format!("{kind} {}", body.len()))
}

fn server() -> Running {
    start(
        Router::new()
            .route("/posts", post(create).get(list))
            .route("/posts/batch", post(batch))
            .route(
                "/posts/{id}",
                get(|Path(id): Path<Id>, NoQuery: NoQuery| async { id.0 }),
            )
            .route(
                "/numbers/{n}",
                get(|Path(n): Path<u16>| async move { n.to_string() }),
            )
            .route(
                "/{user}/{post}",
                get(|Path(like): Path<Like>| async move {
                    format!("{}/{}", like.user.0, like.post.0)
                }),
            ),
    )
}

/// The answer's one field error.
#[track_caller]
fn fault(problem: &Value) -> (&str, &Value, &str) {
    let [error] = problem["errors"].as_array().unwrap().as_slice() else {
        panic!("not one error: {problem}");
    };
    let detail = error["detail"].as_str().unwrap();
    assert!(problem["detail"].as_str().unwrap().ends_with(detail));
    (error["field"].as_str().unwrap(), &error["value"], detail)
}

#[tokio::test]
async fn a_body_that_is_right_is_read() {
    let server = server();
    let answer = server
        .post_json("/posts", r#"{"content": "hi", "hashtags": ["a", "b"], "place": {"name": "é"}}"#)
        .await;
    assert_eq!(answer.body, "- hi 2 é");
}

#[tokio::test]
async fn what_is_not_json_is_malformed() {
    let server = server();
    let documents: &[&[u8]] = &[
        b"",
        b"  ",
        b"{",
        b"nonsense",
        b"{\"content\": \"a\"} trailing",
        b"{\"content\": \"a\",}",
        // Not allowed, and then not JSON: the latter counts.
        b"{\"content\": 5, \"x\"",
        b"{\"unknown\": 5]",
        b"{\"content\": \"\xff\"}",
        b"{\"content\": \"\\ud800\"}",
    ];
    for document in documents {
        let answer = server.post_json("/posts", document).await;
        answer.problem(400, "malformed-json");
    }
    let problem =
        server.post_json("/posts", "{\n  \"content\" \"a\"}").await.problem(400, "malformed-json");
    assert_eq!((&problem["line"], &problem["column"]), (&json!(2), &json!(13)));
    let problem = server.post_json("/posts", b"\"ab\xc3").await.problem(400, "malformed-json");
    assert_eq!(problem["offset"], 3);
}

#[tokio::test]
async fn what_is_json_and_not_allowed_is_named() {
    let server = server();
    let refused = async |document: &str| {
        server.post_json("/posts", document).await.problem(422, "validation-failed")
    };

    let problem = refused(r#"{"content": 5}"#).await;
    assert_eq!(
        fault(&problem),
        ("content", &json!(5), "invalid type: integer `5`, expected a string")
    );
    let problem = refused(r#"{"content": null}"#).await;
    assert_eq!(fault(&problem), ("content", &Value::Null, "invalid type: null, expected a string"));
    let problem = refused(r#"{"content": "a", "hashtags": ["a", 2.5]}"#).await;
    assert_eq!(
        fault(&problem),
        ("hashtags[1]", &json!(2.5), "invalid type: floating point `2.5`, expected a string")
    );
    let problem = refused(r#"{"content": "a", "place": {}}"#).await;
    assert_eq!(fault(&problem), ("place.name", &Value::Null, "missing field `name`"));
    let problem = refused("{}").await;
    assert_eq!(fault(&problem), ("content", &Value::Null, "missing field `content`"));
    let problem = refused(r#"{"content": "a", "content": "b"}"#).await;
    assert_eq!(fault(&problem).2, "duplicate field `content`");
    assert_eq!(fault(&problem).0, "content");
    let problem = refused(r#"{"content": "a", "id": "b/c"}"#).await;
    assert_eq!(fault(&problem), ("id", &json!("b/c"), "an id has no slash"));
    let problem = refused(r#"["content"]"#).await;
    assert_eq!(fault(&problem).0, "body");
}

#[tokio::test]
async fn an_unknown_field_is_named() {
    let server = server();
    let problem = server
        .post_json("/posts", r#"{"content": "a", "contents": "b"}"#)
        .await
        .problem(422, "unknown-field");
    let (field, value, detail) = fault(&problem);
    assert_eq!((field, value), ("contents", &json!("b")));
    assert_eq!(
        detail,
        "unknown field `contents`, expected one of `id`, `content`, `hashtags`, `place`"
    );
    let nested = r#"{"content": "a", "place": {"name": "a", "name2": 1}}"#;
    let problem = server.post_json("/posts", nested).await.problem(422, "unknown-field");
    assert_eq!(fault(&problem).0, "place.name2");
}

#[tokio::test]
async fn a_long_value_is_not_repeated() {
    let server = server();
    let id = format!("{}/", "x".repeat(500));
    let answer = server.post_json("/posts", json!({"content": "a", "id": id}).to_string()).await;
    assert_eq!(fault(&answer.problem(422, "validation-failed")).1, &Value::Null);
}

#[tokio::test]
async fn documents_are_parsed_wherever_they_come_from() {
    let post: NewPost = parse_json(br#"{"content": "a"}"#).unwrap();
    assert_eq!(post.content, "a");
    let problem = parse_json::<NewPost>(br#"{"content": 1}"#).unwrap_err();
    assert_eq!(problem.kind(), ProblemType::ValidationFailed);
    assert_eq!(problem.errors()[0].field, "content");
    let item = serde_json::to_value(&problem).unwrap();
    assert_eq!(item["status"], 422);
    assert_eq!(item.get("instance"), None);
    // Borrowed from the document.
    assert_eq!(parse_json::<&str>(b"\"a\"").unwrap(), "a");
}

#[tokio::test]
async fn other_media_types_are_refused() {
    let server = server();
    let body = r#"{"content": "a"}"#;
    for headers in [
        "",
        "content-type: application/x-www-form-urlencoded\r\n",
        "content-type: text/json\r\n",
        "content-type: application/json; charset=latin1\r\n",
        "content-type: application/vnd.x+json\r\n",
    ] {
        let answer = server.post("/posts", headers, body).await;
        answer.problem(415, "unsupported-media-type");
        assert_eq!(answer.header("accept"), Some("application/json"));
    }
    for headers in [
        "content-type: Application/JSON\r\n",
        "content-type: application/json; charset=UTF-8\r\n",
        "content-type: application/json;charset=\"utf-8\"; x=y\r\ncontent-encoding: identity\r\n",
    ] {
        assert_eq!(server.post("/posts", headers, body).await.status, 200);
    }
    let coded = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
    let answer = server.post("/posts", coded, body).await;
    answer.problem(415, "unsupported-media-type");
    assert_eq!(answer.header("accept-encoding"), Some("identity"));
}

#[tokio::test]
async fn a_route_may_read_other_types_and_more() {
    let server = server();
    let lines = "x".repeat(500_000);
    let answer =
        server.post("/posts/batch", "content-type: application/x-ndjson\r\n", &lines).await;
    assert_eq!(answer.body, "application/x-ndjson 500000");
    let answer = server.post("/posts/batch", "content-type: text/plain\r\n", "").await;
    let problem = answer.problem(415, "unsupported-media-type");
    assert!(problem["detail"].as_str().unwrap().contains("application/json, application/x-ndjson"));
}

#[tokio::test]
async fn a_query_is_read_strictly() {
    let server = server();
    assert_eq!(server.get("/posts").await.body, "None None");
    assert_eq!(server.get("/posts?limit=7&cursor=a%2Bb+c").await.body, "Some(7) Some(\"a+b c\")");

    let refused = async |query: &str| {
        server.get(&format!("/posts?{query}")).await.problem(400, "malformed-request")
    };
    let problem = refused("limit=abc").await;
    assert_eq!(fault(&problem), ("limit", &json!("abc"), "invalid digit found in string"));
    let problem = refused("limit=1&page=2").await;
    assert_eq!(
        fault(&problem),
        ("page", &json!("2"), "unknown parameter `page`, expected `limit` or `cursor`")
    );
    let problem = refused("limit=1&limit=2").await;
    assert_eq!(fault(&problem), ("limit", &json!("2"), "the parameter is given more than once"));
    for query in ["cursor=%ff", "cursor=%zz", "cursor=%", "cursor=%e"] {
        assert_eq!(fault(&refused(query).await).0, "cursor");
    }
    refused("%ff=1").await;
    let problem = server.get("/posts/7?user_id=1").await.problem(400, "malformed-request");
    assert_eq!(fault(&problem).0, "user_id");
    assert_eq!(server.get("/posts/7?").await.body, "7");
}

#[tokio::test]
async fn a_path_is_read_strictly() {
    let server = server();
    assert_eq!(server.get("/posts/a%20b").await.body, "a b");
    assert_eq!(server.get("/u/p").await.body, "u/p");
    let problem = server.get("/posts/a%2Fb").await.problem(422, "validation-failed");
    assert_eq!(fault(&problem), ("id", &json!("a/b"), "an id has no slash"));
    let answer = server.get("/u/a%2Fb").await;
    assert_eq!(fault(&answer.problem(422, "validation-failed")).2, "an id has no slash");
    let problem = server.get("/numbers/7x").await.problem(422, "validation-failed");
    assert_eq!(fault(&problem), ("n", &json!("7x"), "u16 is expected"));
    server.get("/posts/%ff").await.problem(400, "malformed-request");
}
