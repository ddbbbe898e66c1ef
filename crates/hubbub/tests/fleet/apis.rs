//! The APIs are killed with requests in flight, which are sent again: with the same idempotency key, where they have one.

use crate::world::{Load, World};

const EVENTS: usize = 6_000;
const WRITERS: usize = 6;
const KILLS: usize = 5;
const PROJECTIONS: &str = "posts,analysis,likes";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_flight_at_a_kill_take_effect_once_at_most() {
    let mut world = World::start().await;
    let worker = world.worker(PROJECTIONS).await;
    let mut load = Load::start(world.door(), WRITERS, EVENTS);
    for kill in 1..=KILLS {
        load.reaches(kill * EVENTS / (KILLS + 1)).await;
        world.kill_apis().await;
    }
    let told = world.judge(load, &[], &[&worker]).await;
    assert!(told.total.unknown > 0, "no request was in flight at a kill");
    told.report(format!("ingest and query killed {KILLS} times"), "");
}
