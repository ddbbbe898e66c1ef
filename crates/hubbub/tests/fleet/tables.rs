//! Cassandra is killed, and frozen, in the middle of writes.

use hubbub_testkit::{client::eventually, server::cassandra};
use serde_json::json;
use tokio::time::sleep;

use crate::world::{Load, PATIENCE, Servers, Worker, World, outage};

const EVENTS: usize = 4_000;
const WRITERS: usize = 6;
const PROJECTIONS: &str = "posts,analysis,likes";
/// A state of `hubbub_partition_state`.
const RETRIES: f64 = 2.0;

async fn on_a_node() -> (World, Worker, Load) {
    let servers = || Servers { cassandra: Some(cassandra::start("")), ..Servers::default() };
    let mut world = World::on(servers).await;
    let worker = world.worker(PROJECTIONS).await;
    let mut load = Load::start(world.door(), WRITERS, EVENTS);
    load.reaches(EVENTS / 4).await;
    (world, worker, load)
}

/// Writes are taken, as ever; who waits for an outcome gets the plain answer. Query and worker say how they are.
async fn assert_writes_are_taken(world: &World, worker: &Worker) {
    let client = world.client().await;
    let answer = client.post("/posts", &json!({"content": "no tables"})).wait(1).await.expect(202);
    assert_eq!(answer.header("preference-applied"), None);
    eventually(PATIENCE, || async {
        let ready = world.readiness().await;
        let retrying = worker.metrics().await.count("hubbub_partition_state", RETRIES);
        match ready == [true, false] && retrying > 0 {
            true => Ok(()),
            false => Err(format!("{ready:?}, and {retrying} partitions retry")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_are_killed_hold_up_no_write_and_catch_up() {
    let (mut world, worker, load) = on_a_node().await;
    world.servers.cassandra.as_mut().unwrap().kill();
    assert_writes_are_taken(&world, &worker).await;
    sleep(outage()).await;
    world.servers.cassandra.as_mut().unwrap().restart();
    let told = world.judge(load, &[], &[&worker]).await;
    told.report(format!("Cassandra killed for {:?}", outage()), "");
}

/// Requests time out, and what they asked for is done later all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_that_freeze_apply_writes_late_and_nothing_counts_twice() {
    let (world, worker, load) = on_a_node().await;
    let node = world.servers.cassandra.as_ref().unwrap();
    node.freeze();
    assert_writes_are_taken(&world, &worker).await;
    sleep(outage()).await;
    node.thaw();
    let told = world.judge(load, &[], &[&worker]).await;
    told.report(format!("Cassandra frozen for {:?}", outage()), "");
}
