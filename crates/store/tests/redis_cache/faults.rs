//! Redis that is full, slow, frozen, gone, or never was there.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use futures::future::join_all;
use hubbub_store::{Store, Watched};
use hubbub_tables::Posts;
use hubbub_testkit::{memory_store::MemoryStore, server::redis};

use crate::support::{World, change};

/// Longer than a reader waits for Redis and all else takes, on a machine that is busy.
const SOON: Duration = Duration::from_secs(2);

#[tokio::test]
async fn what_redis_evicts_is_read_from_the_store() {
    let server = redis::start(&["--maxmemory", "4mb", "--maxmemory-policy", "allkeys-lru"]);
    let world = World::with_entry(redis::settings(&server.address())).await;
    let content = "x".repeat(20_000);
    for number in 0..500 {
        world.keep(&format!("p{number}"), &content, 7, 10).await;
    }
    let misses = world.redis("miss");
    for number in 0..500 {
        assert_eq!(world.content(&format!("p{number}")).await, content);
    }
    assert!(world.redis("miss") > misses + 250);
    assert_eq!((world.redis("error"), world.counters.fills("error")), (0, 0));
}

#[tokio::test]
async fn a_full_redis_that_refuses_writes_goes_on_serving_what_it_has() {
    let server = redis::start(&["--maxmemory", "4mb", "--maxmemory-policy", "noeviction"]);
    let world = World::with_entry(redis::settings(&server.address())).await;
    let content = "x".repeat(20_000);
    for number in 0..500 {
        world.put(&format!("p{number}"), &content, 7);
        assert_eq!(world.content(&format!("p{number}")).await, content);
    }
    world.until("writes are refused", || world.counters.fills("error") > 100).await;
    let hits = world.redis("hit");
    assert_eq!(world.content("p").await, "kept");
    assert_eq!((world.redis("hit"), world.redis("error")), (hits + 1, 0));

    world.raw().await.run::<()>("FLUSHALL", &[]).await;
    world.keep("again", "there is room", 8, 10).await;
}

#[tokio::test]
async fn a_script_that_redis_forgot_is_sent_again() {
    let server = redis::start(&[]);
    let world = World::with_entry(redis::settings(&server.address())).await;
    world.raw().await.run::<()>("SCRIPT", &[b"FLUSH"]).await;
    world.keep("other", "text", 8, 10).await;
    assert_eq!(world.counters.fills("error"), 0);
}

#[tokio::test]
async fn a_redis_that_is_killed_costs_nobody_anything_and_serves_again_when_it_is_back() {
    let mut server = redis::start(&[]);
    let world = World::with_entry(redis::settings(&server.address())).await;
    server.kill();
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(world.content("p").await, "kept");
    }
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert!(world.redis("skipped") >= 98, "{}", world.redis("skipped"));
    assert!(world.redis("error") <= 2, "{}", world.redis("error"));
    server.restart();
    world.until_served("p", "kept").await;
}

#[tokio::test]
async fn a_frozen_redis_costs_the_response_timeout_once() {
    let server = redis::start(&[]);
    let mut settings = redis::settings(&server.address());
    settings.response_timeout = Duration::from_millis(200);
    let world = World::with_entry(settings).await;
    server.freeze();
    let begun = Instant::now();
    let reads = join_all((0..100).map(|_| world.content("p"))).await;
    assert!(reads.iter().all(|content| content == "kept"));
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(world.redis("error"), 100);
    // From now on nobody waits, whatever goes on in the background.
    let begun = Instant::now();
    for _ in 0..100 {
        assert_eq!(world.content("p").await, "kept");
    }
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(world.redis("skipped"), 100);
    server.thaw();
    world.until_served("p", "kept").await;
}

#[tokio::test]
async fn what_workers_tell_a_frozen_redis_is_bounded_and_not_waited_for() {
    let server = redis::start(&[]);
    let world = World::with_entry(redis::settings(&server.address())).await;
    server.freeze();
    let worker = Watched::new(MemoryStore::new(), world.cache.clone());
    let posts = worker.table::<Posts>(1).unwrap();
    let content = "x".repeat(64 * 1024);
    let begun = Instant::now();
    for offset in 20..320 {
        posts.apply(vec![change("p", &content, offset)]).await.unwrap();
    }
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    let dropped = world.counters.refreshes("dropped");
    assert!(dropped > 100, "{dropped} of 300 entries of 64 KiB");
    server.thaw();
    world.until_served("p", "kept").await;
}

#[tokio::test]
async fn without_a_redis_everything_is_read_from_the_store_until_there_is_one() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let begun = Instant::now();
    let world = World::on(&unused.to_string()).await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    world.put("p", "text", 7);
    for _ in 0..10 {
        assert_eq!(world.content("p").await, "text");
    }
    assert_eq!((world.redis("skipped"), world.counters.fills("skipped")), (10, 10));
}

/// An answer to a client that does not know of clusters.
#[tokio::test]
async fn a_node_of_a_cluster_that_has_no_slots_is_a_miss() {
    let server = redis::start(&["--cluster-enabled", "yes"]);
    let world = World::on(&server.address()).await;
    world.put("p", "text", 7);
    assert_eq!(world.content("p").await, "text");
    assert_eq!(world.redis("error"), 1);
    world.until("the fill is refused", || world.counters.fills("error") == 1).await;
}

#[tokio::test]
async fn a_replica_is_read_and_not_written() {
    let server = redis::start(&[]);
    let world = World::with_entry(redis::settings(&server.address())).await;
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let port = nowhere.port().to_string();
    world.raw().await.run::<()>("REPLICAOF", &[b"127.0.0.1", port.as_bytes()]).await;
    let hits = world.redis("hit");
    assert_eq!(world.content("p").await, "kept");
    assert_eq!(world.redis("hit"), hits + 1);
    world.put("other", "text", 8);
    assert_eq!(world.content("other").await, "text");
    world.until("the fill is refused", || world.counters.fills("error") == 1).await;
}
