//! Everything is folded, in order, within the budgets.

use bytesize::ByteSize;
use hubbub_events::{Action, PostEvent, Topic};
use hubbub_projections::{Analysis, Likes, Posts};
use hubbub_stream::Log;
use hubbub_tables::Posts as PostsTable;
use hubbub_testkit::{
    memory_log::MemoryLog,
    memory_store::{Fate, Kind, MemoryStore},
    model::Model,
    story,
};
use hubbub_worker::WorkerSettings;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use crate::support::{a_while, create, like, posts, put, settings, start, stored_frontier, until};

const PARTITIONS: i32 = 3;

fn many_events() -> Vec<PostEvent> {
    let post = |number: usize| format!("post-{}", number % 30);
    (0..200)
        .map(|number| match number / 30 {
            0 => create(number, &post(number), "some words"),
            _ => like(number, &format!("user-{number}"), &post(number)),
        })
        .collect()
}

fn model_of(log: &MemoryLog) -> Model {
    let mut model = Model::default();
    for of in log.all(Topic::Posts) {
        for record in log.acknowledged(of) {
            let event = PostEvent::decode(&record.key, &record.value).unwrap();
            model.happened(of.at(record.offset), &event);
        }
    }
    model
}

#[tokio::test(start_paused = true)]
async fn all_records_of_all_partitions_are_folded() {
    let (log, store) = (MemoryLog::new("memory", PARTITIONS), MemoryStore::new());
    put(&log, PARTITIONS, many_events());
    let workers = [
        start::<Posts>(&log, &store, settings()),
        start::<Analysis>(&log, &store, settings()),
        start::<Likes>(&log, &store, settings()),
    ];
    for worker in &workers {
        worker.until_done(&log).await;
    }
    let model = model_of(&log);
    model.assert_posts(&store, 1);
    model.assert_analysis(&store, 1);
    model.assert_likes(&store, 1);
}

