//! A process from outside: what a restart keeps, how signals end it, and what stands in the way of a start.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use hubbub_testkit::{
    answer::Answer,
    client::{Client, eventually},
    process::{Process, Signal, Urls, all_in_one, hubbub, patient},
};
use hubbub_web::Token;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// No step takes longer, unless something hangs.
const PATIENCE: Duration = Duration::from_secs(30);
const BINARY: &str = env!("CARGO_BIN_EXE_hubbub");

/// A folder, and the processes that are started on it.
struct Given(TempDir);

impl Given {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder for the data"))
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn command(&self) -> Command {
        all_in_one(Path::new(BINARY), &self.data())
    }

    fn start(&self, command: Command) -> Process {
        let log = format!("log-{}", fs::read_dir(self.0.path()).map_or(0, Iterator::count));
        Process::start(command, &self.0.path().join(log))
    }

    async fn running(&self) -> (Process, Client) {
        let mut process = self.start(self.command());
        let Urls { api, .. } = process.ready(PATIENCE).await;
        (process, Client::new(&api, &api))
    }
}

/// Ends a process in order, and quickly.
async fn end(mut process: Process) {
    process.signal(Signal::INT);
    let status = process.ended(PATIENCE).await;
    assert_eq!(status.code(), Some(0), "{}", process.output());
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let given = Given::new();
    let (process, hub) = given.running().await;
    let post = json!({"user_id": "ann", "content": "From before #restart"});
    let kept = hub.post("/posts", &post).key("key").wait(10).await.expect(201);
    let id = kept.string("id");
    for (n, fan) in ["bob", "cid", "dan"].iter().enumerate() {
        let other = json!({"id": format!("other-{n}"), "user_id": "ann", "content": "Another"});
        hub.post("/posts", &other).await.expect(202);
        hub.put(&format!("/posts/{id}/likes/{fan}")).await.expect(202);
    }
    hub.patch(&format!("/posts/{id}"), &json!({"user_id": "ann", "content": "Edited"}))
        .await
        .expect(202);
    hub.delete("/posts/other-0?user_id=ann").wait(10).await.expect(204);
    let last = hub.delete(&format!("/posts/{id}/likes/bob")).wait(10).await.expect(204);
    let refused =
        hub.patch(&format!("/posts/{id}"), &json!({"content": "Not mine"})).await.expect(202);

    let reads = [
        format!("/posts/{id}"),
        format!("/posts/{id}/analysis"),
        format!("/posts/{id}/likes?limit=1"),
        format!("/posts/{id}/events"),
        "/posts/other-0".to_owned(),
        "/users/ann/posts?limit=1".to_owned(),
        "/users/ann/analysis".to_owned(),
        format!("/receipts/{}", kept.string("receipt")),
        format!("/receipts/{}", refused.string("receipt")),
    ];
    let mut before = Vec::new();
    for path in &reads {
        before.push(hub.get(path).after(&last).after(&refused).wait(10).await);
    }
    let next = before[2].string("next");
    end(process).await;

    let (_process, hub) = given.running().await;
    for (path, before) in reads.iter().zip(&before) {
        let after = hub.get(path).after(&last).after(before).await;
        assert_eq!((after.status, content(&after)), (before.status, content(before)), "{path}");
        assert_eq!(after.header("etag"), before.header("etag"));
    }
    let page = hub.get(&format!("/posts/{id}/likes?cursor={next}")).await.expect(200).json();
    assert_eq!(page, json!({"items": [{"user_id": "dan"}]}));
    let again = hub.post("/posts", &post).key("key").wait(10).await.expect(201);
    assert_eq!(again.string("id"), id);
    let totals = hub.get("/users/ann/analysis").after(&again).await.expect(200).json();
    assert_eq!(totals["post_count"], 3);
}

/// The body, without what is of one request.
fn content(answer: &Answer) -> Value {
    let mut body = answer.json();
    if let Some(members) = body.as_object_mut() {
        members.remove("request_id");
    }
    body
}

