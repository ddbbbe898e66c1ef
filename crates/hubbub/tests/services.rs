//! A whole hubbub in the test's process: its start, its end, and what operators see.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

use std::{collections::HashMap, ffi::OsString, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hubbub::{Services, Settings, Sources, settings::ShutdownSettings};
use hubbub_events::{Action, PostEvent, Timestamp, Topic, TopicPartition, partition_of};
use hubbub_stream::{DataFolder, LogSettings, NewRecord};
use hubbub_testkit::{client::eventually, operations::Metrics};
use serde_json::{Value, json};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

fn settings(folder: &TempDir) -> Settings {
    let variable = |name: &str, value: &str| (OsString::from(name), OsString::from(value));
    let sources = Sources {
        variables: vec![
            variable("HUBBUB__HTTP__LISTEN", "127.0.0.1:0"),
            variable("HUBBUB__OPERATIONS__LISTEN", "127.0.0.1:0"),
            variable("HUBBUB__SEGMENTS__PARTITIONS", "2"),
        ],
        data: Some(folder.path().join("data")),
        ..Sources::default()
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
    let log = hubbub_stream::from_config(LogSettings::Segments {
        settings: settings.segments.clone(),
        data,
        floors: HashMap::new(),
    });
    let log = log.await.unwrap();
    let partition = partition_of(b"foreign", log.partitions(Topic::Posts));
    let records = values.iter().map(|value| NewRecord {
        topic_partition: TopicPartition { topic: Topic::Posts, partition },
        key: Bytes::from_static(b"foreign"),
        value: Bytes::from_static(value),
        headers: vec![("from".into(), Bytes::from_static(b"elsewhere"))],
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
    let posts = format!("http://{}/api/v1/posts", services.api_addr().unwrap());
    let body = json!({"id": "kept", "user_id": "ada", "content": "Kept."});
    assert_eq!(post(posts, body).await.0, 202);
    services.shutdown(ShutdownSettings::AT_ONCE).await;

    let services = Services::spawn(settings(&folder)).await.unwrap();
    let kept = format!("http://{}/api/v1/posts/kept", services.api_addr().unwrap());
    eventually(PATIENCE, || async {
        let answer = get(kept.clone()).await;
        if answer.0 == 200 { Ok(()) } else { Err(answer.1) }
    })
    .await;
    services.shutdown(ShutdownSettings::AT_ONCE).await;
}

/// In one process what the projections write is dropped from what was answered before.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_read_at_once_without_a_token() {
    let folder = TempDir::new().unwrap();
    let services = Services::spawn(settings(&folder)).await.unwrap();
    let posts = format!("http://{}/api/v1/posts", services.api_addr().unwrap());
    let client = reqwest::Client::new();
    let waited = |request: reqwest::RequestBuilder, body: Value| async move {
        let answer = request.header("prefer", "wait=10").json(&body).send().await.unwrap();
        assert!(answer.headers().contains_key("preference-applied"), "{answer:?}");
        answer.status().as_u16()
    };
    let body = json!({"id": "p", "user_id": "ada", "content": "Version 1."});
    assert_eq!(waited(client.post(&posts), body).await, 201);
    let post = format!("{posts}/p");
    for version in 2..50 {
        // Kept for the next reader.
        assert_eq!(get(post.clone()).await.1["version"], version - 1);
        let content = format!("Version {version}.");
        let body = json!({"user_id": "ada", "content": &content});
        assert_eq!(waited(client.patch(&post), body).await, 200);
        let (_, answer) = get(post.clone()).await;
        assert_eq!((&answer["version"], &answer["content"]), (&json!(version), &json!(content)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stops_says_so_while_it_still_serves() {
    let folder = TempDir::new().unwrap();
    let services = Services::spawn(settings(&folder)).await.unwrap();
    let operations = format!("http://{}", services.ops_addr());
    let post = format!("http://{}/api/v1/users/nobody/posts", services.api_addr().unwrap());
    assert_eq!(get(format!("{operations}/readyz")).await.0, 200);

    let unready_wait = Duration::from_secs(5);
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

    let (code, problem) = post(resume.clone(), json!({"partition": 99})).await;
    assert_eq!(code, 422, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("99 does not exist: 0 to "), "{problem}");
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
    assert_eq!(shown["version"], env!("CARGO_PKG_VERSION"));
    assert!(shown["decoded"]["broken"].as_str().unwrap().starts_with("byte 0: "), "{shown}");

    for (path, status) in
        [("/0/99", 404), ("/99/0", 404), ("/0/x", 422), ("?limit=0", 422), ("?page=1", 400)]
    {
        assert_eq!(get(format!("{letters}{path}")).await.0, status, "{path}");
    }
}

/// The dead letters of a projection, once there are so many.
async fn letters_of(operations: &str, projection: &str, count: usize) -> Vec<Value> {
    eventually(PATIENCE, || async {
        let (_, page) = get(format!("{operations}/dead-letters")).await;
        let items = page["items"].as_array().cloned().unwrap_or_default();
        let items: Vec<_> =
            items.into_iter().filter(|item| item["projection"] == projection).collect();
        if items.len() == count { Ok(items) } else { Err(page) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_counted_and_aged() {
    let folder = TempDir::new().unwrap();
    append(&settings(&folder), &[b"\xff\xff", b"\xff\xfe"]).await;
    let services = Services::spawn(settings(&folder)).await.unwrap();
    let operations = format!("http://{}", services.ops_addr());
    eventually(PATIENCE, || async {
        let metrics = reqwest::get(format!("{operations}/metrics")).await.unwrap();
        let metrics = Metrics(metrics.text().await.unwrap());
        let retained = metrics.sum("hubbub_dead_letters_retained", &[]);
        let oldest = metrics.sum("hubbub_dead_letters_oldest_seconds", &[]);
        if (retained, oldest > 0.0) == (6.0, true) { Ok(()) } else { Err(metrics.0) }
    })
    .await;
}

/// Every letter of the record says so, and however often: it is one event.
#[tokio::test(flavor = "multi_thread")]
async fn a_repaired_letter_is_a_new_event_once() {
    let folder = TempDir::new().unwrap();
    let event = |post_id: &str| PostEvent {
        event_id: "repaired".to_owned(),
        time: Timestamp(1_700_000_000_000),
        user_id: "ada".to_owned(),
        post_id: post_id.to_owned(),
        action: Action::Created { content: "Mended.".to_owned(), hashtags: Vec::new() },
    };
    let whole = event("foreign").encode();
    append(&settings(&folder), &[b"\xff\xff"]).await;
    let services = Services::spawn(settings(&folder)).await.unwrap();
    let operations = format!("http://{}", services.ops_addr());
    let at = |letter: &Value| {
        format!("{operations}/dead-letters/{}/{}/repair", letter["partition"], letter["offset"])
    };
    let of_likes = letters_of(&operations, "likes", 1).await.remove(0);
    let of_posts = letters_of(&operations, "posts", 1).await.remove(0);
    let with = |bytes: &[u8]| json!({"value": STANDARD.encode(bytes)});

    // What is no event, or another key's, is refused with what is wrong.
    for (bytes, why) in [
        (&whole[..whole.len() - 1], "not repaired yet"),
        (&event("another").encode()[..], "the record's key is not the post_id"),
        (b"\x10\x63", "newer hubbub"),
    ] {
        let (status, problem) = post(at(&of_likes), with(bytes)).await;
        assert_eq!(status, 422, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
    let (status, problem) = post(at(&of_likes), json!({"value": "no base64!"})).await;
    assert_eq!(status, 422, "{problem}");

    let mut dry = with(&whole);
    dry["dry_run"] = json!(true);
    let (status, said) = post(at(&of_likes), dry).await;
    assert_eq!((status, &said["position"], &said["was_there"]), (200, &Value::Null, &json!(false)));
    let says = said["says"]["fields"].as_array().unwrap();
    assert!(says.contains(&json!({"name": "post_created.content", "value": "Mended."})), "{said}");

    let (status, said) = post(at(&of_likes), with(&whole)).await;
    assert_eq!((status, &said["was_there"]), (200, &json!(false)), "{said}");
    let position = said["position"].as_str().unwrap().to_owned();
    assert!(position.ends_with("@1"), "{position}");
    for letter in [&of_likes, &of_posts] {
        let (status, again) = post(at(letter), with(&whole)).await;
        assert_eq!((status, &again["was_there"]), (200, &json!(true)), "{again}");
        assert_eq!(again["position"], json!(position));
    }
    let posts = format!("http://{}/api/v1/posts/foreign", services.api_addr().unwrap());
    eventually(PATIENCE, || async {
        let (status, answer) = get(posts.clone()).await;
        if status == 200 && answer["content"] == "Mended." { Ok(()) } else { Err(answer) }
    })
    .await;
    letters_of(&operations, "likes", 1).await;
}

/// One write of the log is damaged; what is in others is listed all the same.
#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_that_cannot_be_read_do_not_hide_the_others() {
    let folder = TempDir::new().unwrap();
    let settings = settings(&folder);
    let data = DataFolder::open(&settings.data.path).unwrap();
    let opening = || {
        hubbub_stream::from_config(LogSettings::Segments {
            settings: settings.segments.clone(),
            data: data.clone(),
            floors: HashMap::new(),
        })
    };
    let log = opening().await.unwrap();
    for (partition, value) in [(0, "the first"), (1, "to be damaged"), (1, "the last")] {
        let letter = NewRecord {
            topic_partition: TopicPartition { topic: Topic::DeadLetters, partition },
            key: Bytes::from_static(b"foreign"),
            value: value.into(),
            headers: Vec::new(),
            time: Timestamp::now(),
        };
        assert!(log.append(vec![letter]).await[0].is_ok());
    }
    log.close().await;
    drop(log);
    let segment = std::fs::read_dir(data.log()).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.into_iter().find(|path| path.extension().is_some_and(|end| end == "log"));
    let segment = segment.unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let value = bytes.windows(13).position(|bytes| bytes == b"to be damaged").unwrap();
    bytes[value] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    drop(data);

    let services = Services::spawn(settings.clone()).await.unwrap();
    let (status, page) = get(format!("http://{}/dead-letters", services.ops_addr())).await;
    assert_eq!(status, 200, "{page}");
    let listed = page["items"].as_array().unwrap();
    assert_eq!((listed.len(), &listed[0]["value_bytes"]), (1, &json!(9)), "{page}");
    let missing = page["unreadable"].as_array().unwrap();
    assert_eq!((missing.len(), &missing[0]["partition"]), (1, &json!(1)), "{page}");
    assert_eq!(missing[0]["offset"], 0);
    assert!(!missing[0]["reason"].as_str().unwrap().is_empty());
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
    let posts = format!("http://{}/api/v1/posts", services.api_addr().unwrap());
    let request = reqwest::Client::new().post(posts).header("prefer", "wait=10");
    let answer = request.json(&json!({"id": "old", "content": "Old."})).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    services.shutdown(ShutdownSettings::AT_ONCE).await;

    std::fs::remove_dir_all(folder.path().join("data/log")).unwrap();
    let services = Services::spawn(settings(&folder)).await.unwrap();
    let posts = format!("http://{}/api/v1/posts", services.api_addr().unwrap());
    let (status, problem) = get(format!("http://{}/readyz", services.ops_addr())).await;
    assert_eq!(status, 503, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("lost its end"), "{problem}");
    let (status, problem) = post(posts.clone(), json!({"id": "new", "content": "New."})).await;
    assert_eq!((status, &problem["type"]), (507, &json!("urn:hubbub:problem:storage-full")));
    assert_eq!(get(format!("{posts}/old")).await.0, 200);
}
