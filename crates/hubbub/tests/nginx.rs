//! hubbub behind the real nginx, with the routes and answers of `docker/nginx`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hubbub_testkit::{
    client::{API, Client, eventually},
    nginx::{Nginx, Upstreams},
    process::{Process, Urls, all_in_one},
};
use hubbub_web::ProblemType;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

const PATIENCE: Duration = Duration::from_secs(30);

/// One hubbub that serves both APIs.
struct Hub {
    url: String,
    _process: Process,
    folder: TempDir,
}

impl Hub {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let binary = Path::new(env!("CARGO_BIN_EXE_hubbub"));
        let command = all_in_one(binary, &folder.path().join("data"));
        let mut process = Process::start(command, &folder.path().join("log"));
        let Urls { api, .. } = process.ready(PATIENCE).await;
        Self { url: api, _process: process, folder }
    }

    async fn behind_nginx(&self) -> (Nginx, Client) {
        nginx(self.folder.path(), [&self.url], [&self.url]).await
    }
}

async fn nginx<'a>(
    folder: &Path,
    ingest: impl IntoIterator<Item = &'a String>,
    query: impl IntoIterator<Item = &'a String>,
) -> (Nginx, Client) {
    let (ingest, query) =
        (ingest.into_iter().cloned().collect(), query.into_iter().cloned().collect());
    let nginx = Nginx::start(folder, &Upstreams { ingest, query, patience: PATIENCE }).await;
    let client = Client::new(nginx.url(), nginx.url());
    (nginx, client)
}

/// A server that is not hubbub, with a count of the connections that it was asked for.
struct Server {
    url: String,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Passes everything on to another server.
    async fn relay(to: &str) -> Self {
        let to = to.trim_start_matches("http://").to_owned();
        Self::serve(move |mut stream| {
            let to = to.clone();
            async move {
                let mut server = TcpStream::connect(to).await.unwrap();
                // It ends when one of both does.
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            }
        })
        .await
    }

    /// Dies of each request.
    async fn dying() -> Self {
        Self::serve(|mut stream| async move {
            assert_ne!(stream.read(&mut [0; 1024]).await.unwrap(), 0);
        })
        .await
    }

    /// Takes requests and answers none.
    async fn silent() -> Self {
        Self::serve(|mut stream| async move {
            while stream.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {}
        })
        .await
    }

