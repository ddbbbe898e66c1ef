//! Frontiers, and waiting for them.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod folder;

use std::{collections::HashMap, time::Duration};

use futures::{FutureExt, future::join_all};
use hubbub_events::{LogIdentity, Stamp, Topic, TopicPartition};
use hubbub_store::{Need, Progress, Store, Waited, frontiers_table, load_frontiers};
use hubbub_tables::{Change, Stored, bookkeeping::Frontier};
use tokio::time::Instant;

use crate::folder::Folder;

const POSTS: &str = "posts";
const LIKES: &str = "likes";

fn at(partition: i32) -> TopicPartition {
    TopicPartition { topic: Topic::Posts, partition }
}

fn need(projection: &'static str, partition: i32, offset: i64) -> Need {
    Need { projection, topic_partition: at(partition), offset }
}

fn behind(projection: &'static str, partition: i32, frontier: i64) -> Waited {
    Waited::Behind { projection, topic_partition: at(partition), frontier }
}

fn halted(projection: &'static str, partition: i32, reason: &str) -> Waited {
    Waited::Halted { projection, topic_partition: at(partition), reason: reason.to_owned() }
}

fn progress() -> Progress {
    Progress::new(vec![(POSTS, 1), (LIKES, 1)], 100)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(2)
}

#[tokio::test(start_paused = true)]
async fn what_is_passed_is_not_waited_for() {
    let progress = progress();
    assert_eq!(progress.frontier(POSTS, at(0)), -1);
    progress.advanced(POSTS, 1, at(0), 7);
    progress.advanced(POSTS, 1, at(0), 5);
    assert_eq!(progress.frontier(POSTS, at(0)), 7);
    assert_eq!(progress.frontier(POSTS, at(1)), -1);
    assert_eq!(progress.frontier(LIKES, at(0)), -1);
    let past = Instant::now();
    assert_eq!(progress.wait(&[], past).await, Waited::Passed);
    assert_eq!(progress.wait(&[need(POSTS, 0, 7)], past).await, Waited::Passed);
    assert_eq!(progress.wait(&[need(POSTS, 0, 8)], past).await, behind(POSTS, 0, 7));
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_when_every_need_is_met() {
    let progress = progress();
    let needs = [need(POSTS, 0, 3), need(LIKES, 0, 3), need(POSTS, 1, 0)];
    let mut wait = Box::pin(progress.wait(&needs, soon()));
    for (projection, partition, offset) in
        [(LIKES, 0, 3), (POSTS, 0, 2), (POSTS, 2, 9), (POSTS, 1, 0)]
    {
        progress.advanced(projection, 1, at(partition), offset);
        assert!(wait.as_mut().now_or_never().is_none());
    }
    progress.advanced(POSTS, 1, at(0), 4);
    assert_eq!(wait.as_mut().now_or_never(), Some(Waited::Passed));
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_at_its_deadline() {
    let progress = progress();
    progress.advanced(POSTS, 1, at(0), 3);
    progress.advanced(LIKES, 1, at(0), 1);
    let started = Instant::now();
    let waited = progress.wait(&[need(POSTS, 0, 3), need(LIKES, 0, 2)], soon()).await;
    assert_eq!(waited, behind(LIKES, 0, 1));
    assert_eq!(started.elapsed(), Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_halt_ends_waiting_for_what_it_holds_up() {
    let progress = progress();
    let needs = [need(POSTS, 0, 3), need(LIKES, 0, 3)];
    let mut wait = Box::pin(progress.wait(&needs, soon()));
    assert!(wait.as_mut().now_or_never().is_none());
    progress.halted(LIKES, 1, at(0), Some("newer-event".to_owned()));
    assert_eq!(wait.as_mut().now_or_never(), Some(halted(LIKES, 0, "newer-event")));
    assert_eq!(progress.wait(&needs, soon()).await, halted(LIKES, 0, "newer-event"));

    progress.advanced(LIKES, 1, at(0), 3);
    progress.advanced(POSTS, 1, at(0), 3);
    assert_eq!(progress.wait(&needs, soon()).await, Waited::Passed);

    progress.halted(LIKES, 1, at(0), None);
    let waited = progress.wait(&[need(LIKES, 0, 4)], soon()).await;
    assert_eq!(waited, behind(LIKES, 0, 3));
}

#[tokio::test(start_paused = true)]
async fn the_number_that_wait_is_bounded_and_those_who_leave_make_room() {
    let progress = Progress::new(vec![(POSTS, 1)], 2);
    let needs = [need(POSTS, 0, 0)];
    let mut waits: Vec<_> = (0..2).map(|_| Box::pin(progress.wait(&needs, soon()))).collect();
    for wait in &mut waits {
        assert!(wait.as_mut().now_or_never().is_none());
    }
    assert_eq!(progress.wait(&needs, soon()).now_or_never(), Some(behind(POSTS, 0, -1)));
    waits.pop();
    let mut third = Box::pin(progress.wait(&needs, soon()));
    assert!(third.as_mut().now_or_never().is_none());
    progress.advanced(POSTS, 1, at(0), 0);
    assert_eq!(third.await, Waited::Passed);
    assert_eq!(join_all(waits).await, [Waited::Passed]);
}

async fn write_frontier(
    store: &impl Store,
    of: (&str, i32),
    key: (&str, i32, i32),
    log_offset: i64,
) {
    let row = Frontier { log_offset, log_identity: "log a".to_owned() };
    let change = Change {
        partition: (of.0.to_owned(), of.1),
        head: None,
        rows: vec![(
            (key.0.to_owned(), key.1, key.2),
            Stored { stamp: Stamp(log_offset + 1), record: row },
        )],
    };
    frontiers_table(store).unwrap().apply(vec![change]).await.unwrap();
}

#[tokio::test]
async fn frontiers_are_read_by_projection_and_build() {
    let folder = Folder::new();
    let store = folder.open();
    let stem = Topic::Posts.stem();
    for partition in 0..600 {
        write_frontier(&store, (POSTS, 1), (stem, 1, partition), i64::from(partition) * 2).await;
    }
    write_frontier(&store, (POSTS, 2), (stem, 1, 3), 1000).await;
    write_frontier(&store, (LIKES, 1), (stem, 1, 4), 2000).await;
    write_frontier(&store, (POSTS, 1), (stem, 77, 5), 3000).await;
    write_frontier(&store, (POSTS, 1), ("hubbub.later", 1, 6), 4000).await;

    let log = LogIdentity("log a".to_owned());
    let expected: HashMap<_, _> =
        (0..600).map(|i| (at(i), (i64::from(i) * 2, log.clone()))).collect();
    assert_eq!(load_frontiers(&store, POSTS, 1).await.unwrap(), expected);
    let expected = HashMap::from([(at(3), (1000, log))]);
    assert_eq!(load_frontiers(&store, POSTS, 2).await.unwrap(), expected);
    assert_eq!(load_frontiers(&store, "nobody", 1).await.unwrap(), HashMap::new());
}

#[tokio::test]
async fn a_refresh_reads_the_builds_that_it_was_told() {
    let folder = Folder::new();
    let store = folder.open();
    write_frontier(&store, (POSTS, 2), (Topic::Posts.stem(), 1, 0), 20).await;
    write_frontier(&store, (POSTS, 1), (Topic::Posts.stem(), 1, 0), 10).await;
    let progress = Progress::new(vec![(POSTS, 2)], 1);
    progress.refresh(&store).await.unwrap();
    assert_eq!(progress.frontier(POSTS, at(0)), 20);
}

#[tokio::test]
async fn the_poller_finds_what_another_process_writes() {
    let folder = Folder::new();
    let store = folder.open();
    let progress = progress();
    progress.spawn_poller(store.clone());
    let needs = [need(POSTS, 0, 5), need(LIKES, 3, 6)];
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut wait = Box::pin(progress.wait(&needs, deadline));
    assert!(wait.as_mut().now_or_never().is_none());
    write_frontier(&store, (POSTS, 1), (Topic::Posts.stem(), 1, 0), 5).await;
    write_frontier(&store, (LIKES, 1), (Topic::Posts.stem(), 1, 3), 9).await;
    assert_eq!(wait.await, Waited::Passed);
    assert_eq!(progress.frontier(LIKES, at(3)), 9);
}

async fn fold(store: &impl Store, build: i32, partition: i32, offset: i64) {
    let frontier = Frontier { log_offset: offset, log_identity: "log".to_owned() };
    let stored = Stored { stamp: Stamp::new(1, offset), record: frontier };
    let rows = vec![(hubbub_tables::Frontiers::key(at(partition)), stored)];
    let change = Change { partition: (POSTS.to_owned(), build), head: None, rows };
    frontiers_table(store).unwrap().apply(vec![change]).await.unwrap();
}

#[tokio::test]
async fn readers_go_over_to_another_build_once_it_has_what_they_were_told() {
    let folder = Folder::new();
    let store = folder.open();
    let progress = progress();
    progress.advanced(POSTS, 1, at(0), 7);
    progress.advanced(POSTS, 1, at(1), 3);
    progress.halted(POSTS, 1, at(1), Some("newer-event".to_owned()));
    progress.advanced(POSTS, 2, at(0), 90);
    assert_eq!(progress.frontier(POSTS, at(0)), 7, "nobody reads build 2");
    fold(&store, 2, 0, 9).await;
    fold(&store, 2, 1, 2).await;

    let is_changed = std::sync::atomic::AtomicBool::new(false);
    let change = || is_changed.store(true, std::sync::atomic::Ordering::SeqCst);
    let mut switch = Box::pin(progress.switch(&store, POSTS, 2, change));
    assert!(tokio::time::timeout(Duration::from_millis(100), &mut switch).await.is_err());
    progress.advanced(POSTS, 1, at(0), 8);
    assert_eq!(progress.frontier(POSTS, at(0)), 7, "nothing new is told meanwhile");
    assert_eq!(progress.build(POSTS), 1);
    fold(&store, 2, 1, 3).await;
    switch.await.unwrap();
    assert!(is_changed.load(std::sync::atomic::Ordering::SeqCst));
    assert_eq!(progress.build(POSTS), 2);
    assert_eq!((progress.frontier(POSTS, at(0)), progress.frontier(POSTS, at(1))), (9, 3));
    assert_eq!(progress.wait(&[need(POSTS, 1, 4)], Instant::now()).await, behind(POSTS, 1, 3));
    progress.advanced(POSTS, 1, at(0), 20);
    progress.advanced(POSTS, 2, at(0), 10);
    assert_eq!(progress.frontier(POSTS, at(0)), 10);
}

#[tokio::test]
async fn a_build_that_does_not_catch_up_is_not_read() {
    let folder = Folder::new();
    let store = folder.open();
    let progress = progress();
    progress.advanced(POSTS, 1, at(0), 7);
    let switched = progress.switch(&store, POSTS, 2, || panic!("it is not read")).await;
    let problem = switched.unwrap_err().to_string();
    assert!(problem.contains("build 2 of posts has not caught up"), "{problem}");
    progress.advanced(POSTS, 1, at(0), 8);
    assert_eq!((progress.build(POSTS), progress.frontier(POSTS, at(0))), (1, 8));
}
