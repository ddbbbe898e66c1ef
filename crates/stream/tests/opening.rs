//! The data folder, and the settings of the log in it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod support;

use std::collections::HashMap;
use std::fs;

use bytesize::ByteSize;
use hubbub_events::Topic;
use hubbub_stream::segments::SegmentsSettings;
use hubbub_stream::{DataFolder, DataFolderError, Error, LogSettings, from_config};
use hubbub_testkit::log_conformance::{append, posts, records};
use support::{LogFolder, no_floors};

#[test]
fn one_process_has_a_folder_and_the_others_are_told_which() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("a/b");
    let held = DataFolder::open(&path).unwrap();
    let shared = held.clone();
    drop(held);
    let refused = DataFolder::open(&path).unwrap_err();
    let DataFolderError::Locked { holder, .. } = &refused else {
        panic!("{refused}");
    };
    assert_eq!(*holder, std::process::id().to_string());
    assert!(refused.to_string().contains(&path.display().to_string()), "{refused}");
    drop(shared);
    DataFolder::open(&path).unwrap();
}

#[test]
fn an_identity_is_made_once() {
    let parent = tempfile::tempdir().unwrap();
    let identity = |name: &str| DataFolder::open(&parent.path().join(name)).unwrap().identity();
    let first = identity("one");
    assert_eq!(identity("one"), first);
    assert_ne!(identity("two"), first);
}

#[test]
fn a_folder_that_was_half_made_is_made_whole() {
    let parent = tempfile::tempdir().unwrap();
    let identity = DataFolder::open(parent.path()).unwrap().identity();
    fs::remove_file(parent.path().join("FORMAT")).unwrap();
    fs::write(parent.path().join("FORMAT.new"), "").unwrap();
    assert_eq!(DataFolder::open(parent.path()).unwrap().identity(), identity);
    fs::remove_file(parent.path().join("FORMAT")).unwrap();
    fs::remove_file(parent.path().join("IDENTITY")).unwrap();
    assert_ne!(DataFolder::open(parent.path()).unwrap().identity(), identity);
}

#[test]
fn a_folder_that_this_build_cannot_read_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    DataFolder::open(parent.path()).unwrap();
    fs::write(parent.path().join("FORMAT"), "7\n").unwrap();
    let refused = DataFolder::open(parent.path()).unwrap_err();
    assert!(matches!(refused, DataFolderError::Newer { found: 7, supported: 1, .. }), "{refused}");
    for (file, text) in [("FORMAT", "one"), ("FORMAT", "0"), ("IDENTITY", "me")] {
        fs::write(parent.path().join("FORMAT"), "1\n").unwrap();
        fs::write(parent.path().join(file), text).unwrap();
        let refused = DataFolder::open(parent.path()).unwrap_err();
        assert!(matches!(refused, DataFolderError::Invalid { .. }), "{refused}");
        assert!(refused.to_string().contains(file), "{refused}");
    }
    fs::write(parent.path().join("FORMAT"), "1\n").unwrap();
    fs::remove_file(parent.path().join("IDENTITY")).unwrap();
    let refused = DataFolder::open(parent.path()).unwrap_err();
    assert!(matches!(refused, DataFolderError::Invalid { .. }), "{refused}");
}

#[tokio::test]
async fn the_number_of_partitions_is_that_of_the_beginning() {
    let mut folder = LogFolder::new();
    drop(folder.open());
    folder.settings.partitions = 6;
    let Err(Error::Permanent(why)) = folder.open_with(&no_floors()) else {
        panic!("another number of partitions");
    };
    assert!(why.contains("is 6") && why.contains("with 4"), "{why}");
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let refused = |change: fn(&mut SegmentsSettings)| {
        let mut folder = LogFolder::new();
        change(&mut folder.settings);
        match folder.open_with(&no_floors()) {
            Err(Error::Permanent(why)) => why,
            other => panic!("{:?}", other.map(|_| ())),
        }
    };
    for (why, parts) in [
        (refused(|settings| settings.partitions = 0), ["segments.partitions", "is 0", "1024"]),
        (
            refused(|settings| settings.segment_size = ByteSize::kib(1)),
            ["segments.segment_size", "1.0 KiB", "64.0 KiB to 1.0 GiB"],
        ),
        (
            refused(|settings| settings.queue_size = ByteSize::gib(2)),
            ["segments.queue_size", "2.0 GiB", "64.0 KiB to 1.0 GiB"],
        ),
    ] {
        assert!(parts.iter().all(|part| why.contains(part)), "{why}");
    }
}

#[test]
fn settings_name_nothing_unknown() {
    let parse = |text: &str| serde_json::from_str::<SegmentsSettings>(text);
    let settings =
        r#"{"partitions":12,"segment_size":"64MiB","queue_size":"32MiB","reserve":"128MiB"}"#;
    assert_eq!(parse(settings).unwrap(), SegmentsSettings::default());
    assert!(
        parse(&settings.replace("queue_size", "queue")).unwrap_err().to_string().contains("queue")
    );
}

#[tokio::test]
async fn the_settings_open_a_log() {
    let parent = tempfile::tempdir().unwrap();
    let data = DataFolder::open(parent.path()).unwrap();
    let settings = LogSettings::Segments {
        settings: SegmentsSettings::default(),
        data: data.clone(),
        floors: HashMap::new(),
    };
    let log = from_config(settings).await.unwrap();
    assert_eq!(log.identity(), data.identity());
    assert_eq!(log.partitions(Topic::DeadLetters), 12);
    assert_eq!(append(&*log, &records(posts(11), 0..2)).await, [0, 1]);
}