    async fn serve<F: Future<Output = ()> + Send + 'static>(
        mut each: impl FnMut(TcpStream) -> F + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(each(stream));
            }
        });
        Self { url, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Where nobody listens.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn everything_passes_and_comes_back() {
    let hub = Hub::start().await;
    let (_nginx, front) = hub.behind_nginx().await;
    let post = json!({"id": "p", "user_id": "ann", "content": "Hello there"});
    let created = front.post("/posts/", &post).wait(10).await.expect(201);
    assert_eq!(created.header("location"), Some("/api/v1/posts/p"));
    assert_eq!(created.header("preference-applied"), Some("wait=10"));

    let read = front.get("/posts/p/").after(&created).await.expect(200);
    assert_eq!(read.json()["content"], "Hello there");
    let edit = json!({"user_id": "ann", "content": "Bye"});
    let tag = read.header("etag").unwrap().to_owned();
    front.patch("/posts/p", &edit).if_match(&tag).wait(10).await.expect(200);
    let liked = front.put("/posts/p/likes/bob").wait(10).await.expect(204);
    let page = front.get("/posts/p/likes?limit=1").after(&liked).await.expect(200);
    assert_eq!(page.json()["items"], json!([{"user_id": "bob"}]));
    front.head("/posts/p/analysis").after(&liked).await.expect(200);
    let deleted = front.delete("/posts/p?user_id=ann").wait(10).await.expect(204);
    front.get("/posts/p").after(&deleted).await.problem(410, "post-deleted");
}

#[tokio::test]
async fn a_path_goes_to_the_role_that_serves_it() {
    let hub = Hub::start().await;
    let (ingest, query) = (Server::relay(&hub.url).await, Server::relay(&hub.url).await);
    let (nginx, front) = nginx(hub.folder.path(), [&ingest.url], [&query.url]).await;
    for (method, path, role, status) in [
        (Method::POST, "/posts/batch", &ingest, 415),
        (Method::GET, "/posts/batch/", &ingest, 405),
        (Method::GET, "/posts", &ingest, 405),
        (Method::PATCH, "/posts/x", &ingest, 415),
        (Method::PUT, "/posts/x", &ingest, 405),
        (Method::GET, "/posts/x/likes/u/", &ingest, 405),
        (Method::DELETE, "/posts/x/likes/u", &ingest, 202),
        (Method::GET, "/posts/x", &query, 404),
        (Method::GET, "/posts/x/?colour=red", &query, 400),
        (Method::PUT, "/posts/x/analysis", &query, 405),
        (Method::POST, "/posts/x/likes?limit=1", &query, 405),
        (Method::GET, "/users/u/posts", &query, 200),
        (Method::OPTIONS, "/users/u/posts", &query, 405),
        (Method::DELETE, "/receipts/x", &query, 405),
        (Method::GET, "/nothing", &query, 404),
        (Method::POST, "/nothing", &ingest, 404),
    ] {
        let call = front.query(method.clone(), &format!("{API}{path}"));
        let answer = call.await.expect(status);
        let id = answer.header("x-request-id").unwrap();
        let logged = eventually(PATIENCE, || async {
            nginx.requests().into_iter().find(|line| line["request_id"] == id).ok_or("not logged")
        })
        .await;
        let upstream = logged["upstream"].as_str().unwrap();
        assert_eq!(format!("http://{upstream}"), role.url, "{method} {path}");
    }
}

#[tokio::test]
async fn connections_to_hubbub_are_kept() {
    let hub = Hub::start().await;
    let (ingest, query) = (Server::relay(&hub.url).await, Server::relay(&hub.url).await);
    let (_nginx, front) = nginx(hub.folder.path(), [&ingest.url], [&query.url]).await;
    for n in 0..20 {
        let post = json!({"user_id": "ann", "content": format!("Number {n}")});
        front.post("/posts", &post).await.expect(202);
        front.get("/users/ann/posts").await.expect(200);
    }
    assert_eq!((ingest.connections(), query.connections()), (1, 1));
}

#[tokio::test]
async fn problems_of_hubbub_pass_as_they_are() {
    let hub = Hub::start().await;
    let (_nginx, front) = hub.behind_nginx().await;
    let direct = Client::new(&hub.url, &hub.url);
    let large = json!({"content": "x".repeat(600 * 1024)});
    let mut seen = Vec::new();
    for client in [&direct, &front] {
        let answers = [
            client.get("/posts/never").header("x-request-id", "mine").await,
            client.post("/posts", &json!({})).header("x-request-id", "mine").await,
            client.post("/posts", &large).header("x-request-id", "mine").await,
        ];
        seen.push(answers.map(|answer| (answer.status, answer.json())));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[1].each_ref().map(|(status, _)| *status), [404, 422, 413]);
    assert_eq!(seen[1][2].1["limit"], 512 * 1024);
}

#[tokio::test]
async fn what_is_beyond_all_measure_ends_at_nginx() {
    let hub = Hub::start().await;
    let role = Server::relay(&hub.url).await;
    let (_nginx, front) = nginx(hub.folder.path(), [&role.url], [&role.url]).await;
    let huge = vec![b' '; 17 * 1024 * 1024 + 1];
    let refused = front.ingest(Method::POST, "/api/v1/posts/batch").body("application/json", huge);
    refused.await.problem(413, "too-large").says(&["17 MiB"]);

    let call = front.get("/users/u/posts").header("x-padding", "x".repeat(40_000));
    call.await.problem(431, "headers-too-large").says(&["32 KiB"]);
    let line = format!("/posts/{}", "x".repeat(40_000));
    let refused = front.get(&line).await.expect(431).json();
    assert_eq!(refused["type"], "urn:hubbub:problem:headers-too-large");

    let twice = front.patch("/posts/x", &json!({})).if_match("\"1\"").if_match("\"1\"");
    twice.await.problem(400, "malformed-request");
    let trace = front.query(Method::TRACE, "/api/v1/posts").await;
    trace.problem(405, "method-not-allowed");
    assert!(trace.header("allow").is_some_and(|allow| allow.contains("PATCH")), "{trace}");
    front.query(Method::GET, "/nginx/too-large").await.problem(404, "not-found");
    assert_eq!(role.connections(), 0);
}

#[tokio::test]
async fn where_no_server_is_nothing_was_stored() {
    let folder = TempDir::new().unwrap();
    let nowhere = nowhere().await;
    let (_nginx, front) = nginx(folder.path(), [&nowhere], [&nowhere]).await;
    let post = json!({"content": "x"});
    front.post("/posts", &post).await.problem(503, "not-ready").says(&["nothing was stored"]);
    front.put("/posts/x/likes/u").await.problem(503, "not-ready").says(&["nothing was stored"]);
    front.get("/posts/x?a=b").await.problem(503, "not-ready").says(&["can be repeated"]);
    let head = front.head("/posts/x").await.expect(503);
    assert_eq!(head.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn a_write_that_a_server_took_has_an_unknown_outcome() {
    let folder = TempDir::new().unwrap();
    for server in [Server::dying().await, Server::silent().await] {
        let upstreams = Upstreams {
            ingest: vec![server.url.clone()],
            query: vec![server.url.clone()],
            patience: Duration::from_millis(200),
        };
        let nginx = Nginx::start(folder.path(), &upstreams).await;
        let front = Client::new(nginx.url(), nginx.url());
        let written = front.post("/posts", &json!({"content": "x"})).await;
        written.problem(504, "outcome-unknown").says(&["Idempotency-Key", "counts once"]);
        assert_eq!(server.connections(), 1, "{}", nginx.output());
        front.delete("/posts/x").await.problem(504, "outcome-unknown");
        front.get("/posts/x").await.problem(503, "not-ready").says(&["can be repeated"]);
    }
}

#[tokio::test]
async fn another_server_is_asked_where_one_cannot_be_reached() {
    let hub = Hub::start().await;
    let servers = [&nowhere().await, &hub.url];
    let (_nginx, front) = nginx(hub.folder.path(), servers, servers).await;
    for n in 0..8 {
        front.post("/posts", &json!({"content": format!("Number {n}")})).await.expect(202);
        front.get("/users/u/posts").await.expect(200);
    }
}

#[tokio::test]
async fn a_post_that_was_sent_is_never_sent_to_another_server() {
    let hub = Hub::start().await;
    let (dying, living) = (Server::dying().await, Server::relay(&hub.url).await);
    let servers = [&dying.url, &living.url];
    let (nginx, front) = nginx(hub.folder.path(), servers, servers).await;
    let written = front.post("/posts", &json!({"content": "x"})).await;
    written.problem(504, "outcome-unknown");
    assert_eq!((dying.connections(), living.connections()), (1, 0), "{}", nginx.output());
    // A read is.
    front.get("/users/u/posts").await.expect(200);
    assert_eq!((dying.connections(), living.connections()), (2, 1), "{}", nginx.output());
}

#[tokio::test]
async fn a_request_has_one_id_everywhere() {
    let hub = Hub::start().await;
    let nowhere = nowhere().await;
    let (nginx, front) = nginx(hub.folder.path(), [&nowhere], [&hub.url]).await;
    let calls = || [front.get("/users/u/posts"), front.put("/posts/x/likes/u")];
    let longest = "~".repeat(128);
    let mut ids = Vec::new();
    for own in ["mine", "!\"\\", &longest] {
        for call in calls() {
            let answer = call.header("x-request-id", own).await;
            assert_eq!(answer.header("x-request-id"), Some(own), "{answer}");
            assert_eq!(answer.headers.get_all("x-request-id").iter().count(), 1, "{answer}");
            assert!(answer.json().is_object(), "{answer}");
            ids.push(own.to_owned());
        }
    }
    let mut minted = Vec::new();
    for call in calls().into_iter().chain(calls().map(|call| call.header("x-request-id", "a b"))) {
        let answer = call.await;
        assert_eq!(answer.headers.get_all("x-request-id").iter().count(), 1, "{answer}");
        let id = answer.header("x-request-id").unwrap().to_owned();
        uuid::Uuid::parse_str(&id).unwrap();
        assert!(!minted.contains(&id), "{id} twice");
        minted.push(id);
    }
    ids.extend(minted);
    eventually(PATIENCE, || async {
        let logged: Vec<_> =
            nginx.requests().iter().map(|line| line["request_id"].clone()).collect();
        if json!(logged) == json!(ids) { Ok(()) } else { Err(format!("{logged:?}")) }
    })
    .await;
}

/// nginx's own documents are of the registered types, with their titles and statuses.
#[test]
fn nginx_answers_registered_problems() {
    let routes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docker/nginx/routes.conf");
    let routes = fs::read_to_string(routes).unwrap();
    let mut seen = 0;
    for line in routes.lines().filter_map(|line| line.trim().strip_prefix("return ")) {
        let (status, document) = line.split_once(" '").unwrap();
        let document = document.trim_end_matches("';").replace("\\'", "'");
        let document = document.replace("$hubbub_instance_member$hubbub_request_id_member", "");
        let document: Value = serde_json::from_str(&document).unwrap();
        let kind = ProblemType::ALL.iter().find(|kind| document["type"] == kind.uri());
        let kind = kind.unwrap_or_else(|| panic!("{document}: no such type"));
        assert_eq!(document["title"], kind.title());
        assert_eq!(document["status"], kind.status().as_u16());
        assert_eq!(status, kind.status().as_str());
        seen += 1;
    }
    assert_eq!(seen, 9);
}
