//! What all routes have in common.

use hubbub_testkit::client::API;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::{hub, system::IS_FLEET, unique, written};

#[tokio::test]
async fn head_is_get_without_the_body() {
    let hub = hub().await;
    let user = unique("user");
    let post = written(&hub, json!({"user_id": user, "content": "x"})).await;
    let (path, receipt) = (format!("/posts/{}", post.id), post.answer.string("receipt"));
    for path in [
        path.clone(),
        format!("{path}/analysis"),
        format!("{path}/likes"),
        format!("{path}/events?limit=1"),
        format!("/users/{user}/posts"),
        format!("/users/{user}/analysis/"),
        format!("/receipts/{receipt}"),
        format!("{path}?colour=red"),
        format!("/posts/{}", unique("never")),
        "/nothing".to_owned(),
    ] {
        let get = hub.get(&path).after(&post.answer).wait(10).await;
        let head = hub.head(&path).after(&post.answer).wait(10).await;
        assert_eq!(head.status, get.status);
        for name in ["content-type", "etag", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{path}: {name}");
        }
        assert_eq!(
            head.header("consistency-token").is_some(),
            get.header("consistency-token").is_some()
        );
    }
}

#[tokio::test]
async fn a_trailing_slash_is_served_alike() {
    let hub = hub().await;
    let (id, user) = (unique("slash"), unique("user"));
    let path = format!("/posts/{id}/");
    let post = json!({"id": id, "user_id": user, "content": "x"});
    let posted = hub.post("/posts/", &post).wait(10).await.expect(201);
    hub.post("/posts/batch/", &json!([{"content": "x"}])).await.expect(202);
    hub.patch(&path, &json!({"user_id": user, "content": "y"})).wait(10).await.expect(200);
    hub.put(&format!("{path}likes/{user}/")).wait(10).await.expect(204);
    hub.delete(&format!("{path}likes/{user}/")).wait(10).await.expect(204);
    for read in [
        path.clone(),
        format!("{path}analysis/"),
        format!("{path}likes/"),
        format!("{path}events/?limit=5"),
        format!("/users/{user}/posts/?limit=5"),
        format!("/users/{user}/analysis/"),
        format!("/receipts/{}/", posted.string("receipt")),
    ] {
        hub.get(&read).after(&posted).wait(10).await.expect(200);
    }
    hub.delete(&format!("{path}?user_id={user}")).wait(10).await.expect(204);
}

#[tokio::test]
async fn a_link_leads_on_from_a_path_with_a_slash() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "x"})).await;
    for fan in ["a", "b"] {
        hub.put(&format!("/posts/{}/likes/{fan}", post.id)).wait(10).await.expect(204);
    }
    let page = hub
        .get(&format!("/posts/{}/likes/?limit=1", post.id))
        .after(&post.answer)
        .await
        .expect(200);
    let link = page.header("link").unwrap();
    let target = link.trim_start_matches('<').split('>').next().unwrap();
    let next = hub.query(Method::GET, target).await.expect(200).json();
    assert_eq!(next["items"], json!([{"user_id": "b"}]));
}

