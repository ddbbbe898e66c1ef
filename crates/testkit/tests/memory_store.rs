//! The store in memory is a store, and fails as it is told.

use std::time::Duration;

use hubbub_events::Stamp;
use hubbub_store::{Error, Store};
use hubbub_tables::{Change, PostLikes, Stored, likes::LikesHead};
use hubbub_testkit::{
    memory_store::{Answer, Fate, MemoryStore, differences},
    store_conformance,
};
use tokio::time::Instant;

macro_rules! conformance {
    ($($name:ident)+) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            store_conformance::$name(&MemoryStore::new()).await;
        })+
    };
}

conformance! {
    any_history_equals_its_model
    concurrent_applies_keep_the_newest
    rows_scan_in_the_tables_order
    scans_end_with_their_partition
    scans_go_on_behind_a_key
    texts_order_by_their_bytes
    times_and_texts_order_newest_first
    a_build_that_is_dropped_is_gone
    a_change_is_seen_whole
    every_partition_is_listed_once
    a_megabyte_is_one_change
    absent_is_absent
    builds_are_apart
    every_column_comes_back
    heads_and_rows_are_apart
    keys_may_be_any_text
    older_writes_lose
    results_stand_in_the_order_asked_for
    tables_are_apart
    thousands_of_changes_at_once
}

fn likes(post: &str, stamp: i64) -> Change<PostLikes> {
    let head = Stored { stamp: Stamp(stamp), record: LikesHead::created_by("u") };
    Change { partition: (post.to_owned(),), head: Some(head), rows: Vec::new() }
}

fn stored(store: &MemoryStore) -> Vec<String> {
    store.heads_of::<PostLikes>(1).into_iter().map(|((post,), _)| post).collect()
}

#[tokio::test]
async fn an_apply_fails_before_after_and_halfway() {
    let base = MemoryStore::new();
    let process = base.process(|operation| match operation.number {
        0 => Fate::transient(),
        1 => Fate::transient().applying(0b101),
        2 => Fate::permanent(),
        _ => Fate::done(),
    });
    let table = process.table::<PostLikes>(1).unwrap();
    let all = || ["a", "b", "c"].map(|post| likes(post, 1)).to_vec();
    assert!(matches!(table.apply(all()).await, Err(Error::Transient(_))));
    assert!(stored(&base).is_empty());
    assert!(matches!(table.apply(all()).await, Err(Error::Transient(_))));
    assert_eq!(stored(&base), ["a", "c"]);
    assert!(matches!(table.apply(all()).await, Err(Error::Permanent(_))));
    table.apply(all()).await.unwrap();
    assert_eq!(stored(&base), ["a", "b", "c"]);
    assert_eq!(process.operations(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_lands_when_its_process_is_gone() {
    let base = MemoryStore::new();
    let late = Duration::from_secs(60);
    let process = base.process(move |_| Fate { answer: Answer::Never, ..Fate::done().late(late) });
    let table = process.table::<PostLikes>(1).unwrap();
    let begun = Instant::now();
    let write = tokio::time::timeout(Duration::from_secs(1), table.apply(vec![likes("a", 1)]));
    assert!(write.await.is_err());
    assert!(stored(&base).is_empty());
    tokio::time::sleep_until(begun + late + Duration::from_secs(1)).await;
    assert_eq!(stored(&base), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_death_is_told() {
    let base = MemoryStore::new();
    let process = base.process(|_| Fate::death());
    let table = process.table::<PostLikes>(1).unwrap();
    let write = tokio::spawn(async move { table.apply(vec![likes("a", 1)]).await });
    process.died().await;
    assert!(stored(&base).is_empty());
    write.abort();
}

#[tokio::test]
async fn exports_differ_where_stamps_or_records_do() {
    let (left, right) = (MemoryStore::new(), MemoryStore::new());
    left.put(1, likes("a", 1));
    assert_eq!(differences(&left.export(), &left.export()), "");
    right.put(1, likes("a", 2));
    let differences = differences(&left.export(), &right.export());
    assert!(differences.contains("post_likes.b1 (\"a\",) head"), "{differences}");
}
