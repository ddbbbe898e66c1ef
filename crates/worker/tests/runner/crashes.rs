//! Deaths at one frontier are told from ends that are nobody's doing. (Processes that really die are in `tests/dying`.)

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hubbub_projections::{Likes, Posts};
use hubbub_testkit::{
    memory_log::MemoryLog,
    memory_store::{Fate, Kind, MemoryStore},
};
use hubbub_worker::{HaltReason, Turn};

use crate::support::{
    a_while, create, id_in, posts, put, settings, start, start_in, stored_frontier, until,
};

fn filled(partitions: i32) -> MemoryLog {
    let log = MemoryLog::new("memory", partitions);
    for partition in 0..partitions {
        let id = |number| id_in(posts(partition), partitions, &format!("post-{number}-"));
        put(&log, partitions, (0..5).map(|number| create(number, &id(number), "words")));
    }
    log
}

/// A worker that dies as soon as it loads a row of a table, as if the fold had ended it; it leaves no trace but its note.
async fn dies(log: &MemoryLog, store: &MemoryStore) {
    let is_dead = AtomicBool::new(false);
    let mortal = store.process(move |operation| {
        let is_dead = is_dead.fetch_or(operation.table == "post_likes", Ordering::Relaxed);
        match is_dead || operation.table == "post_likes" {
            true => Fate::death(),
            false => Fate::done(),
        }
    });
    let worker = start::<Likes>(log, &mortal, settings());
    mortal.died().await;
    worker.kill().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_that_ends_one_worker_after_the_other_halts_its_partition() {
    let (log, store) = (filled(1), MemoryStore::new());
    for _ in 0..3 {
        dies(&log, &store).await;
    }
    let worker = start::<Likes>(&log, &store, settings());
    let halt = worker.until_halted(posts(0)).await;
    assert_eq!((halt.reason, halt.at), (HaltReason::Crash, 0));
    assert!(halt.detail.contains("died 2 times"), "{}", halt.detail);
    assert_eq!(worker.handle.resume(None, false).await, 1);
    worker.until_done(&log).await;
    worker.stop().await.unwrap();
    let worker = start::<Likes>(&log, &store, settings());
    worker.until_done(&log).await;
    assert_eq!(worker.halts_and_resumes(posts(0)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn after_a_death_records_are_folded_one_by_one_to_the_end_of_their_batch() {
    let (log, store) = (filled(1), MemoryStore::new());
    dies(&log, &store).await;
    put(&log, 1, (10..20).map(|number| create(number, &format!("more-{number}"), "words")));
    let worker = start::<Likes>(&log, &store, settings());
    worker.until_done(&log).await;
    assert_eq!(worker.advances(posts(0)), [-1, 0, 1, 2, 3, 4, 12, 14]);
}

#[tokio::test(start_paused = true)]
async fn what_ends_without_a_death_counts_for_nothing() {
    let (log, store) = (filled(1), MemoryStore::new());
    for _ in 0..6 {
        // Its writes take too long, and it is told to end at once.
        let slow = store.process(|operation| match (operation.table, operation.kind) {
            ("post_likes", Kind::Apply) => Fate::transient().applying(0),
            _ => Fate::done(),
        });
        let worker = start::<Likes>(&log, &slow, settings());
        until("it retries", || worker.is_retrying(posts(0))).await;
        worker.kill().await;
        a_while().await;
        assert_eq!(stored_frontier(&store, "likes", posts(0)), None);
    }
    let worker = start::<Likes>(&log, &store, settings());
    worker.until_done(&log).await;
    assert_eq!(worker.advances(posts(0)), [-1, 4], "in one batch");
}

/// Whoever waits for its turn waits for as long as the other's store needs, and no longer.
#[tokio::test(start_paused = true)]
async fn those_who_fold_one_by_one_take_turns() {
    let (log, store) = (filled(2), MemoryStore::new());
    dies(&log, &store).await;
    let slow = store.process(|operation| match (operation.table, operation.kind) {
        ("post_likes", Kind::Apply) => Fate::done().late(Duration::from_secs(10)),
        _ => Fate::done(),
    });
    let turn = Turn::default();
    let worker = start_in::<Likes>(&turn, Arc::new(log.clone()), &slow, settings());
    let of_another = start_in::<Posts>(&turn, Arc::new(log.clone()), &slow, settings());
    until("one waits for its turn", || (0..2).any(|of| worker.is_retrying(posts(of)))).await;
    // It is stopped while one waits for the other.
    worker.stop().await.unwrap();
    let worker = start_in::<Likes>(&turn, Arc::new(log.clone()), &store, settings());
    worker.until_done(&log).await;
    of_another.until_done(&log).await;
}