#[tokio::test]
async fn an_unknown_route_is_not_found() {
    let hub = hub().await;
    for target in [
        "/",
        "/api",
        "/api/v1",
        "/api/v2/posts/x",
        "/posts/x",
        "/api/v1/nothing",
        "/api/v1/posts/x/y",
    ] {
        hub.query(Method::GET, target).await.problem(404, "not-found").says(&[target]);
        hub.ingest(Method::POST, target).json(&json!({})).await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn a_method_that_a_route_has_not_is_answered_with_those_that_it_has() {
    let hub = hub().await;
    for (call, allowed) in [
        (hub.ingest(Method::GET, &format!("{API}/posts")), "POST"),
        (hub.ingest(Method::DELETE, &format!("{API}/posts/")), "POST"),
        (hub.ingest(Method::PUT, &format!("{API}/posts/batch")), "POST"),
        (hub.ingest(Method::PUT, &format!("{API}/posts/x")), "PATCH,DELETE"),
        (hub.ingest(Method::POST, &format!("{API}/posts/x")), "PATCH,DELETE"),
        (hub.ingest(Method::POST, &format!("{API}/posts/x/likes/u")), "PUT,DELETE"),
        (hub.ingest(Method::GET, &format!("{API}/posts/x/likes/u")), "PUT,DELETE"),
        (hub.query(Method::POST, &format!("{API}/posts/x/analysis")), "GET,HEAD"),
        (hub.query(Method::POST, &format!("{API}/posts/x/likes")), "GET,HEAD"),
        (hub.query(Method::DELETE, &format!("{API}/posts/x/events/")), "GET,HEAD"),
        (hub.query(Method::PUT, &format!("{API}/users/x/posts")), "GET,HEAD"),
        (hub.query(Method::PATCH, &format!("{API}/users/x/analysis")), "GET,HEAD"),
        (hub.query(Method::DELETE, &format!("{API}/receipts/x")), "GET,HEAD"),
        (hub.query(Method::OPTIONS, &format!("{API}/users/x/posts")), "GET,HEAD"),
    ] {
        let refused = call.await;
        refused.problem(405, "method-not-allowed");
        let allow: Vec<_> =
            refused.header("allow").unwrap_or_default().split(',').map(str::trim).collect();
        for method in allowed.split(',') {
            assert!(allow.contains(&method), "{refused}: {method} is not in {allow:?}");
        }
    }
}

#[tokio::test]
async fn a_request_id_is_taken_or_minted() {
    let hub = hub().await;
    let longest = "r".repeat(128);
    for own in ["mine", "!~", &longest] {
        for call in [
            hub.get("/users/u/posts"),
            hub.get("/nothing"),
            hub.post("/posts", &json!({"content": "x"})),
        ] {
            let answer = call.header("x-request-id", own).await;
            assert_eq!(answer.header("x-request-id"), Some(own));
        }
    }
    let mut minted = Vec::new();
    for other in ["", "two words", &"r".repeat(129), "\u{e9}"] {
        let answer = hub.get("/users/u/posts").header("x-request-id", other).await.expect(200);
        let id = answer.header("x-request-id").unwrap().to_owned();
        // nginx mints its own.
        let version = if IS_FLEET { 4 } else { 7 };
        assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), version, "{id}");
        minted.push(id);
    }
    minted.dedup();
    assert_eq!(minted.len(), 4);
    let refused = hub.get("/posts/a%20b").header("x-request-id", "mine").await;
    assert_eq!(refused.problem(422, "validation-failed").0["request_id"], "mine");
}

#[tokio::test]
async fn no_page_of_another_origin_is_let_in() {
    let hub = hub().await;
    let get = hub.get("/users/u/posts").header("origin", "https://example.com").await.expect(200);
    assert_eq!(get.header("access-control-allow-origin"), None);
    let preflight = hub
        .ingest(Method::OPTIONS, &format!("{API}/posts"))
        .header("origin", "https://example.com")
        .header("access-control-request-method", "POST")
        .await;
    preflight.problem(405, "method-not-allowed");
    assert_eq!(preflight.header("access-control-allow-origin"), None);
}

/// A read is answered whole, whatever the client has: what it has may be older than its tokens.
#[tokio::test]
async fn a_read_is_never_answered_with_not_modified() {
    let hub = hub().await;
    let post = written(&hub, json!({"content": "x"})).await;
    let call = hub.get(&format!("/posts/{}", post.id)).header("if-none-match", "\"1\"");
    assert_eq!(call.await.expect(200).json()["version"], 1);
}

#[tokio::test]
async fn a_header_ends_at_16_kib() {
    let hub = hub().await;
    hub.get("/users/u/posts").header("x-padding", "x".repeat(12_000)).await.expect(200);
    let refused = hub.get("/users/u/posts").header("x-padding", "x".repeat(20_000)).attempt().await;
    let refused = refused.expect("an answer before the connection closes");
    assert_eq!(refused.status, 431, "{refused}");
    assert_eq!(refused.json()["type"], "urn:hubbub:problem:headers-too-large");
}
