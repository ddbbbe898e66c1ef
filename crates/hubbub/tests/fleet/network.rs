//! The network between the roles and their servers is slow, cut in one direction, and cut in both.

use std::time::Duration;

use hubbub_testkit::{
    proxy::{Proxy, Way},
    server::kafka,
    stack,
};
use tokio::time::{interval, sleep};

use crate::{
    judge::Verdict,
    world::{Load, Servers, Worker, World, outage},
};

const EVENTS: usize = 4_000;
const WRITERS: usize = 6;
const PROJECTIONS: &str = "posts,analysis,likes";
const SLOW: Way = Way::Slow(Duration::from_millis(40));
const RESETS: usize = 5;
const BETWEEN_RESETS: Duration = Duration::from_millis(500);

/// A fleet of which one server is behind a proxy, under load.
async fn behind(servers: impl FnOnce(Proxy) -> Servers) -> (World, Worker, Load) {
    let mut world = World::on(|| servers(Proxy::start())).await;
    let worker = world.worker(PROJECTIONS).await;
    let mut load = Load::start(world.door(), WRITERS, EVENTS);
    load.reaches(EVENTS / 8).await;
    (world, worker, load)
}

/// All that can happen to the proxied server's connections, one after the other; what became of it.
async fn suffer(world: &World, worker: Worker, mut load: Load) -> (String, String, Verdict) {
    let proxy = world.servers.proxy.as_ref().unwrap();
    for (step, way) in [SLOW, Way::RequestsHeld, Way::AnswersHeld].into_iter().enumerate() {
        let before = proxy.met();
        proxy.set(way);
        sleep(outage()).await;
        proxy.set(Way::Open);
        let [slowed, held, _] = proxy.met();
        assert!(slowed + held > before[0] + before[1], "nothing has met {way:?}");
        load.reaches((step + 2) * EVENTS / 8).await;
    }
    let mut ticks = interval(BETWEEN_RESETS);
    for _ in 0..RESETS {
        ticks.tick().await;
        proxy.set(Way::Reset);
        ticks.tick().await;
        proxy.set(Way::Open);
    }
    let [slowed, held, reset] = proxy.met();
    assert!(reset >= RESETS, "{reset} connections were reset");
    let told = world.judge(load, &[], &[&worker]).await;
    let each = outage();
    let faults = format!(
        "slow by 80 ms, cut one way and the other, each for {each:?}, and reset {RESETS} times"
    );
    let met = format!("{slowed} pieces slowed, {held} held back, {reset} connections reset");
    (faults, met, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_network_to_kafka_loses_nothing() {
    let servers = |proxy: Proxy| {
        // Clients go where the broker says that it is.
        let advertised = format!("PLAINTEXT://{}", proxy.address());
        let kafka = kafka::start_with(&[("advertised.listeners", &advertised)], &[], |_| {});
        proxy.lead_to(kafka.address());
        Servers {
            kafka_address: Some(proxy.address()),
            kafka: Some(kafka),
            proxy: Some(proxy),
            ..Servers::default()
        }
    };
    let (world, worker, load) = behind(servers).await;
    let (faults, met, told) = suffer(&world, worker, load).await;
    told.report(format!("the network to Kafka {faults}"), met);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_network_to_cassandra_loses_nothing() {
    let servers = |proxy: Proxy| {
        proxy.lead_to(stack::cassandra());
        Servers {
            cassandra_address: Some(proxy.address()),
            proxy: Some(proxy),
            ..Servers::default()
        }
    };
    let (world, worker, load) = behind(servers).await;
    let (faults, met, told) = suffer(&world, worker, load).await;
    told.report(format!("the network to Cassandra {faults}"), met);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_network_to_redis_is_not_noticed() {
    let servers = |proxy: Proxy| {
        proxy.lead_to(stack::redis());
        Servers { redis_address: Some(proxy.address()), proxy: Some(proxy), ..Servers::default() }
    };
    let (world, worker, load) = behind(servers).await;
    let (faults, met, told) = suffer(&world, worker, load).await;
    told.report(format!("the network to Redis {faults}"), met);
}
