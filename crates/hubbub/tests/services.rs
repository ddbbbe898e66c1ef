//! A whole hubbub in the test's process: its start, its end, and what operators see.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

use std::{collections::HashMap, ffi::OsString, time::Duration};

use bytes::Bytes;
use hubbub::{Services, Settings, Sources, settings::ShutdownSettings};
use hubbub_events::{Timestamp, Topic, TopicPartition, partition_of};
use hubbub_stream::{DataFolder, NewRecord};
use hubbub_testkit::client::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

fn settings(folder: &TempDir) -> Settings {
    let variable = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
    let sources = Sources {
        file: None,
        variables: vec![
            variable("HUBBUB__HTTP__LISTEN", "127.0.0.1:0"),
            variable("HUBBUB__OPERATIONS__LISTEN", "127.0.0.1:0"),
            variable("HUBBUB__LOG__PARTITIONS", "2"),
        ],
        data: Some(folder.path().join("data")),
    };
    Settings::load(&sources).unwrap()
}

async fn get(url: String) -> (u16, Value) {
    let answer = reqwest::get(url).await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

async fn post(url: String, body: Value) -> (u16, Value) {
    let answer = reqwest::Client::new().post(url).json(&body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

/// Puts records into the log behind the back of everything.
async fn append(settings: &Settings, values: &[&'static [u8]]) {
    let data = DataFolder::open(&settings.data.path).unwrap();
    let log = hubbub_stream::from_config(&settings.log, &data, HashMap::new()).await.unwrap();
    let partition = partition_of(b"foreign", log.partitions(Topic::Posts));
    let records = values.iter().map(|value| NewRecord {
        topic_partition: TopicPartition { topic: Topic::Posts, partition },
        key: Bytes::from_static(b"foreign"),
        value: Bytes::from_static(value),
        headers: vec![("from".to_owned(), Bytes::from_static(b"elsewhere"))],
        time: Timestamp::now(),
    });
    let appended = log.append(records.collect()).await;
    assert!(appended.iter().all(Result::is_ok), "{appended:?}");
    log.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_ended_leaves_its_folder_to_the_next() {
    let folder = TempDir::new().unwrap();
    let services = Services::spawn(settings(&folder)).await.unwrap();
    let posts = format!("http://{}/api/v1/posts", services.api_addr());
    let body = json!({"id": "kept", "user_id": "ada", "content": "Kept."});
    assert_eq!(post(posts, body).await.0, 202);
    services.shutdown(ShutdownSettings::AT_ONCE).await;

    let services = Services::spawn(settings(&folder)).await.unwrap();
    let kept = format!("http://{}/api/v1/posts/kept", services.api_addr());
    eventually(PATIENCE, || async {
        let answer = get(kept.clone()).await;
        if answer.0 == 200 { Ok(()) } else { Err(answer.1) }
    })
    .await;
    services.shutdown(ShutdownSettings::AT_ONCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stops_says_so_while_it_still_serves() {
    let folder = TempDir::new().unwrap();
    let services = Services::spawn(settings(&folder)).await.unwrap();
    let operations = format!("http://{}", services.ops_addr());
    let post = format!("http://{}/api/v1/users/nobody/posts", services.api_addr());
    assert_eq!(get(format!("{operations}/readyz")).await.0, 200);

    let unready_wait = Duration::from_secs(2);
    let stopping = tokio::spawn(
        services.shutdown(ShutdownSettings { unready_wait, ..ShutdownSettings::AT_ONCE }),
    );
    eventually(PATIENCE, || async {
        let (status, problem) = get(format!("{operations}/readyz")).await;
        if status == 503 && problem["causes"] == json!(["the process is stopping"]) {
            Ok(())
        } else {
            Err(problem)
        }
    })
    .await;
    assert_eq!(get(format!("{operations}/livez")).await.0, 200);
    assert_eq!(get(post).await.0, 200);
    stopping.await.unwrap();
    assert!(reqwest::get(format!("{operations}/livez")).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halted_partition_shows_until_it_is_resumed() {
    let folder = TempDir::new().unwrap();
    // An event of a schema that no build has yet.
    append(&settings(&folder), &[b"\x10\x63"]).await;
    let services = Services::spawn(settings(&folder)).await.unwrap();
    let operations = format!("http://{}", services.ops_addr());
    let halted = || async {
        let (status, problem) = get(format!("{operations}/readyz")).await;
        let told = problem["detail"].as_str().unwrap_or_default().to_owned();
        let tells = |projection: &str| told.contains(&format!("{projection} on hubbub.posts.v1/"));
        let all = ["posts", "analysis", "likes"].into_iter().all(tells);
        if status == 503 && all && told.contains("newer-event") { Ok(()) } else { Err(problem) }
    };
    eventually(PATIENCE, halted).await;

    let (_, status) = get(format!("{operations}/status")).await;
    let partitions = status["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 6);
    let halts = partitions.iter().filter(|partition| partition["state"] == "halted");
    assert_eq!(halts.count(), 3, "{status}");

    // It is as new as before, so a resumed partition halts again.
    let resume = format!("{operations}/resume");
    let (code, resumed) = post(resume.clone(), json!({"projection": "likes"})).await;
    assert_eq!((code, resumed), (200, json!({"resumed": 1})));
    eventually(PATIENCE, halted).await;
    assert_eq!(post(resume.clone(), json!({})).await.1, json!({"resumed": 3}));

    let (code, problem) = post(resume, json!({"projection": "shares"})).await;
    assert_eq!(code, 422, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("posts, analysis, likes do"));
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_listed_in_pages_and_shown() {
    let folder = TempDir::new().unwrap();
    append(&settings(&folder), &[b"\xff\xff", b"\xff\xfe"]).await;
    let services = Services::spawn(settings(&folder)).await.unwrap();
    let letters = format!("http://{}/dead-letters", services.ops_addr());
    // Of two records, for each of three projections one.
    eventually(PATIENCE, || async {
        let (_, page) = get(letters.clone()).await;
        if page["items"].as_array().is_some_and(|items| items.len() == 6) {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await;

    let (_, whole) = get(letters.clone()).await;
    assert_eq!(whole["next"], Value::Null);
    let (_, first) = get(format!("{letters}?limit=4")).await;
    let next = &first["next"];
    let (_, rest) =
        get(format!("{letters}?limit=4&partition={}&offset={}", next["partition"], next["offset"]))
            .await;
    let items = |page: &Value| page["items"].as_array().unwrap().clone();
    assert_eq!([items(&first), items(&rest)].concat(), items(&whole));

    let listed = &items(&whole)[0];
    assert_eq!(listed["source"]["topic"], "hubbub.posts.v1");
    assert_eq!(listed["key"], "foreign");
    assert!(!listed["reason"].as_str().unwrap().is_empty());
    assert_eq!(listed["value"], Value::Null);
    let at = format!("{letters}/{}/{}", listed["partition"], listed["offset"]);
    let (_, shown) = get(at).await;
    assert_eq!(shown["headers"], json!({"from": "elsewhere"}));
    assert!(shown["value"] == "//8=" || shown["value"] == "//4=", "{shown}");

    for (path, status) in
        [("/0/99", 404), ("/99/0", 404), ("/0/x", 422), ("?limit=0", 422), ("?page=1", 400)]
    {
        assert_eq!(get(format!("{letters}{path}")).await.0, status, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_projections_that_are_asked_for_run() {
    let folder = TempDir::new().unwrap();
    let mut settings = settings(&folder);
    settings.worker.projections.retain(|name| name.as_str() == "likes");
    let services = Services::spawn(settings).await.unwrap();
    let (_, status) = get(format!("http://{}/status", services.ops_addr())).await;
    let partitions = status["partitions"].as_array().unwrap();
    assert!(partitions.iter().all(|partition| partition["projection"] == "likes"), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_the_version_and_the_memory() {
    let folder = TempDir::new().unwrap();
    let services = Services::spawn(settings(&folder)).await.unwrap();
    let url = format!("http://{}/metrics", services.ops_addr());
    let answer = reqwest::get(&url).await.unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/plain"));
    let text = answer.text().await.unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert!(
        text.contains(&format!("hubbub_build_info{{version=\"{version}\",role=\"all\"}} 1")),
        "{text}"
    );
    assert!(text.contains("process_resident_memory_bytes"));
    // The request before is in it, in buckets.
    let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
    assert!(
        text.contains("http_server_request_duration_seconds_bucket{route=\"/metrics\""),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_its_records_takes_no_more_and_reads_go_on() {
    let folder = TempDir::new().unwrap();
    let services = Services::spawn(settings(&folder)).await.unwrap();
    let posts = format!("http://{}/api/v1/posts", services.api_addr());
    let request = reqwest::Client::new().post(posts).header("prefer", "wait=10");
    let answer = request.json(&json!({"id": "old", "content": "Old."})).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    services.shutdown(ShutdownSettings::AT_ONCE).await;

    std::fs::remove_dir_all(folder.path().join("data/log")).unwrap();
    let services = Services::spawn(settings(&folder)).await.unwrap();
    let posts = format!("http://{}/api/v1/posts", services.api_addr());
    let (status, problem) = get(format!("http://{}/readyz", services.ops_addr())).await;
    assert_eq!(status, 503, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("lost its end"), "{problem}");
    let (status, problem) = post(posts.clone(), json!({"id": "new", "content": "New."})).await;
    assert_eq!((status, &problem["type"]), (507, &json!("urn:hubbub:problem:storage-full")));
    assert_eq!(get(format!("{posts}/old")).await.0, 200);
}
