//! The program as a shell sees it: exit codes, and what it prints.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

use std::{
    collections::HashMap,
    fs::File,
    io,
    net::TcpListener,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hubbub::{Services, Settings, Sources, settings::ShutdownSettings};
use hubbub_events::{Action, PostEvent, Timestamp, Topic, TopicPartition, partition_of};
use hubbub_stream::{DataFolder, LogSettings, NewRecord};
use hubbub_testkit::{
    client::eventually,
    process::{Process, Signal, all_in_one},
};
use serde_json::{Value, json};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);

/// The program without the settings of whoever runs the tests.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("HUBBUB__") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

fn settings(folder: &TempDir) -> Settings {
    let free_port = |name: &str| (name.into(), "127.0.0.1:0".into());
    let sources = Sources {
        variables: vec![free_port("HUBBUB__HTTP__LISTEN"), free_port("HUBBUB__OPERATIONS__LISTEN")],
        data: Some(folder.path().join("data")),
        ..Sources::default()
    };
    Settings::load(&sources).unwrap()
}

async fn running(folder: &TempDir) -> (Services, String) {
    let services = Services::spawn(settings(folder)).await.unwrap();
    let url = format!("http://{}", services.ops_addr());
    (services, url)
}

#[test]
fn usage_and_settings_exit_with_2() {
    let (code, _, error) = run(&mut command(&["--nothing"]));
    assert_eq!(code, Some(2), "{error}");

    let mut bad = command(&[]);
    let (code, _, error) = run(bad.env("HUBBUB__SEGMENTS__PARTITIONS", "twelve"));
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("segments.partitions"), "{error}");
}

/// As `hubbub config | head -1` may do.
#[test]
fn who_reads_no_further_is_told_of_no_error() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let output = command(&["config"]).stdout(writer).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), error.as_str()), (Some(1), ""));
}

#[test]
fn config_prints_the_settings_in_effect_without_secrets() {
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, "/s3cr3t").unwrap();
    let mut config = command(&["config"]);
    config.env("HUBBUB__DATA__PATH_FILE", &secret).env("HUBBUB__SEGMENTS__PARTITIONS", "3");
    let (code, printed, error) = run(&mut config);
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(printed.contains("partitions = 3  # HUBBUB__SEGMENTS__PARTITIONS"), "{printed}");
    assert!(printed.contains("\"***\"") && !printed.contains("s3cr3t"), "{printed}");
}

