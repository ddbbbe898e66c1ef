//! What every store must do, one function for each behaviour.
//!
//! The functions work on the declared tables, under keys of their own: all of them can
//! share one store, and run at the same time. Each panics where the store is wrong.

#![expect(clippy::unwrap_used, reason = "a conformance suite fails by panicking")]

mod history;
mod order;
mod writes;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use hubbub_events::{Stamp, Timestamp};
use hubbub_store::{Rows, Store};
use hubbub_tables::{Change, Life, Stored, Table, posts::PostHead, posts::PostVersion};

pub use history::{any_history_equals_its_model, concurrent_applies_keep_the_newest};
pub use order::{
    every_partition_is_listed_once, rows_scan_in_the_tables_order, scans_end_with_their_partition,
    scans_go_on_behind_a_key, texts_order_by_their_bytes, times_and_texts_order_newest_first,
};
pub use writes::{
    a_build_that_is_dropped_is_gone, a_change_is_seen_whole, a_megabyte_is_one_change,
    absent_is_absent, builds_are_apart, every_column_comes_back, heads_and_rows_are_apart,
    keys_may_be_any_text, older_writes_lose, reopening_keeps_everything,
    results_stand_in_the_order_asked_for, tables_are_apart, thousands_of_changes_at_once,
};

/// A key that nobody else uses.
fn unique(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let next = NEXT.fetch_add(1, Ordering::Relaxed);
    let now = Timestamp::now().0;
    format!("{name}-{}-{now}-{next}", std::process::id())
}

fn open<T: Table>(store: &impl Store) -> Arc<dyn Rows<T>> {
    store.table::<T>(1).unwrap()
}

fn stored<R>(stamp: i64, record: R) -> Stored<R> {
    Stored { stamp: Stamp(stamp), record }
}

fn head_change<T: Table>(of: T::Partition, stamp: i64, head: T::Head) -> Change<T> {
    Change { partition: of, head: Some(stored(stamp, head)), rows: Vec::new() }
}

fn row_change<T: Table>(of: T::Partition, at: T::Clustering, stamp: i64, row: T::Row) -> Change<T> {
    Change { partition: of, head: None, rows: vec![(at, stored(stamp, row))] }
}

fn post(user: &str, version: i64) -> PostHead {
    PostHead {
        life: Life::Live,
        user_id: user.to_owned(),
        version,
        created_at: Timestamp(1_700_000_000_123),
        edited_at: Timestamp::NEVER,
        fingerprint: String::new(),
    }
}

fn version(content: impl Into<String>) -> PostVersion {
    PostVersion { content: content.into(), hashtags: Vec::new(), at: Timestamp(1) }
}

async fn head_of<T: Table>(
    table: &dyn Rows<T>,
    partition: &T::Partition,
) -> Option<Stored<T::Head>> {
    let mut heads = table.heads(std::slice::from_ref(partition)).await.unwrap();
    assert_eq!(heads.len(), 1);
    heads.remove(0)
}

async fn row_of<T: Table>(
    table: &dyn Rows<T>,
    partition: &T::Partition,
    key: &T::Clustering,
) -> Option<Stored<T::Row>> {
    let mut rows = table.rows(&[(partition.clone(), key.clone())]).await.unwrap();
    assert_eq!(rows.len(), 1);
    rows.remove(0)
}
