//! Kafka is killed, and frozen, in the middle of appends.

use std::time::{Duration, Instant};

use hubbub_testkit::{client::eventually, server::kafka};
use tokio::time::sleep;

use crate::world::{Load, PATIENCE, Servers, Worker, World, outage};

const EVENTS: usize = 4_000;
const WRITERS: usize = 6;
const PROJECTIONS: &str = "posts,analysis,likes";

async fn on_a_broker() -> (World, Worker, Load) {
    let servers = || Servers { kafka: Some(kafka::start()), ..Servers::default() };
    let mut world = World::on(servers).await;
    let worker = world.worker(PROJECTIONS).await;
    let mut load = Load::start(world.door(), WRITERS, EVENTS);
    load.reaches(EVENTS / 4).await;
    (world, worker, load)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_loses_nothing() {
    let (mut world, worker, load) = on_a_broker().await;
    world.servers.kafka.as_mut().unwrap().kill();
    // It is told at once: whoever asks is sent elsewhere, and what comes in is refused.
    eventually(PATIENCE, || async {
        let ready = world.readiness().await;
        if ready == [false, true] { Ok(()) } else { Err(format!("{ready:?}")) }
    })
    .await;
    sleep(outage()).await;
    world.servers.kafka.as_mut().unwrap().restart();
    let back = Instant::now();
    eventually(PATIENCE, || async {
        let ready = world.readiness().await;
        if ready == [true, true] { Ok(()) } else { Err(format!("{ready:?}")) }
    })
    .await;
    let ready = back.elapsed();
    let told = world.judge(load, &[], &[&worker]).await;
    let note = format!("ready after {ready:.1?}");
    told.report(format!("Kafka killed for {:?}", outage()), note);
}

/// A request that Kafka has taken and not answered is given up after 10 s.
const UNKNOWN_AFTER: Duration = Duration::from_secs(13);

/// What was sent may be stored or not: nobody is told what nobody knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_freezes_leaves_outcomes_unknown_and_loses_nothing() {
    let (world, worker, load) = on_a_broker().await;
    let broker = world.servers.kafka.as_ref().unwrap();
    broker.freeze();
    let frozen = outage().max(UNKNOWN_AFTER);
    sleep(frozen).await;
    broker.thaw();
    let told = world.judge(load, &[], &[&worker]).await;
    assert!(told.total.unknown > 0, "every request was answered");
    told.report(format!("Kafka frozen for {frozen:?}"), "");
}
