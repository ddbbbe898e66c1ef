//! Workers refresh what exists, after the store's acknowledgement.

use std::sync::Arc;

use hubbub_store::{Rows, Store, Watched};
use hubbub_tables::{
    Change, Life, Posts, PostsByAuthor, Stored,
    posts::{AuthoredPost, PostHead},
};
use hubbub_testkit::{
    memory_store::{Answer, Fate, MemoryStore},
    server::redis,
    stack,
};

use crate::support::{World, cached, change, head, stamp};

async fn world() -> World {
    World::with_entry(redis::settings(&stack::redis())).await
}

/// The table as the world's worker has it.
fn worker(world: &World, store: &MemoryStore) -> Arc<dyn Rows<Posts>> {
    Watched::new(store.clone(), world.cache.clone()).table(1).unwrap()
}

#[tokio::test]
async fn an_entry_that_exists_is_refreshed_and_reflects_its_own_position() {
    let world = world().await;
    worker(&world, &world.store).apply(vec![change("p", "edited", 20)]).await.unwrap();
    world.until("it is refreshed", || world.counters.refreshes("written") == 1).await;
    let (hits, operations) = (world.redis("hit"), world.store.operations());
    assert_eq!(world.read("p", 20, 20).await, Some(cached("edited", 20, 20)));
    assert_eq!((world.redis("hit"), world.store.operations()), (hits + 1, operations));
}

#[tokio::test]
async fn what_nobody_has_read_stays_out_of_redis() {
    let world = world().await;
    let others = (0..200).map(|number| change(&format!("other{number}"), "new", 30));
    let changes = others.chain([change("p", "edited", 20)]);
    worker(&world, &world.store).apply(changes.collect()).await.unwrap();
    world.until("it is refreshed", || world.counters.refreshes("written") == 1).await;
    assert_eq!(world.counters.refreshes("absent"), 200);
    assert_eq!(world.raw().await.keys().await.len(), 1);
}

#[tokio::test]
async fn a_deleted_post_takes_its_content_along() {
    let world = world().await;
    let record = PostHead { life: Life::Deleted, ..head() };
    let head = Some(Stored { stamp: stamp(20), record: record.clone() });
    let deleted = Change { partition: ("p".to_owned(),), head, rows: Vec::new() };
    worker(&world, &world.store).apply(vec![deleted]).await.unwrap();
    world.until("it is refreshed", || world.counters.refreshes("written") == 1).await;
    let hits = world.redis("hit");
    let served = world.read("p", 20, 20).await.unwrap().value;
    assert_eq!((served.head, served.row), (record, None));
    assert_eq!(world.redis("hit"), hits + 1);
}

#[tokio::test]
async fn what_a_zombie_writes_replaces_nothing() {
    let world = world().await;
    worker(&world, &MemoryStore::new()).apply(vec![change("p", "of old", 6)]).await.unwrap();
    world.until("it is kept", || world.counters.refreshes("kept") == 1).await;
    assert_eq!(world.content("p").await, "kept");
}

#[tokio::test]
async fn what_the_store_has_not_acknowledged_is_not_told() {
    let world = world().await;
    let failing = world.store.process(|operation| match operation.number {
        0 => Fate { answer: Answer::Transient, ..Fate::done() },
        _ => Fate::done(),
    });
    let posts = worker(&world, &failing);
    assert!(posts.apply(vec![change("p", "lost", 20)]).await.is_err());
    posts.apply(vec![change("p", "written", 21)]).await.unwrap();
    world.until("it is refreshed", || world.counters.refreshes("written") == 1).await;
    assert_eq!(world.content("p").await, "written");
    assert_eq!(world.counters.get("hubbub_cache_refreshes_total", &[]), 1);
}

#[tokio::test]
async fn a_change_that_tells_half_leaves_the_entry() {
    let world = world().await;
    let half = Change { rows: Vec::new(), ..change("p", "", 20) };
    worker(&world, &MemoryStore::new()).apply(vec![half]).await.unwrap();
    assert_eq!(world.counters.refreshes("incomplete"), 1);
    assert_eq!(world.content("p").await, "kept");
}

#[tokio::test]
async fn tables_that_are_not_cached_are_none_of_its_business() {
    let world = world().await;
    let by_author =
        Watched::new(world.store.clone(), world.cache.clone()).table::<PostsByAuthor>(1).unwrap();
    let row = Stored { stamp: stamp(20), record: AuthoredPost { gone: false } };
    let key = (hubbub_events::Timestamp(5), "p".to_owned());
    let change = Change { partition: ("ann".to_owned(),), head: None, rows: vec![(key, row)] };
    by_author.apply(vec![change]).await.unwrap();
    assert_eq!(world.counters.get("hubbub_cache_refreshes_total", &[]), 0);
}