/// Connections never take the files that the log and the tables need.
#[tokio::test]
async fn connections_leave_room_for_its_own_files() {
    let given = Given::new();
    let all = given.command();
    let mut few = Command::new("sh");
    few.args(["-c", "ulimit -n 516 && exec \"$0\""]).arg(all.get_program());
    few.envs(all.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut process = given.start(few);
    let Urls { api, .. } = process.ready(PATIENCE).await;
    assert!(process.output().contains("http.max_connections is lowered"), "{}", process.output());
    // Four are served, and whoever comes then is when one of them goes.
    let address = api.strip_prefix("http://").unwrap();
    let mut held = Vec::new();
    for _ in 0..4 {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(b"GET /api/v1/posts/none HTTP/1.1\r\nhost: h\r\n\r\n").await.unwrap();
        connection.read_u8().await.unwrap();
        held.push(connection);
    }
    let hub = Client::new(&api, &api);
    let waiting = tokio::spawn(hub.get("/posts/none").attempt());
    eventually(PATIENCE, || async {
        let output = process.output();
        if output.contains("all connections are taken") { Ok(()) } else { Err(output) }
    })
    .await;
    drop(held);
    assert_eq!(waiting.await.unwrap().unwrap().status, 404);
    end(process).await;
}

/// Waits until a post is read: what came last before the end may not have been folded then.
async fn is_there(hub: &Client, id: &str) {
    eventually(PATIENCE, || async {
        let read = hub.get(&format!("/posts/{id}")).await;
        if read.status == 200 { Ok(()) } else { Err(read) }
    })
    .await;
}

/// SIGTERM: it says that it is not ready, serves on for a while, and drops nothing that it has begun.
#[tokio::test]
async fn told_to_end_it_finishes_what_it_began() {
    let given = Given::new();
    let mut command = given.command();
    command.env("HUBBUB__SHUTDOWN__UNREADY_WAIT", "5s");
    let mut process = given.start(command);
    let urls = process.ready(PATIENCE).await;
    let hub = Client::new(&urls.api, &urls.api);
    let operations = Client::new(&urls.operations, &urls.operations);

    let first =
        hub.post("/posts", &json!({"id": "first", "content": "x"})).wait(10).await.expect(201);
    let mut token = Token::open(&first.token()).unwrap();
    token.bounds[0].at.offset += 1_000_000_000;
    let waiting = hub.get("/posts/first").header("consistency-token", token.seal()).wait(8);
    let waiting = tokio::spawn(waiting.attempt());
    let body = json!({"id": "half", "content": "sent in two halves"}).to_string();
    let (one, other) = body.split_at(body.len() / 2);
    let mut half = TcpStream::connect(urls.api.trim_start_matches("http://")).await.unwrap();
    let head = "POST /api/v1/posts HTTP/1.1\r\nhost: hubbub\r\ncontent-type: application/json";
    let head = format!("{head}\r\ncontent-length: {}\r\n\r\n{one}", body.len());
    half.write_all(head.as_bytes()).await.unwrap();

    let told = Instant::now();
    process.signal(Signal::TERM);
    eventually(PATIENCE, || async {
        let answer = operations.query(reqwest::Method::GET, "/readyz").await;
        if answer.status == 503 { Ok(answer.problem(503, "not-ready")) } else { Err(answer) }
    })
    .await
    .says(&["stopping"]);
    let late = hub.post("/posts", &json!({"id": "late", "content": "x"})).await.expect(202);
    assert_eq!(late.header("connection"), None, "it serves as before until it stops");

    // Each on a connection of its own, until no one listens there any more.
    let mut accepted = vec!["first".to_owned(), "half".to_owned(), "late".to_owned()];
    for n in 0.. {
        let id = format!("post-{n}");
        let hub = Client::new(&urls.api, &urls.api);
        match hub.post("/posts", &json!({"id": id, "content": "x"})).attempt().await {
            Ok(answer) if answer.status == 202 => accepted.push(id),
            Ok(answer) => panic!("{answer}"),
            Err(error) if error.is_connect() => break,
            // A connection that was not accepted any more.
            Err(_) => {}
        }
    }
    half.write_all(other.as_bytes()).await.unwrap();
    let mut answer = String::new();
    half.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    let waited = waiting.await.unwrap().expect("an answer to a request in flight");
    waited.problem(503, "projection-behind");

    let status = process.ended(PATIENCE).await;
    assert_eq!(status.code(), Some(0), "{}", process.output());
    assert!(told.elapsed() < Duration::from_secs(25), "{:?}", told.elapsed());

    let (_process, hub) = given.running().await;
    for id in &accepted {
        is_there(&hub, id).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interrupted_under_load_it_leaves_within_five_seconds() {
    let given = Given::new();
    let (mut process, hub) = given.running().await;
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let hub = hub.clone();
            tokio::spawn(async move {
                let mut accepted = Vec::new();
                for n in 0.. {
                    let id = format!("{writer}.{n}");
                    let post =
                        json!({"id": id, "user_id": format!("user-{writer}"), "content": "x"});
                    match hub.post("/posts", &post).attempt().await {
                        Ok(answer) => accepted.push(answer.expect(202).string("id")),
                        Err(_) => break,
                    }
                }
                accepted
            })
        })
        .collect();
    eventually(PATIENCE, || async {
        let totals = hub.get("/users/user-3/analysis").await.expect(200).json();
        if totals["post_count"].as_u64() > Some(50) { Ok(()) } else { Err(totals) }
    })
    .await;

    let told = Instant::now();
    process.signal(Signal::INT);
    let status = process.ended(PATIENCE).await;
    assert_eq!(status.code(), Some(0), "{}", process.output());
    assert!(told.elapsed() < Duration::from_secs(5), "{:?}", told.elapsed());

    let (_process, hub) = given.running().await;
    for writer in writers {
        for id in writer.await.unwrap() {
            is_there(&hub, &id).await;
        }
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let given = Given::new();
    let mut command = given.command();
    command.env("HUBBUB__SHUTDOWN__UNREADY_WAIT", "1h");
    let mut process = given.start(command);
    let urls = process.ready(PATIENCE).await;
    process.signal(Signal::TERM);
    let operations = Client::new(&urls.operations, &urls.operations);
    eventually(PATIENCE, || async {
        let answer = operations.query(reqwest::Method::GET, "/readyz").await;
        if answer.status == 503 { Ok(()) } else { Err(answer) }
    })
    .await;
    process.signal(Signal::TERM);
    assert_eq!(process.ended(PATIENCE).await.code(), Some(1), "{}", process.output());
}

#[tokio::test]
async fn a_second_process_names_the_first_and_leaves_it_alone() {
    let given = Given::new();
    let (first, hub) = given.running().await;
    let mut second = given.start(given.command());
    assert_eq!(second.ended(PATIENCE).await.code(), Some(1));
    let told = second.output();
    for part in [format!("process {}", first.id()), given.data().display().to_string()] {
        assert!(told.contains(&part), "{part:?} is not in {told}");
    }
    hub.post("/posts", &json!({"content": "Still here"})).wait(10).await.expect(201);
}

#[tokio::test]
async fn data_of_a_newer_format_is_left_as_it_is() {
    let given = Given::new();
    end(given.running().await.0).await;
    let file = given.data().join("FORMAT");
    fs::write(&file, "2\n").unwrap();

    let mut process = given.start(given.command());
    assert_eq!(process.ended(PATIENCE).await.code(), Some(1));
    let told = process.output();
    for part in ["format 2", "up to 1", &given.data().display().to_string()] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "2\n");
    fs::write(&file, "1\n").unwrap();
    end(given.running().await.0).await;
}

#[tokio::test]
async fn a_setting_that_does_not_exist_stops_the_start_by_its_name() {
    let given = Given::new();
    let mut command = given.command();
    command.env("HUBBUB__HTTP__LISTENS", "127.0.0.1:0");
    let mut process = given.start(command);
    assert_eq!(process.ended(PATIENCE).await.code(), Some(2));
    let told = process.output();
    for part in ["http.listens", "HUBBUB__HTTP__LISTENS", "127.0.0.1:0", "listen,"] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    assert!(!given.data().exists(), "it was started");
}

/// One line of JSON for each request, by the names that dashboards search for.
#[tokio::test]
async fn requests_are_logged_by_their_names() {
    let given = Given::new();
    let mut command = given.command();
    command.env("HUBBUB__TELEMETRY__LOG_LEVEL", "debug");
    let mut process = given.start(command);
    let urls = process.ready(PATIENCE).await;
    let hub = Client::new(&urls.api, &urls.api);
    hub.get("/users/ann/posts?limit=5").header("x-request-id", "look-for-me").await.expect(200);
    let line = eventually(PATIENCE, || async {
        let output = process.output();
        let found = output.lines().find(|line| line.contains("look-for-me")).map(str::to_owned);
        found.ok_or(output)
    })
    .await;
    let line: Value = serde_json::from_str(&line).unwrap();
    for (name, value) in [
        ("level", json!("DEBUG")),
        ("role", json!("all")),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("request_id", json!("look-for-me")),
        ("http.route", json!("/api/v1/users/{id}/posts")),
        ("http.status", json!(200)),
    ] {
        assert_eq!(line[name], value, "{name}: {line}");
    }
    assert!(line["timestamp"].is_string() && line["message"].is_string(), "{line}");
    assert!(line["duration_ms"].as_f64() > Some(0.0), "{line}");
}

/// On a terminal it says where it listens, with the requests to copy.
#[tokio::test]
async fn it_greets_with_requests_that_work_as_they_stand() {
    let given = Given::new();
    let mut command = patient(given.command());
    command.env("HUBBUB__TELEMETRY__LOG_FORMAT", "text");
    let process = given.start(command);
    let greeting = eventually(PATIENCE, || async {
        let output = process.output();
        if output.contains("Ctrl-C") { Ok(output) } else { Err(output) }
    })
    .await;
    assert!(greeting.contains(&given.data().display().to_string()), "{greeting}");
    let posts: Vec<_> = greeting.lines().filter_map(|line| line.split_once(" -d '")).collect();
    let mut ids = Vec::new();
    for (_, request) in &posts {
        let (body, url) = request.split_once("' ").unwrap();
        let api = url.strip_suffix("/api/v1/posts/").unwrap();
        let hub = Client::new(api, api);
        let posted = hub.post("/posts/", &serde_json::from_str(body).unwrap()).await.expect(202);
        ids.push((hub, posted.string("id")));
    }
    assert_eq!(ids.len(), 2, "{greeting}");
    for line in greeting.lines().filter(|line| line.trim().starts_with("curl http")) {
        let target = line.split("/api/v1").nth(1).unwrap();
        ids[0].0.get(target.trim()).await.expect(200);
    }
}

/// A server that is none of ours answers otherwise, and the demo says what differs.
#[tokio::test]
async fn the_demo_fails_where_answers_differ() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = vec![0; 16 * 1024];
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                    let answer = "HTTP/1.1 202 Accepted\r\ncontent-length: 2\r\n\r\n{}";
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    let given = Given::new();
    let mut command = hubbub(Path::new(BINARY));
    command.args(["demo", "--url", &url]);
    let mut demo = given.start(command);
    assert_eq!(demo.ended(PATIENCE).await.code(), Some(1));
    let told = demo.output();
    for part in ["answers differ", "word_count", "like_count", "the totals"] {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
}
