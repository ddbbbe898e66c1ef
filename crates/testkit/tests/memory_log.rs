//! The log in memory is a log, and fails as it is told.

use std::sync::Arc;

use hubbub_events::Topic;
use hubbub_stream::{AppendError, Log, Polled};
use hubbub_testkit::{
    log_conformance::{self, Fixture, Follower, assert_contiguous, posts, record, records},
    memory_log::{Fault, MemoryLog},
};

struct Memory(MemoryLog);

impl Fixture for Memory {
    async fn open(&self) -> Arc<dyn Log> {
        Arc::new(self.0.reopen())
    }
}

macro_rules! conformance {
    ($($name:ident)+) => {
        $(#[tokio::test]
        async fn $name() {
            log_conformance::$name(&Memory(MemoryLog::new("memory", 4))).await;
        })+
    };
}

conformance! {
    offsets_are_contiguous
    the_order_of_calls_is_the_order_in_a_partition
    partitions_and_topics_are_apart
    records_come_back_as_they_were
    big_records_go_through
    appenders_run_side_by_side
    a_consumer_begins_anywhere
    groups_do_not_share
    to_start_again_is_to_seek
    only_assigned_partitions_start
    a_paused_partition_waits
    a_dropped_poll_loses_nothing
    a_restart_keeps_everything
    bounds_are_those_of_what_is_acknowledged
    reading_goes_page_by_page
    an_absent_partition_is_refused_alone
    a_closed_log_takes_nothing_more
}

#[tokio::test]
async fn faults_come_in_the_order_in_which_they_were_injected() {
    let log = MemoryLog::new("memory", 4);
    log.inject([None, Some(Fault::Refused(AppendError::Full)), Some(Fault::StoredUnknown)]);
    let results = log.append(records(posts(0), 0..4)).await;
    assert_eq!(results[..2], [Ok(0), Err(AppendError::Full)]);
    assert!(matches!(results[2], Err(AppendError::Unknown(_))), "{results:?}");
    assert_eq!(results[3], Ok(2));
    let stored: Vec<_> =
        log.acknowledged(posts(0)).into_iter().map(|record| record.value).collect();
    assert_eq!(stored, [0, 2, 3].map(|number| record(posts(0), number).value));
}

#[tokio::test]
async fn a_held_queue_fills_and_is_acknowledged_in_order_also_for_those_who_left() {
    let log = MemoryLog::new("memory", 4);
    log.set_capacity(2 * 300);
    log.hold();
    let mut first = Box::pin(log.append(records(posts(0), 0..1)));
    assert!(futures::poll!(first.as_mut()).is_pending());
    drop(first);
    let mut second = Box::pin(log.append(records(posts(0), 1..3)));
    assert!(futures::poll!(second.as_mut()).is_pending());
    assert_eq!(log.bounds(posts(0)).await.unwrap(), 0..0);
    log.release();
    assert_eq!(second.await, [Ok(1), Err(AppendError::Full)]);
}

#[tokio::test]
async fn a_log_that_is_down_refuses_everything_and_is_not_ready() {
    let log = MemoryLog::new("memory", 4);
    let down = AppendError::Unavailable("away".to_owned());
    log.set_down(Some(down.clone()));
    assert_eq!(log.append(records(posts(0), 0..1)).await, [Err(down.clone())]);
    assert_eq!(log.ready().await, Err(down));
    log.set_down(None);
    assert_eq!(log.append(records(posts(0), 0..1)).await, [Ok(0)]);
}

#[tokio::test]
async fn a_damaged_position_is_told_once_and_stops_its_partition() {
    let log = MemoryLog::new("memory", 1);
    log.append(records(posts(0), 0..5)).await;
    log.damage(posts(0).at(3), "a flipped bit");
    let mut consumer = log.consume("group", Topic::Posts).await.unwrap();
    let assigned = consumer.poll().await.unwrap();
    assert!(matches!(assigned, Polled::Assigned(of) if of == [posts(0)]));
    consumer.start(posts(0), 0).unwrap();
    let before = consumer.poll().await.unwrap();
    assert!(matches!(before, Polled::Records(_, records) if records.len() == 3));
    let damage = consumer.poll().await.unwrap();
    assert!(matches!(damage, Polled::Unreadable(at, _) if at == posts(0).at(3)));
    assert!(log.read(posts(0), 3, 1000).await.is_err());
    log.mend(posts(0));
    assert!(futures::poll!(consumer.poll()).is_pending());
    consumer.start(posts(0), 3).unwrap();
    let after = consumer.poll().await.unwrap();
    assert!(matches!(after, Polled::Records(_, records) if records.len() == 2));
}

#[tokio::test]
async fn members_share_a_group_and_a_partition_moves_once_it_is_released() {
    let log = MemoryLog::new("memory", 2);
    log.append(records(posts(1), 0..4)).await;
    let mut first = log.consume("group", Topic::Posts).await.unwrap();
    assert!(matches!(first.poll().await.unwrap(), Polled::Assigned(of) if of.len() == 2));
    first.start(posts(1), 0).unwrap();
    let mut second = log.consume("group", Topic::Posts).await.unwrap();
    assert!(matches!(first.poll().await.unwrap(), Polled::Revoked(of) if of == [posts(1)]));
    assert!(first.start(posts(1), 0).is_err());
    assert!(futures::poll!(second.poll()).is_pending());
    first.commit(posts(1), 2);
    assert_eq!(log.committed("group", posts(1)), Some(2));
    first.release(&[posts(1)]);
    assert!(matches!(second.poll().await.unwrap(), Polled::Assigned(of) if of == [posts(1)]));
    // A member that is killed releases nothing, and what it had is free.
    drop(second);
    assert!(matches!(first.poll().await.unwrap(), Polled::Assigned(of) if of == [posts(1)]));
}

#[tokio::test]
async fn deliveries_are_as_small_as_asked() {
    let log = MemoryLog::new("memory", 1);
    log.set_fetch_records(2);
    log.append(records(posts(0), 0..5)).await;
    let mut follower = Follower::join(&log, "group", Topic::Posts, []).await;
    follower.until_assigned(posts(0)).await;
    follower.poll().await;
    assert_eq!(follower.of(posts(0)).len(), 2);
    follower.until(posts(0), 5).await;
    assert_contiguous(follower.of(posts(0)), 0);
}