#[test]
fn a_taken_port_is_told_with_its_setting() {
    let folder = TempDir::new().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut hubbub = command(&["--data", folder.path().join("data").to_str().unwrap()]);
    hubbub.env("HUBBUB__HTTP__LISTEN", &address).env("HUBBUB__OPERATIONS__LISTEN", "127.0.0.1:0");
    let (code, _, error) = run(hubbub.env("HUBBUB__TELEMETRY__LOG_FORMAT", "text"));
    assert_eq!(code, Some(1), "{error}");
    assert!(
        error.contains(&format!("http.listen: address {address} is already in use")),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_folder_in_use_is_told_with_the_process() {
    let folder = TempDir::new().unwrap();
    let (services, _) = running(&folder).await;
    let mut second = command(&["--data", folder.path().join("data").to_str().unwrap()]);
    second
        .env("HUBBUB__HTTP__LISTEN", "127.0.0.1:0")
        .env("HUBBUB__OPERATIONS__LISTEN", "127.0.0.1:0");
    let (code, _, error) = run(&mut second);
    assert_eq!(code, Some(1), "{error}");
    // Not on a terminal it is a line of JSON, like all others.
    let line: Value = serde_json::from_str(error.trim()).unwrap();
    assert_eq!((&line["level"], &line["role"]), (&json!("ERROR"), &json!("all")));
    let told = line["message"].as_str().unwrap();
    let by = format!("in use by process {}", std::process::id());
    assert!(told.contains(&by) && told.contains("data"), "{told}");
    drop(services);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthcheck_asks_whether_it_is_ready() {
    let folder = TempDir::new().unwrap();
    let (services, url) = running(&folder).await;
    let (code, printed, _) = run(&mut command(&["healthcheck", "--url", &url]));
    assert_eq!((code, printed.as_str()), (Some(0), "ready\n"));

    // By default it asks where the settings say that the port is.
    let address = services.ops_addr().to_string();
    let mut by_settings = command(&["healthcheck"]);
    let (code, ..) = run(by_settings.env("HUBBUB__OPERATIONS__LISTEN", &address));
    assert_eq!(code, Some(0));

    services.shutdown(ShutdownSettings::AT_ONCE).await;
    let (code, _, error) = run(&mut command(&["healthcheck", "--url", &url]));
    assert_eq!(code, Some(1));
    assert!(error.contains("does not answer"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_and_halts_are_asked_of_the_running_process() {
    let folder = TempDir::new().unwrap();
    let (_services, url) = running(&folder).await;
    let (code, printed, _) = run(&mut command(&["dead-letters", "list", "--url", &url]));
    assert_eq!((code, printed.as_str()), (Some(0), "no dead letters\n"));

    let (code, _, error) = run(&mut command(&["dead-letters", "show", "3", "17", "--url", &url]));
    assert_eq!(code, Some(1));
    assert!(error.contains("no dead letter at partition 3, offset 17"), "{error}");

    let (code, printed, _) =
        run(&mut command(&["resume", "--projection", "posts", "--partition", "1", "--url", &url]));
    assert_eq!((code, printed.as_str()), (Some(0), "no partition was halted\n"));

    let (code, ..) = run(&mut command(&["resume", "--projection", "nothing", "--url", &url]));
    assert_eq!(code, Some(2));
    let (code, _, error) = run(&mut command(&["resume", "--partition", "99", "--url", &url]));
    assert_eq!(code, Some(1));
    assert!(error.contains("99 does not exist: 0 to 3 are allowed"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_repaired_by_a_file_or_a_pipe() {
    let folder = TempDir::new().unwrap();
    let key = Bytes::from_static(b"p1");
    let opening = LogSettings::Segments {
        settings: settings(&folder).segments,
        data: DataFolder::open(&settings(&folder).data.path).unwrap(),
        floors: HashMap::new(),
    };
    let log = hubbub_stream::from_config(opening).await.unwrap();
    let partition = partition_of(&key, log.partitions(Topic::Posts));
    let garbage = NewRecord {
        topic_partition: TopicPartition { topic: Topic::Posts, partition },
        key,
        value: Bytes::from_static(b"\xff\xff"),
        headers: Vec::new(),
        time: Timestamp::now(),
    };
    assert!(log.append(vec![garbage]).await[0].is_ok());
    log.close().await;
    drop(log);

    let (_services, url) = running(&folder).await;
    let letter = partition.to_string();
    let repair = |more: &[&str]| {
        let mut repair = command(&["dead-letters", "repair", &letter, "0", "--url", &url]);
        repair.args(more);
        repair
    };
    eventually(PATIENCE, || async {
        let show = ["dead-letters", "show", &letter, "0", "--url", &url];
        let (code, printed, error) = run(&mut command(&show));
        if code == Some(0) { Ok(()) } else { Err(format!("{printed}{error}")) }
    })
    .await;
    let (code, _, error) = run(&mut repair(&[]));
    assert_eq!(code, Some(1));
    assert!(error.contains("not repaired yet"), "{error}");
    let (code, _, error) = run(&mut repair(&["--value-file", "/nowhere"]));
    assert_eq!(code, Some(1));
    assert!(error.contains("/nowhere cannot be read"), "{error}");

    // As large as one may be.
    let content = "x".repeat(65_536);
    let event = PostEvent {
        event_id: "repaired",
        time: Timestamp(1_700_000_000_000),
        user_id: "ada",
        post_id: "p1",
        action: Action::Created { content: &*content, hashtags: Vec::new() },
    };
    let file = folder.path().join("repaired");
    std::fs::write(&file, event.encode()).unwrap();
    let file_name = file.to_str().unwrap();
    let (code, printed, error) = run(&mut repair(&["--dry-run", "--value-file", file_name]));
    assert_eq!((code, error.as_str()), (Some(0), ""));
    assert!(printed.contains("post_created.post_id: p1\n"), "{printed}");
    assert!(printed.contains("nothing appended: a dry run"), "{printed}");
    let mut piped = repair(&[]);
    let (code, printed, error) = run(piped.stdin(File::open(&file).unwrap()));
    assert_eq!((code, error.as_str()), (Some(0), ""));
    let appended = format!("appended at hubbub.posts.v1/{partition}@1, in place of");
    assert!(printed.contains(&appended), "{printed}");
    let (code, printed, _) = run(&mut repair(&["--value-file", file_name]));
    assert_eq!(code, Some(0));
    assert!(printed.contains("was repaired before, by hubbub.posts.v1/"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_verifies_a_running_hubbub() {
    let folder = TempDir::new().unwrap();
    let (services, operations) = running(&folder).await;
    let url = format!("http://{}", services.api_addr().unwrap());
    for _ in 0..2 {
        let (code, printed, error) = run(&mut command(&["demo", "--url", &url]));
        assert_eq!(code, Some(0), "{printed}{error}");
        assert!(printed.contains("curl") && printed.contains("Everything is as expected"));
    }

    // Something else than a hubbub's API answers otherwise, and that is told.
    let (code, _, error) = run(&mut command(&["demo", "--url", &operations]));
    assert_eq!(code, Some(1));
    assert!(error.contains("step 1: the status: expected 202, found 404"), "{error}");
}

/// A process that serves, and where it logs to.
async fn process(folder: &TempDir, variables: &[(&str, &str)]) -> Process {
    let mut command =
        all_in_one(env!("CARGO_BIN_EXE_hubbub").as_ref(), &folder.path().join("data"));
    command.envs(variables.iter().copied());
    let mut process = Process::start(command, &folder.path().join("output"));
    process.ready(PATIENCE).await;
    process
}

#[tokio::test]
async fn ctrl_c_ends_it_cleanly_and_at_once() {
    let folder = TempDir::new().unwrap();
    // What SIGTERM would wait for does not count.
    let mut process = process(&folder, &[("HUBBUB__SHUTDOWN__UNREADY_WAIT", "1h")]).await;
    process.signal(Signal::INT);
    let status = process.ended(Duration::from_secs(5)).await;
    assert_eq!(status.code(), Some(0), "{}", process.output());
}

#[tokio::test]
async fn sigterm_waits_before_it_ends_cleanly() {
    let folder = TempDir::new().unwrap();
    let mut process = process(&folder, &[("HUBBUB__SHUTDOWN__UNREADY_WAIT", "1s")]).await;
    let since = Instant::now();
    process.signal(Signal::TERM);
    let status = process.ended(PATIENCE).await;
    assert!(since.elapsed() >= Duration::from_secs(1));
    assert_eq!(status.code(), Some(0), "{}", process.output());
}

#[tokio::test]
async fn a_second_signal_ends_it_without_waiting() {
    let folder = TempDir::new().unwrap();
    let mut process = process(&folder, &[("HUBBUB__SHUTDOWN__UNREADY_WAIT", "1h")]).await;
    process.signal(Signal::TERM);
    eventually(PATIENCE, || async {
        let output = process.output();
        if output.contains("\"stopping\"") { Ok(()) } else { Err(output) }
    })
    .await;
    process.signal(Signal::TERM);
    let status = process.ended(PATIENCE).await;
    assert_eq!(status.code(), Some(1), "{}", process.output());
}

/// Every line of the log is an object with the names that tools look for.
#[tokio::test]
async fn a_log_line_is_a_flat_object() {
    let folder = TempDir::new().unwrap();
    let mut process = process(&folder, &[("HUBBUB__TELEMETRY__LOG_LEVEL", "debug")]).await;
    process.signal(Signal::INT);
    process.ended(PATIENCE).await;
    let output = process.output();
    assert!(output.contains("ready in "), "{output}");
    for line in output.lines() {
        let line: serde_json::Map<String, Value> = serde_json::from_str(line).expect(line);
        for name in ["timestamp", "level", "message", "role", "version"] {
            assert!(line[name].is_string(), "no {name}: {line:?}");
        }
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.len() == "2026-01-02T03:04:05.678Z".len() && time.ends_with('Z'), "{time}");
        assert!(line.values().all(|value| !value.is_object()), "{line:?}");
    }
}
