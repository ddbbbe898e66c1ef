//! What others see of the log: JVM clients, kcat, and whoever has the .proto file.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output, Stdio};

use bytes::Bytes;
use hubbub_events::ids::mint_event_id;
use hubbub_events::{Action, Id, PostEvent, Timestamp, Topic, TopicPartition, partition_of};
use hubbub_stream::{Log, NewRecord};
use hubbub_testkit::log_conformance::{append, posts};
use hubbub_testkit::stack;
use prost_reflect::DynamicMessage;

use crate::support::OwnTopics;
use hubbub_testkit::server::kafka::jars;

fn run(command: &mut Command, install: &str, input: &str) -> Output {
    let started =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut process = started.unwrap_or_else(|error| {
        let program = command.get_program().display();
        panic!("{program}: {error}; install it with `apt-get install {install}`")
    });
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

#[tokio::test]
async fn jvm_clients_agree_on_the_partition_of_a_key() {
    let own = OwnTopics::new().await;
    let minted = (0..200).map(|_| Id::mint().into_string());
    let derived = (0..50).map(|n| Id::derived("u1", "k", Some(n)).into_string());
    let odd = ["a", "ab", "abc", "abcd", "Größe", "~x", "0"].map(str::to_owned);
    let keys: Vec<String> = minted.chain(derived).chain(odd).collect();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/java/Partitions.java");
    let mut java = Command::new("java");
    java.args(["-Xmx128m", "-cp", &jars(), program, &stack::kafka(), &own.name(Topic::Posts)]);
    let output = run(&mut java, "openjdk-17-jdk-headless", &keys.join("\n"));
    let told = String::from_utf8(output.stdout).unwrap();
    let told: BTreeMap<&str, i32> = told
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(key, partition)| (key, partition.parse().unwrap()))
        .collect();
    assert_eq!(told.len(), keys.len());
    for key in &keys {
        assert_eq!(told[key.as_str()], partition_of(key.as_bytes(), 4), "{key}");
    }
}

#[tokio::test]
async fn kcat_and_the_proto_file_are_all_it_takes_to_read_the_log() {
    let own = OwnTopics::new().await;
    let log = own.open().await;
    let event = PostEvent {
        event_id: mint_event_id(),
        time: Timestamp(1_700_000_000_123),
        user_id: "u1".to_owned(),
        post_id: "p1".to_owned(),
        action: Action::Created {
            content: "Grüße #welt".to_owned(),
            hashtags: vec!["welt".to_owned()],
        },
    };
    let of = TopicPartition { topic: Topic::Posts, partition: partition_of(b"p1", 4) };
    let headers = event.headers().map(|(name, value)| (name.into(), value)).to_vec();
    let appended = NewRecord {
        topic_partition: of,
        key: Bytes::from_static(b"p1"),
        value: event.encode().into(),
        headers: headers.clone(),
        time: event.time,
    };
    append(&log, &[appended]).await;

    let (address, topic, partition) =
        (stack::kafka(), own.name(Topic::Posts), of.partition.to_string());
    let kcat = |format: &str| {
        let mut kcat = Command::new("kcat");
        kcat.args(["-C", "-q", "-e", "-b", &address, "-t", &topic, "-p", &partition, "-f", format]);
        run(&mut kcat, "kcat", "").stdout
    };
    let shown = String::from_utf8(kcat("%k|%T|%h")).unwrap();
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| format!("{name}={}", String::from_utf8_lossy(value)))
        .collect();
    assert_eq!(shown, format!("p1|1700000000123|{}", headers.join(",")));

    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../../proto");
    let files = protox::compile(["hubbub/v1/event.proto"], [proto]).unwrap();
    let pool = prost_reflect::DescriptorPool::from_file_descriptor_set(files).unwrap();
    let message = pool.get_message_by_name("hubbub.v1.Event").unwrap();
    let read = DynamicMessage::decode(message, &kcat("%s")[..]).unwrap();
    let field = |message: &DynamicMessage, name: &str| {
        message.get_field_by_name(name).unwrap().into_owned()
    };
    assert_eq!(field(&read, "id").as_str(), Some(event.event_id.as_str()));
    assert_eq!(field(&read, "user_id").as_str(), Some("u1"));
    let created = field(&read, "post_created");
    let created = created.as_message().unwrap();
    assert_eq!(field(created, "post_id").as_str(), Some("p1"));
    assert_eq!(field(created, "content").as_str(), Some("Grüße #welt"));
    assert_eq!(field(created, "hashtags").as_list().unwrap()[0].as_str(), Some("welt"));
}

/// What others write may lack a key, a value and decent names of headers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_records_are_read_as_they_are() {
    let own = OwnTopics::new().await;
    let log = own.open().await;
    let mut kcat = Command::new("kcat");
    let (address, topic) = (stack::kafka(), own.name(Topic::Posts));
    kcat.args(["-P", "-b", &address, "-t", &topic, "-p", "0", "-Z", "-z", "gzip"]);
    run(&mut kcat, "kcat", "only a value\n");
    let mut kcat = Command::new("kcat");
    kcat.args(["-P", "-b", &address, "-t", &topic, "-p", "0", "-K", ":", "-Z", "-z", "zstd"]);
    kcat.args(["-H", "a=b", "-H", "c="]);
    run(&mut kcat, "kcat", "only a key:\n");
    let mut kcat = Command::new("kcat");
    kcat.args(["-P", "-b", &address, "-t", &topic, "-p", "0", "-H"]);
    kcat.arg(OsStr::from_bytes(b"not UTF-8: \xFF=b"));
    run(&mut kcat, "kcat", "a value\n");
    let mut read = Vec::new();
    while read.len() < 3 {
        read.extend(log.read(posts(0), read.len() as i64, 1).await.unwrap());
    }
    assert_eq!((&read[0].key[..], &read[0].value[..]), (&b""[..], &b"only a value"[..]));
    assert_eq!((&read[1].key[..], &read[1].value[..]), (&b"only a key"[..], &b""[..]));
    let header = |name: &'static str, value| (name.into(), Bytes::from_static(value));
    assert_eq!(read[1].headers, [header("a", b"b"), header("c", b"")]);
    assert_eq!((&read[2].value[..], read[2].headers.len()), (&b"a value"[..], 0));
}
