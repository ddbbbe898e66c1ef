//! Consumers that keep up read from memory, and those that fall behind from the files.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod support;

use std::collections::BTreeSet;

use bytesize::ByteSize;
use hubbub_stream::{Log, NewRecord};
use hubbub_testkit::log_conformance::{
    Follower, append, assert_contiguous, posts, record, records,
};
use support::LogFolder;

/// Records of 100,000 bytes with these numbers.
fn large(partition: i32, numbers: std::ops::Range<usize>) -> Vec<NewRecord> {
    let records = numbers.map(|number| NewRecord {
        value: vec![number as u8; 100_000].into(),
        ..record(posts(partition), number)
    });
    records.collect()
}

/// One partition with a long backlog does not starve the others.
#[tokio::test]
async fn partitions_take_turns() {
    let mut folder = LogFolder::new();
    folder.settings.segment_size = ByteSize::mib(8);
    let log = folder.open();
    append(&log, &large(0, 0..160)).await;
    append(&log, &records(posts(3), 0..10)).await;
    drop(log);
    let log = folder.open();
    let mut follower = Follower::join(&log, "turns", posts(0).topic, []).await;
    follower.until(posts(3), 10).await;
    let ahead: BTreeSet<_> = follower.of(posts(0)).iter().map(|record| record.offset).collect();
    assert!(ahead.len() < 80, "{} of 160 came first", ahead.len());
    follower.until(posts(0), 160).await;
    assert_contiguous(follower.of(posts(0)), 0);
}

/// More is appended than memory keeps, while one partition keeps up and one is paused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_partition_goes_on_from_the_files() {
    let mut folder = LogFolder::new();
    folder.settings.segment_size = ByteSize::mib(1);
    let log = folder.open();
    let mut follower = Follower::join(&log, "behind", posts(0).topic, []).await;
    follower.until_assigned(posts(3)).await;
    append(&log, &large(0, 0..2)).await;
    follower.until(posts(0), 2).await;
    follower.consumer().pause(posts(0));
    for call in 0..40 {
        append(&log, &large(0, 2 + call * 2..4 + call * 2)).await;
        append(&log, &large(1, call * 2..2 + call * 2)).await;
        follower.until(posts(1), call * 2 + 2).await;
    }
    assert_eq!(follower.of(posts(0)).len(), 2);
    follower.consumer().resume(posts(0));
    follower.until(posts(0), 82).await;
    assert_contiguous(follower.of(posts(0)), 0);
    for (number, read) in follower.of(posts(0)).iter().enumerate() {
        assert_eq!(read.value, vec![number as u8; 100_000]);
    }
    assert_eq!(log.bounds(posts(1)).await.unwrap(), 0..80);
}
