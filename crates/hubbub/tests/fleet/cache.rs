//! Redis is killed, emptied, frozen, slow, full, and full of garbage: readers never notice.

use std::time::{Duration, Instant};

use hubbub_testkit::{
    client::{Client, eventually},
    proxy::{Proxy, Way},
    server::redis,
};
use tokio::time::{interval, sleep};

use crate::world::{Load, PATIENCE, Servers, World, outage};

const EVENTS: usize = 4_000;
const WRITERS: usize = 6;
const PROJECTIONS: &str = "posts,analysis,likes";
/// What a read may take while Redis does not answer.
const BOUND: Duration = Duration::from_secs(2);

/// Slower than anyone waits for: there and back.
const SLOW: Way = Way::Slow(Duration::from_secs(1));
/// Between two times that everything is spoiled.
const SPOILED_EVERY: Duration = Duration::from_millis(500);

/// Reads a post until a look-up in Redis has this result. The cache in the process keeps it for a second before.
async fn until_looked_up(world: &World, client: &Client, result: &str) {
    eventually(PATIENCE, || async {
        let read = client.get("/posts/post-0.1").await;
        let metrics = world.operations.metrics().await;
        let labels = [("tier", "redis"), ("result", result)];
        let found = metrics.sum("hubbub_cache_requests_total", &labels);
        match read.status == 200 && found > 0.0 {
            true => Ok(()),
            false => Err(format!("{found} with {result}, {read}")),
        }
    })
    .await;
}

async fn assert_read_in_time(client: &Client) {
    let asked = Instant::now();
    client.get("/posts/post-0.1").await.expect(200);
    assert!(asked.elapsed() < BOUND, "a read took {:?}", asked.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_do_not_notice_what_happens_to_redis() {
    let servers = || Servers { redis: Some(redis::start(&[])), ..Servers::default() };
    let mut world = World::on(servers).await;
    let worker = world.worker(PROJECTIONS).await;
    let mut load = Load::start(world.door(), WRITERS, EVENTS);
    load.reaches(EVENTS / 5).await;
    let client = world.client().await;
    until_looked_up(&world, &client, "hit").await;

    world.servers.redis.as_ref().unwrap().freeze();
    assert_read_in_time(&client).await;
    until_looked_up(&world, &client, "skipped").await;
    assert_eq!(world.readiness().await, [true, true], "nobody needs Redis");
    sleep(outage()).await;
    world.servers.redis.as_ref().unwrap().thaw();
    load.reaches(2 * EVENTS / 5).await;

    // It comes back with nothing.
    world.servers.redis.as_mut().unwrap().kill();
    sleep(outage()).await;
    world.servers.redis.as_mut().unwrap().restart();
    load.reaches(3 * EVENTS / 5).await;
    let told = world.judge(load, &[], &[&worker]).await;
    let faults = format!("Redis frozen, killed and emptied, each for {:?}", outage());
    told.report(faults, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_served_what_a_slow_a_full_or_a_spoiled_redis_holds() {
    let mut world = World::on(|| {
        let (redis, proxy) = (redis::start(&[]), Proxy::start());
        proxy.lead_to(redis.address());
        Servers {
            redis_address: Some(proxy.address()),
            redis: Some(redis),
            proxy: Some(proxy),
            ..Servers::default()
        }
    })
    .await;
    let (redis, proxy) = (world.servers.redis.take().unwrap(), world.servers.proxy.take().unwrap());
    let address = redis.address();
    let worker = world.worker(PROJECTIONS).await;
    let mut load = Load::start(world.door(), WRITERS, EVENTS);
    load.reaches(EVENTS / 5).await;
    let client = world.client().await;
    until_looked_up(&world, &client, "hit").await;

    proxy.set(SLOW);
    assert_read_in_time(&client).await;
    until_looked_up(&world, &client, "skipped").await;
    sleep(outage()).await;
    proxy.set(Way::Open);
    load.reaches(2 * EVENTS / 5).await;

    redis::limit_memory(&address, 1).await;
    load.reaches(3 * EVENTS / 5).await;
    assert_read_in_time(&client).await;
    eventually(PATIENCE, || async {
        client.get("/posts/post-0.2").await;
        let refused = [("result", "error")];
        let refused = world.operations.metrics().await.sum("hubbub_cache_fills_total", &refused);
        if refused > 0.0 { Ok(()) } else { Err("every fill has room") }
    })
    .await;
    sleep(outage()).await;
    redis::limit_memory(&address, 0).await;

    // Spoiled again and again, while everything is read back too.
    let spoiling = tokio::spawn(async move {
        let mut ticks = interval(SPOILED_EVERY);
        loop {
            ticks.tick().await;
            redis::spoil(&address).await;
        }
    });
    until_looked_up(&world, &client, "corrupt").await;
    let told = world.judge(load, &[], &[&worker]).await;
    // Redis has by now what was read, spoiled.
    told.check_again(&[]).await;
    assert!(!spoiling.is_finished(), "Redis was not spoiled to the end");
    spoiling.abort();
    let corrupt = [("tier", "redis"), ("result", "corrupt")];
    let met = world.operations.metrics().await.sum("hubbub_cache_requests_total", &corrupt);
    let faults =
        format!("Redis slow by 2 s and full, each for {:?}, then full of garbage", outage());
    told.report(faults, format!("{met} spoiled entries met"));
}
