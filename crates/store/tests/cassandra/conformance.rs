//! The store in Cassandra does what every store must do.

use hubbub_testkit::store_conformance as conformance;

use crate::keyspace::Keyspace;

#[tokio::test(flavor = "multi_thread")]
async fn absent_is_absent() {
    let keyspace = Keyspace::shared();
    conformance::absent_is_absent(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_column_comes_back() {
    let keyspace = Keyspace::shared();
    conformance::every_column_comes_back(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_and_rows_are_apart() {
    let keyspace = Keyspace::shared();
    conformance::heads_and_rows_are_apart(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn results_stand_in_the_order_asked_for() {
    let keyspace = Keyspace::shared();
    conformance::results_stand_in_the_order_asked_for(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_scan_in_the_tables_order() {
    let keyspace = Keyspace::shared();
    conformance::rows_scan_in_the_tables_order(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scans_go_on_behind_a_key() {
    let keyspace = Keyspace::shared();
    conformance::scans_go_on_behind_a_key(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scans_end_with_their_partition() {
    let keyspace = Keyspace::shared();
    conformance::scans_end_with_their_partition(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_order_by_their_bytes() {
    let keyspace = Keyspace::shared();
    conformance::texts_order_by_their_bytes(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_and_texts_order_newest_first() {
    let keyspace = Keyspace::shared();
    conformance::times_and_texts_order_newest_first(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn older_writes_lose() {
    let keyspace = Keyspace::shared();
    conformance::older_writes_lose(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_seen_whole() {
    let keyspace = Keyspace::shared();
    conformance::a_change_is_seen_whole(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_megabyte_is_one_change() {
    let keyspace = Keyspace::shared();
    conformance::a_megabyte_is_one_change(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_may_be_any_text() {
    let keyspace = Keyspace::shared();
    conformance::keys_may_be_any_text(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_changes_at_once() {
    let keyspace = Keyspace::shared();
    conformance::thousands_of_changes_at_once(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_are_apart() {
    let keyspace = Keyspace::shared();
    conformance::builds_are_apart(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_apart() {
    let keyspace = Keyspace::shared();
    conformance::tables_are_apart(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reopening_keeps_everything() {
    let keyspace = Keyspace::shared();
    conformance::reopening_keeps_everything(keyspace.open().await, async |store| {
        drop(store);
        keyspace.open().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_history_equals_its_model() {
    let keyspace = Keyspace::shared();
    conformance::any_history_equals_its_model(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_applies_keep_the_newest() {
    let keyspace = Keyspace::shared();
    conformance::concurrent_applies_keep_the_newest(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_partition_is_listed_once() {
    let keyspace = Keyspace::shared();
    conformance::every_partition_is_listed_once(&keyspace.open().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_is_dropped_is_gone() {
    let keyspace = Keyspace::new().await;
    conformance::a_build_that_is_dropped_is_gone(&keyspace.open().await).await;
}
