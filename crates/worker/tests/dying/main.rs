//! Processes that really die of a record: they go on one by one, and halt at it, on a log and tables on disk.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

mod child;
mod deadly;
mod ground;

use std::{os::unix::process::ExitStatusExt, time::Duration};

use hubbub_events::{Action, Offset, PostEvent, Topic, TopicPartition};
use hubbub_testkit::{client::eventually, fleet::Fleet, process::Signal, story};
use tempfile::TempDir;

use crate::{
    child::{Child, Life},
    deadly::{ABORTS, SHATTERS},
    ground::Ground,
};

/// How long a process may take to die, or to say something.
const PATIENCE: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 2;
/// Below the first of them.
const BATCH: usize = 8;
const DEADLY_AT: Offset = 13;
const RECORDS: usize = 24;

const fn posts(partition: i32) -> TopicPartition {
    TopicPartition { topic: Topic::Posts, partition }
}

fn id_in(of: TopicPartition, begin: &str) -> String {
    let mut ids = (0..).map(|number| format!("{begin}{number}"));
    let partition = |id: &String| hubbub_events::partition_of(id.as_bytes(), PARTITIONS);
    ids.find(|id| partition(id) == of.partition).unwrap()
}

/// A log with posts in both partitions, one of which ends whoever folds it.
async fn fill(ground: &Ground, deadly: &str) {
    let log = ground.log().await;
    let events = (0..RECORDS).flat_map(|number| {
        let is_deadly = number as Offset == DEADLY_AT;
        let begin = if is_deadly { deadly.to_owned() } else { format!("post-{number}-") };
        [id_in(posts(0), &begin), id_in(posts(1), &format!("other-{number}-"))]
    });
    let created = |(number, id): (usize, String)| {
        let action = Action::Created { content: "words".to_owned(), hashtags: Vec::new() };
        let event: PostEvent = story::event(number, "ann", &id, action);
        story::record(&event, PARTITIONS)
    };
    let appended = log.append(events.enumerate().map(created).collect()).await;
    assert!(appended.iter().all(Result::is_ok), "{appended:?}");
    log.close().await;
}

/// Lets processes die until one does not; the frontier that each of them left.
async fn deaths(ground: &Ground) -> Vec<Offset> {
    let mut left = Vec::new();
    loop {
        let mut child = Child::start(ground, Life::default());
        if child.stays(PATIENCE).await {
            child.end().await;
            return left;
        }
        let status = child.ended().await;
        assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{}", child.output());
        left.push(ground.frontier(posts(0)).await);
        assert!(left.len() < 10, "it dies and dies: {left:?}");
    }
}

async fn dies_and_halts(ground: &Ground, deadly: &str) {
    fill(ground, deadly).await;
    let left = deaths(ground).await;
    match ground {
        // In the middle of a run; in the batch that was noted; alone, and alone again.
        Ground::Folder(_) => assert_eq!(left, [7, 7, 12, 12]),
        // A broker decides what comes at once; the record's own batch may come alone at first.
        Ground::Servers { .. } => {
            assert!((2..=4).contains(&left.len()) && left.ends_with(&[12, 12]), "{left:?}");
        }
    }

    // Halted it stays, through restarts; the other partition is done.
    for _ in 0..2 {
        let mut child = Child::start(ground, Life::default());
        child.says(&format!("halted crash {DEADLY_AT}"), PATIENCE).await;
        child.says(&format!("folded 1 {}", RECORDS - 1), PATIENCE).await;
        child.end().await;
        assert_eq!(ground.frontier(posts(0)).await, DEADLY_AT - 1);
    }

    // Resumed without a mend it dies once, and halts again.
    let resumed = Life { is_resumed: true, ..Life::default() };
    let mut child = Child::start(ground, resumed);
    let status = child.ended().await;
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{}", child.output());
    let mut child = Child::start(ground, Life::default());
    child.says(&format!("halted crash {DEADLY_AT}"), PATIENCE).await;
    child.end().await;

    // Mended and resumed, it folds to the end, and nothing is left of it.
    let mut child = Child::start(ground, Life { is_resumed: true, is_mended: true });
    child.says(&format!("folded 0 {}", RECORDS - 1), PATIENCE).await;
    child.end().await;
    let mut child = Child::start(ground, Life { is_mended: true, ..Life::default() });
    child.says(&format!("folded 0 {}", RECORDS - 1), PATIENCE).await;
    assert!(!child.output().contains("halted"), "{}", child.output());
    child.end().await;
}

#[tokio::test]
async fn a_record_whose_fold_ends_the_process_is_found_and_halted_at() {
    let folder = TempDir::new().unwrap();
    dies_and_halts(&Ground::of_folder(&folder), ABORTS).await;
}

/// Each process waits until the group has given up the one before it.
#[tokio::test]
async fn so_it_is_where_log_and_tables_are_elsewhere() {
    let fleet = Fleet::without_binary(PARTITIONS as u16).await;
    dies_and_halts(&Ground::of_fleet(&fleet), ABORTS).await;
}

#[tokio::test]
async fn so_is_one_whose_decoding_does() {
    let folder = TempDir::new().unwrap();
    dies_and_halts(&Ground::of_folder(&folder), SHATTERS).await;
}

/// What an orchestrator does, and what a machine does: no record is to blame.
#[tokio::test]
async fn processes_that_are_ended_again_and_again_halt_nothing() {
    let folder = TempDir::new().unwrap();
    let ground = &Ground::of_folder(&folder);
    fill(ground, "harmless").await;
    for _ in 0..6 {
        let mut child = Child::start(ground, Life::default());
        child.says("started", PATIENCE).await;
        child.end().await;
    }
    let mut child = Child::start(ground, Life::default());
    eventually(PATIENCE, || async {
        let output = child.output();
        let done =
            (0..PARTITIONS).all(|of| output.contains(&format!("folded {of} {}", RECORDS - 1)));
        if done { Ok(()) } else { Err(output) }
    })
    .await;
    assert!(!child.output().contains("halted"), "{}", child.output());
    child.end().await;
}
