//! The embedded store does what every store must do.

mod folder;

use hubbub_testkit::store_conformance as conformance;

use crate::folder::Folder;

#[tokio::test]
async fn absent_is_absent() {
    conformance::absent_is_absent(&Folder::new().open()).await;
}

#[tokio::test]
async fn every_column_comes_back() {
    conformance::every_column_comes_back(&Folder::new().open()).await;
}

#[tokio::test]
async fn heads_and_rows_are_apart() {
    conformance::heads_and_rows_are_apart(&Folder::new().open()).await;
}

#[tokio::test]
async fn results_stand_in_the_order_asked_for() {
    conformance::results_stand_in_the_order_asked_for(&Folder::new().open()).await;
}

#[tokio::test]
async fn rows_scan_in_the_tables_order() {
    conformance::rows_scan_in_the_tables_order(&Folder::new().open()).await;
}

#[tokio::test]
async fn scans_go_on_behind_a_key() {
    conformance::scans_go_on_behind_a_key(&Folder::new().open()).await;
}

#[tokio::test]
async fn scans_end_with_their_partition() {
    conformance::scans_end_with_their_partition(&Folder::new().open()).await;
}

#[tokio::test]
async fn texts_order_by_their_bytes() {
    conformance::texts_order_by_their_bytes(&Folder::new().open()).await;
}

#[tokio::test]
async fn times_and_texts_order_newest_first() {
    conformance::times_and_texts_order_newest_first(&Folder::new().open()).await;
}

#[tokio::test]
async fn older_writes_lose() {
    conformance::older_writes_lose(&Folder::new().open()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_seen_whole() {
    conformance::a_change_is_seen_whole(&Folder::new().open()).await;
}

#[tokio::test]
async fn a_megabyte_is_one_change() {
    conformance::a_megabyte_is_one_change(&Folder::new().open()).await;
}

#[tokio::test]
async fn keys_may_be_any_text() {
    conformance::keys_may_be_any_text(&Folder::new().open()).await;
}

#[tokio::test]
async fn thousands_of_changes_at_once() {
    conformance::thousands_of_changes_at_once(&Folder::new().open()).await;
}

#[tokio::test]
async fn builds_are_apart() {
    conformance::builds_are_apart(&Folder::new().open()).await;
}

#[tokio::test]
async fn tables_are_apart() {
    conformance::tables_are_apart(&Folder::new().open()).await;
}

#[tokio::test]
async fn reopening_keeps_everything() {
    let folder = Folder::new();
    conformance::reopening_keeps_everything(folder.open(), async |store| {
        drop(store);
        folder.open()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_history_equals_its_model() {
    conformance::any_history_equals_its_model(&Folder::new().open()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_applies_keep_the_newest() {
    conformance::concurrent_applies_keep_the_newest(&Folder::new().open()).await;
}

#[tokio::test]
async fn every_partition_is_listed_once() {
    conformance::every_partition_is_listed_once(&Folder::new().open()).await;
}

#[tokio::test]
async fn a_build_that_is_dropped_is_gone() {
    conformance::a_build_that_is_dropped_is_gone(&Folder::new().open()).await;
}
