//! Processes that are told to end, and others that take over.

use std::{collections::VecDeque, time::Duration};

use tokio::time::interval;

use crate::world::{Load, World};

const EVENTS: usize = 6_000;
const WRITERS: usize = 6;
const PROJECTIONS: &str = "posts,analysis,likes";
/// Workers that come and go.
const GUESTS: usize = 10;
const EVERY: Duration = Duration::from_secs(2);
/// Updates of all roles.
const UPDATES: usize = 2;

/// Some leave in order, some are killed; there are up to four at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_come_and_go_every_two_seconds_change_no_number() {
    let mut world = World::start().await;
    let host = world.worker(PROJECTIONS).await;
    let load = Load::start(world.door(), WRITERS, EVENTS);
    let (mut guests, mut leaving) = (VecDeque::new(), Vec::new());
    let mut ticks = interval(EVERY);
    for guest in 0..GUESTS {
        ticks.tick().await;
        guests.push_back(world.worker(PROJECTIONS).await);
        if guests.len() <= 3 {
            continue;
        }
        match guests.pop_front() {
            Some(oldest) if guest % 2 == 0 => oldest.kill(),
            Some(oldest) => leaving.push(tokio::spawn(oldest.terminate())),
            None => {}
        }
    }
    for left in leaving {
        left.await.unwrap();
    }
    let mut workers = vec![&host];
    workers.extend(&guests);
    let told = world.judge(load, &[], &workers).await;
    told.report(format!("{GUESTS} workers come and go, one every 2 s"), "");
}

/// The new processes are there before the old ones are told to end, as in any rolling update.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_of_every_role_drops_no_request() {
    let mut world = World::start().await;
    let mut worker = world.worker(PROJECTIONS).await;
    let mut load = Load::start(world.door(), WRITERS, EVENTS);
    let mut slowest = Duration::ZERO;
    for update in 1..=UPDATES {
        load.reaches(update * EVENTS / (UPDATES + 1)).await;
        let newer = world.worker(PROJECTIONS).await;
        let (apis, old) = tokio::join!(world.replace_apis(), worker.terminate());
        slowest = slowest.max(apis).max(old);
        worker = newer;
    }
    let told = world.judge(load, &[], &[&worker]).await;
    assert_eq!(told.total.unknown, 0, "requests without an answer");
    let faults = format!("every role ended by SIGTERM {UPDATES} times, beside a new one");
    told.report(faults, format!("each ended within {slowest:.1?}"));
}