#[tokio::test(start_paused = true)]
async fn the_frontier_is_exact_monotonic_and_that_of_the_store() {
    let (log, store) = (MemoryLog::new("memory", PARTITIONS), MemoryStore::new());
    put(&log, PARTITIONS, many_events());
    let worker = start::<Likes>(&log, &store, settings());
    worker.until_done(&log).await;
    // One at a time now: each is a frontier of its own.
    for event in many_events().split_off(150) {
        put(&log, PARTITIONS, [event]);
        worker.until_done(&log).await;
        for of in log.all(Topic::Posts) {
            let end = log.bounds(of).await.unwrap().end;
            assert_eq!(worker.frontier(of), end - 1);
            assert_eq!(stored_frontier(&store, "likes", of), Some(end - 1));
            assert_eq!(log.committed("hubbub.likes.b1", of), Some(end));
        }
    }
    for of in log.all(Topic::Posts) {
        let advances = worker.advances(of);
        assert_eq!(advances[0], -1);
        assert!(advances.is_sorted(), "{of}: {advances:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stopped_worker_has_finished_what_was_in_flight_and_its_successor_goes_on() {
    let (log, store) = (MemoryLog::new("memory", PARTITIONS), MemoryStore::new());
    put(&log, PARTITIONS, many_events());
    let slow = store.process(|_| Fate::done().late(Duration::from_millis(10)));
    let worker = start::<Likes>(&log, &slow, settings());
    worker.until_folded(posts(0), 7).await;
    worker.stop().await.unwrap();
    let before = stored_frontier(&store, "likes", posts(0)).unwrap();
    let worker = start::<Likes>(&log, &store, settings());
    worker.until_done(&log).await;
    assert_eq!(worker.advances(posts(0))[0], before, "it begins behind the frontier");
    model_of(&log).assert_likes(&store, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_delivered_again_is_not_folded_again() {
    let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
    put(&log, 1, many_events());
    let worker = start::<Likes>(&log, &store, settings());
    for _ in 0..5 {
        worker.until_done(&log).await;
        let operations = store.operations();
        let member = log.members("hubbub.likes.b1")[0];
        log.redeliver(member, posts(0), 3);
        until("it is delivered again", || log.delivered(member, posts(0)) == Some(200)).await;
        a_while().await;
        assert_eq!(store.operations(), operations);
    }
    model_of(&log).assert_likes(&store, 1);
}

#[tokio::test(start_paused = true)]
async fn offsets_without_records_are_passed() {
    let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
    put(&log, 1, [create(0, "p", "words")]);
    log.skip(posts(0), 5);
    put(&log, 1, [like(1, "u", "p")]);
    let worker = start::<Likes>(&log, &store, settings());
    worker.until_folded(posts(0), 6).await;
    model_of(&log).assert_likes(&store, 1);
    assert_eq!(stored_frontier(&store, "likes", posts(0)), Some(6));
}

/// What a store would have to take at once, counted by the bytes of contents.
#[tokio::test(start_paused = true)]
async fn one_store_partition_gets_at_most_a_mebibyte_at_once() {
    let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
    put(&log, 1, [create(0, "p", &"x".repeat(64 * 1024))]);
    let edits = (1..100).map(|number| {
        let hashtags = (0..30).map(|tag| format!("{tag:x>100}")).collect();
        let hashtags = Some(hashtags);
        let action = Action::Edited { content: None, hashtags, expected_version: None };
        story::event(number, "ann", "p", action)
    });
    put(&log, 1, edits);
    let largest = Arc::new(AtomicI64::new(0));
    let watched = store.process({
        let (store, largest, seen) = (store.clone(), Arc::clone(&largest), Mutex::new(0));
        move |_| {
            // Whatever was applied by one operation is there when the next one begins.
            let now = store.rows_of::<PostsTable>(1).len() as i64;
            let mut seen = seen.lock().unwrap();
            largest.fetch_max(now - *seen, Ordering::Relaxed);
            *seen = now;
            Fate::done()
        }
    });
    let settings = WorkerSettings { batch_records: 1000, ..settings() };
    let worker = start::<Posts>(&log, &watched, settings);
    worker.until_done(&log).await;
    let largest = largest.load(Ordering::Relaxed);
    assert!((8..=15).contains(&largest), "{largest} contents of 64 KiB in one apply");
    model_of(&log).assert_posts(&store, 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_pauses_its_partition_and_resumes_when_there_is_room() {
    let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
    let content = "x".repeat(10_000);
    put(&log, 1, (0..400).map(|number| create(number, &format!("post-{number}"), &content)));
    log.set_fetch_records(4);
    let slow = store.process(|operation| match operation.kind {
        Kind::Apply => Fate::done().late(Duration::from_secs(1)),
        _ => Fate::done(),
    });
    let settings =
        WorkerSettings { queue_size: ByteSize::kib(100), batch_records: 5, ..settings() };
    let worker = start::<Likes>(&log, &slow, settings);
    let (mut most, mut pauses) = (0, 0);
    until("all is folded", || {
        let Some(member) = log.members("hubbub.likes.b1").first().copied() else {
            return false;
        };
        let delivered = log.delivered(member, posts(0)).unwrap_or(0);
        most = most.max(delivered - 1 - worker.frontier(posts(0)));
        pauses += u32::from(log.is_paused(member, posts(0)));
        worker.frontier(posts(0)) == 399
    })
    .await;
    assert!(pauses > 0);
    // Ten records are the budget, four a delivery, five a batch.
    assert!((5..=20).contains(&most), "{most} records of 10 kB in memory");
}

#[tokio::test(start_paused = true)]
async fn an_empty_view_after_each_batch_changes_nothing() {
    let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
    let content = "many words ".repeat(5000);
    put(
        &log,
        1,
        (0..60).map(|number| match number % 4 {
            0 => create(number, &format!("post-{}", number / 8), &content),
            _ => like(number, &format!("u{}", number % 7), &format!("post-{}", number / 8)),
        }),
    );
    let settings = WorkerSettings { view_size: ByteSize::b(1), batch_records: 3, ..settings() };
    start::<Posts>(&log, &store, settings.clone()).until_done(&log).await;
    start::<Analysis>(&log, &store, settings.clone()).until_done(&log).await;
    start::<Likes>(&log, &store, settings).until_done(&log).await;
    let model = model_of(&log);
    model.assert_posts(&store, 1);
    model.assert_analysis(&store, 1);
    model.assert_likes(&store, 1);
}
