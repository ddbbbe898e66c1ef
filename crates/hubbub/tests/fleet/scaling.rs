//! Workers are added and taken away under load.

use hubbub_testkit::{client::eventually, load::Pump};

use crate::world::{Load, PATIENCE, World, shared};

const EVENTS: usize = 12_000;
const WRITERS: usize = 8;
/// Those of a topic by default.
const PARTITIONS: usize = 12;
/// What each of three workers does at least, of what is done while there are three.
const SHARE: f64 = 0.2;
const PROJECTION: &str = "analysis";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_worker_becomes_three_and_then_two_and_no_number_changes() {
    let mut world = World::start().await;
    // The others are not scaled here, and what is checked needs them.
    let _others = world.worker("posts,likes").await;
    let first = world.worker(PROJECTION).await;
    shared(&[&first], PARTITIONS).await;
    let mut load = Load::start(world.door(), WRITERS, EVENTS);
    load.reaches(EVENTS / 6).await;

    let second = world.worker(PROJECTION).await;
    let third = world.worker(PROJECTION).await;
    let three = [&first, &second, &third];
    shared(&three, PARTITIONS).await;
    let mut before = Vec::new();
    for worker in three {
        before.push(worker.folded(PROJECTION).await);
    }
    // A backlog over all partitions, as the writers prefer a few posts.
    let mut pump = Pump::new(1, world.door());
    pump.fill().await;
    let shares = eventually(PATIENCE, || async {
        let mut folded = Vec::new();
        for (worker, before) in three.into_iter().zip(&before) {
            folded.push(worker.folded(PROJECTION).await - before);
        }
        let all: f64 = folded.iter().sum();
        match all > pump.acknowledged() as f64 {
            true => Ok(folded.iter().map(|own| own / all).collect::<Vec<_>>()),
            false => Err(format!("{folded:?}")),
        }
    })
    .await;
    assert!(shares.iter().all(|share| *share > SHARE), "one worker stood by: {shares:.2?}");

    third.stop().await;
    shared(&[&first, &second], PARTITIONS).await;
    let told = world.judge(load, &[pump], &[&first, &second]).await;
    told.report("workers scaled 1, 3, 2", format!("shares of three: {shares:.2?}"));
}

/// With the cooperative protocol a partition that stays where it is does not stand still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_stay_are_not_taken_away() {
    let mut world = World::start().await;
    let first = world.worker(PROJECTION).await;
    shared(&[&first], PARTITIONS).await;
    let all = first.partitions().await.unwrap();
    let second = world.worker(PROJECTION).await;
    shared(&[&first, &second], PARTITIONS).await;
    let kept = first.partitions().await.unwrap();
    let moved = second.partitions().await.unwrap();
    assert!(kept.is_subset(&all) && kept.is_disjoint(&moved), "{kept:?} {moved:?}");
    assert_eq!((kept.len(), moved.len()), (PARTITIONS / 2, PARTITIONS / 2));
    // Each assignment is counted: those that stayed were assigned once.
    let metrics = first.metrics().await;
    let assigned = metrics.sum("hubbub_assignments_total", &[("projection", PROJECTION)]);
    assert!((assigned - PARTITIONS as f64).abs() < 0.5, "{assigned} assignments for {PARTITIONS}");
}
