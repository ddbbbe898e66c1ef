//! What passes is waited out, and what does not halts its partition alone.

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
    memory_store::{Fate, Kind, MemoryStore, Operation},
    model::Model,
    story,
};
use hubbub_worker::{HaltReason, PartitionState, WorkerSettings};
use tokio::time::Instant;

use crate::support::{create, id_in, like, posts, put, settings, start, stored_frontier, until};

/// A switch that a script looks at.
#[derive(Clone, Default)]
struct Switch(Arc<AtomicBool>);

impl Switch {
    fn set(&self, is_on: bool) {
        self.0.store(is_on, Ordering::Relaxed);
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_waited_for_and_heals_by_itself() {
    for applied in [0, u64::MAX, 0b1010_1010] {
        let (log, store, away) =
            (MemoryLog::new("memory", 1), MemoryStore::new(), Switch::default());
        let process = store.process({
            let away = away.clone();
            move |_| match away.is_on() {
                true => Fate::transient().applying(applied),
                false => Fate::done(),
            }
        });
        let mut model = Model::default();
        let worker = start::<Posts>(&log, &process, settings());
        for round in 0..5_usize {
            let event = create(round, &format!("post-{round}"), "words");
            away.set(true);
            model.happened(posts(0).at(log.put(story::record(&event, 1))), &event);
            until("it retries", || worker.is_retrying(posts(0))).await;
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert!(worker.frontier(posts(0)) < round as i64);
            assert!(worker.is_retrying(posts(0)));
            away.set(false);
            worker.until_folded(posts(0), round as i64).await;
            assert_eq!(worker.status(posts(0)).unwrap().state, PartitionState::Running);
        }
        model.assert_posts(&store, 1);
        assert!(log.acknowledged(dead_letters()).is_empty());
    }
}

fn dead_letters() -> hubbub_events::TopicPartition {
    hubbub_events::TopicPartition { topic: hubbub_events::Topic::DeadLetters, partition: 0 }
}

#[tokio::test(start_paused = true)]
async fn the_frontier_is_waited_for_when_a_worker_starts() {
    let (log, store, away) = (MemoryLog::new("memory", 1), MemoryStore::new(), Switch::default());
    put(&log, 1, [create(0, "p", "words")]);
    away.set(true);
    let process = store.process({
        let away = away.clone();
        move |_| if away.is_on() { Fate::transient() } else { Fate::done() }
    });
    let worker = start::<Likes>(&log, &process, settings());
    until("it retries", || worker.is_retrying(posts(0))).await;
    away.set(false);
    worker.until_folded(posts(0), 0).await;
}

#[tokio::test(start_paused = true)]
async fn waits_between_tries_grow_to_the_longest() {
    let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
    let tries = Arc::new(std::sync::Mutex::new(Vec::new()));
    let process = store.process({
        let tries = Arc::clone(&tries);
        move |operation| match operation.table {
            "post_likes" => {
                tries.lock().unwrap().push(Instant::now());
                Fate::transient()
            }
            _ => Fate::done(),
        }
    });
    put(&log, 1, [create(0, "p", "words")]);
    let settings = WorkerSettings {
        retry_min: Duration::from_millis(100),
        retry_max: Duration::from_secs(2),
        ..settings()
    };
    let worker = start::<Likes>(&log, &process, settings);
    until("it tried often", || tries.lock().unwrap().len() > 12).await;
    worker.kill().await;
    let tries = tries.lock().unwrap().clone();
    let waits: Vec<_> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((50..=102).contains(&waits[0].as_millis()), "{waits:?}");
    assert!(waits[6..].iter().all(|wait| (1000..=2002).contains(&wait.as_millis())), "{waits:?}");
}

/// A permanent error at each step of a batch, on one partition of two.
#[tokio::test(start_paused = true)]
async fn a_refusal_for_good_halts_one_partition_and_the_others_go_on() {
    let steps: [fn(&Operation) -> bool; 4] = [
        |operation| operation.table == "posts" && operation.kind == Kind::Heads,
        |operation| operation.table == "receipts" && operation.kind == Kind::Apply,
        |operation| operation.table == "posts" && operation.kind == Kind::Apply,
        |operation| operation.table == "frontiers" && operation.kind == Kind::Apply,
    ];
    for is_step in steps {
        let (log, store, broken) =
            (MemoryLog::new("memory", 2), MemoryStore::new(), Switch::default());
        let process = store.process({
            let broken = broken.clone();
            move |operation| match broken.is_on() && is_step(operation) {
                true => Fate::permanent(),
                false => Fate::done(),
            }
        });
        let ids = [id_in(posts(0), 2, "a"), id_in(posts(1), 2, "b")];
        let worker = start::<Posts>(&log, &process, settings());
        put(&log, 2, [create(0, &ids[0], "words"), create(1, &ids[1], "words")]);
        worker.until_done(&log).await;

        broken.set(true);
        put(&log, 2, [like(2, "u", &ids[0]), create(3, &id_in(posts(0), 2, "c"), "words")]);
        let halt = worker.until_halted(posts(0)).await;
        assert_eq!((halt.reason, halt.at), (HaltReason::Store, 1));
        assert_eq!(stored_frontier(&store, "posts", posts(0)), Some(0));

        broken.set(false);
        put(&log, 2, [like(4, "u", &ids[1]), like(5, "u", &ids[0])]);
        worker.until_folded(posts(1), 1).await;
        assert_eq!(worker.halt(posts(0)), Some(halt));
        assert_eq!(worker.handle.resume(Some(1), false).await, 0, "it is not halted");
        assert_eq!(worker.handle.resume(Some(0), false).await, 1);
        worker.until_done(&log).await;
        assert_eq!(worker.halts_and_resumes(posts(0)), (1, 1));
    }
}
