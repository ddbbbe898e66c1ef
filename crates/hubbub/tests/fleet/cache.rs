//! Redis is killed, emptied, frozen and full of garbage: readers never notice.

use std::time::{Duration, Instant};

use hubbub_testkit::{client::eventually, server::redis};
use tokio::time::sleep;

use crate::world::{Load, PATIENCE, Servers, World, healed, outage};

const EVENTS: usize = 4_000;
const WRITERS: usize = 6;
const PROJECTIONS: &str = "posts,analysis,likes";
/// What a read may take while Redis does not answer.
const BOUND: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_do_not_notice_what_happens_to_redis() {
    let servers = || Servers { redis: Some(redis::start(&[])), ..Servers::default() };
    let mut world = World::on(servers).await;
    let worker = world.worker(PROJECTIONS).await;
    let mut load = Load::start(&world, WRITERS, EVENTS);
    load.reaches(EVENTS / 5).await;
    let client = world.client().await;
    // The cache in the process keeps it for a second; then Redis has it.
    eventually(PATIENCE, || async {
        let read = client.get("/posts/post-0.1").await;
        let hit = [("tier", "redis"), ("result", "hit")];
        let metrics = world.operations.metrics().await;
        let hits = metrics.sum("hubbub_cache_requests_total", &hit);
        match read.status == 200 && hits > 0.0 {
            true => Ok(()),
            false => Err(format!("{hits} served by Redis, {read}")),
        }
    })
    .await;

    world.servers.redis.as_ref().unwrap().freeze();
    let asked = Instant::now();
    client.get("/posts/post-0.1").await.expect(200);
    assert!(asked.elapsed() < BOUND, "a read took {:?}", asked.elapsed());
    sleep(outage()).await;
    world.servers.redis.as_ref().unwrap().thaw();
    load.reaches(2 * EVENTS / 5).await;

    // It comes back with nothing.
    world.servers.redis.as_mut().unwrap().kill();
    sleep(outage()).await;
    world.servers.redis.as_mut().unwrap().restart();
    load.reaches(3 * EVENTS / 5).await;
    let told = load.check(&world, &[]).await;
    let healed = healed(&[&worker]).await;
    let faults = format!("Redis frozen, killed and emptied, each for {:?}", outage());
    told.report(faults, Some(healed), "");
}
