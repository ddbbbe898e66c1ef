//! What every event log must do.
//!
//! One function per behaviour; an implementation's tests call each of them with a
//! fixture of their own. A log may take a while until what it acknowledged can be
//! read: nothing here expects it at once.
#![expect(clippy::expect_used, reason = "this is test code, kept in a library")]

mod follower;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hubbub_events::{Offset, Timestamp, Topic, TopicPartition};
use hubbub_stream::{AppendError, Error, Log, NewRecord, Record};
use tokio::time::timeout;

pub use follower::Follower;

/// How long anything may take before a test gives up.
const DEADLINE: Duration = Duration::from_secs(60);

/// A log of one test's own: empty at first, with at least four partitions a topic.
pub trait Fixture: Sync {
    /// Opens the log, or opens it again after it was closed and dropped.
    fn open(&self) -> impl Future<Output = Arc<dyn Log>> + Send;
}

/// A partition of the posts.
#[must_use]
pub const fn posts(partition: i32) -> TopicPartition {
    TopicPartition { topic: Topic::Posts, partition }
}

/// A record with all that a record has, told from others by its number.
#[must_use]
pub fn record(of: TopicPartition, number: usize) -> NewRecord {
    NewRecord {
        topic_partition: of,
        key: format!("key-{number}").into(),
        value: format!("value {number} of {of}").into(),
        headers: vec![("ce_id".into(), Bytes::from(number.to_string()))],
        time: Timestamp(1_700_000_000_000 + number as i64),
    }
}

/// Records of these numbers.
#[must_use]
pub fn records(of: TopicPartition, numbers: std::ops::Range<usize>) -> Vec<NewRecord> {
    numbers.map(|number| record(of, number)).collect()
}

/// Asserts that a record read is the one that was appended.
pub fn assert_same(read: &Record, appended: &NewRecord) {
    assert_eq!(read.key, appended.key);
    assert_eq!(read.value, appended.value);
    assert_eq!(read.headers, appended.headers);
    assert_eq!(read.time, appended.time);
}

/// Appends, and asserts that all is acknowledged.
pub async fn append(log: &dyn Log, records: &[NewRecord]) -> Vec<Offset> {
    let results = timeout(DEADLINE, log.append(records.to_vec())).await;
    let results = results.expect("an append ends");
    assert_eq!(results.len(), records.len());
    results.into_iter().map(|result| result.expect("an acknowledgement")).collect()
}

/// Asserts that the offsets of records count up from the first.
pub fn assert_contiguous(records: &[Record], first: Offset) {
    for (record, offset) in records.iter().zip(first..) {
        assert_eq!(record.offset, offset);
    }
}

/// Offsets are contiguous from 0, in the order of records and of calls.
pub async fn offsets_are_contiguous(fixture: &impl Fixture) {
    let log = fixture.open().await;
    assert_eq!(append(&*log, &records(posts(1), 0..100)).await, Vec::from_iter(0..100));
    assert_eq!(append(&*log, &records(posts(1), 100..103)).await, [100, 101, 102]);
    assert!(append(&*log, &[]).await.is_empty());
    assert_eq!(append(&*log, &records(posts(1), 103..104)).await, [103]);
}

/// Calls that were polled in an order lie in that order, also unawaited.
pub async fn the_order_of_calls_is_the_order_in_a_partition(fixture: &impl Fixture) {
    let log = fixture.open().await;
    let mut calls = Vec::new();
    for number in 0..50 {
        let mut call = Box::pin({
            let log = Arc::clone(&log);
            async move { log.append(vec![record(posts(0), number)]).await }
        });
        // One poll enqueues it, and may already answer it.
        let first = std::future::poll_fn(|context| {
            std::task::Poll::Ready(match call.as_mut().poll(context) {
                std::task::Poll::Ready(results) => Some(results),
                std::task::Poll::Pending => None,
            })
        })
        .await;
        calls.push((call, first));
    }
    for (offset, (call, first)) in calls.into_iter().enumerate() {
        let results = match first {
            Some(results) => results,
            None => timeout(DEADLINE, call).await.expect("an append ends"),
        };
        assert_eq!(results, [Ok(offset as Offset)]);
    }
}

/// Topics and partitions in one call do not touch one another.
pub async fn partitions_and_topics_are_apart(fixture: &impl Fixture) {
    let log = fixture.open().await;
    let dead = |partition| TopicPartition { topic: Topic::DeadLetters, partition };
    let places = [posts(0), posts(3), dead(3), dead(0), posts(2)];
    let mixed: Vec<_> = (0..100).map(|n| record(places[n % places.len()], n)).collect();
    let offsets = append(&*log, &mixed).await;
    for (n, offset) in offsets.into_iter().enumerate() {
        assert_eq!(offset, (n / places.len()) as Offset);
    }
    for topic in [Topic::Posts, Topic::DeadLetters] {
        let mut follower = Follower::join(&*log, "apart", topic, []).await;
        for (at, of) in places.iter().enumerate().filter(|(_, of)| of.topic == topic) {
            follower.until(*of, 20).await;
            assert_contiguous(follower.of(*of), 0);
            for (read, appended) in follower.of(*of).iter().zip(mixed.iter().skip(at).step_by(5)) {
                assert_same(read, appended);
            }
        }
    }
}

/// A record comes back as it was appended, whatever its bytes are.
pub async fn records_come_back_as_they_were(fixture: &impl Fixture) {
    let log = fixture.open().await;
    let every_byte: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let odd = NewRecord {
        topic_partition: posts(0),
        key: Bytes::from_static(b"\xFF\x00key"),
        value: every_byte.clone().into(),
        headers: vec![
            ("name".into(), Bytes::from_static(b"first")),
            ("name".into(), Bytes::from(every_byte)),
            ("größe".into(), Bytes::new()),
        ],
        time: Timestamp(1),
    };
    let plain = NewRecord {
        key: Bytes::from_static(b"k"),
        value: Bytes::from_static(b"v"),
        headers: Vec::new(),
        time: Timestamp::MAX,
        ..odd.clone()
    };
    append(&*log, &[odd.clone(), plain.clone()]).await;
    let mut follower = Follower::join(&*log, "odd", Topic::Posts, []).await;
    follower.until(posts(0), 2).await;
    assert_same(&follower.of(posts(0))[0], &odd);
    assert_same(&follower.of(posts(0))[1], &plain);
}

/// Records of a million bytes go through, alone and several in one call.
pub async fn big_records_go_through(fixture: &impl Fixture) {
    let log = fixture.open().await;
    let big: Vec<_> = (0..6_u8)
        .map(|n| NewRecord { value: vec![n; 1_000_000].into(), ..record(posts(0), n.into()) })
        .collect();
    append(&*log, &big[..1]).await;
    append(&*log, &big[1..]).await;
    let mut follower = Follower::join(&*log, "big", Topic::Posts, []).await;
    follower.until(posts(0), big.len()).await;
    for (read, appended) in follower.of(posts(0)).iter().zip(&big) {
        assert_same(read, appended);
    }
}

/// Those who append at the same time are each told where their records really lie,
/// while a consumer follows.
pub async fn appenders_run_side_by_side(fixture: &impl Fixture) {
    const APPENDERS: usize = 16;
    const EACH: usize = 40;
    let log = fixture.open().await;
    let mut follower = Follower::join(&*log, "side", Topic::Posts, []).await;
    let appenders: Vec<_> = (0..APPENDERS)
        .map(|appender| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut told = Vec::new();
                for n in 0..EACH {
                    let number = appender * EACH + n;
                    told.push((append(&*log, &[record(posts(2), number)]).await[0], number));
                }
                told
            })
        })
        .collect();
    follower.until(posts(2), APPENDERS * EACH).await;
    assert_contiguous(follower.of(posts(2)), 0);
    for appender in appenders {
        let told = appender.await.expect("an appender ends");
        assert!(told.is_sorted(), "one appender's records lie in its order");
        for (offset, number) in told {
            assert_same(&follower.of(posts(2))[offset as usize], &record(posts(2), number));
        }
    }
}

/// A consumer begins at any offset, and waits at the end.
pub async fn a_consumer_begins_anywhere(fixture: &impl Fixture) {
    let log = fixture.open().await;
    append(&*log, &records(posts(1), 0..200)).await;
    for from in [0, 1, 57, 199, 200] {
        let group = format!("from-{from}");
        let mut follower = Follower::join(&*log, &group, Topic::Posts, [(posts(1), from)]).await;
        follower.until_assigned(posts(1)).await;
        let before = 200 - from as usize;
        follower.until(posts(1), before).await;
        let offset = append(&*log, &records(posts(1), 200..201)).await[0];
        let count = (offset - from + 1) as usize;
        follower.until(posts(1), count).await;
        assert_contiguous(follower.of(posts(1)), from);
    }
}

/// Every group gets everything.
pub async fn groups_do_not_share(fixture: &impl Fixture) {
    let log = fixture.open().await;
    let mut early = Follower::join(&*log, "early", Topic::Posts, []).await;
    append(&*log, &records(posts(0), 0..30)).await;
    let mut late = Follower::join(&*log, "late", Topic::Posts, []).await;
    late.until(posts(0), 30).await;
    early.until(posts(0), 30).await;
    assert_eq!(early.of(posts(0)), late.of(posts(0)));
}

/// To start again drops what was fetched, and goes on from there, back or ahead.
pub async fn to_start_again_is_to_seek(fixture: &impl Fixture) {
    let log = fixture.open().await;
    append(&*log, &records(posts(0), 0..100)).await;
    let mut follower = Follower::join(&*log, "seek", Topic::Posts, []).await;
    follower.until(posts(0), 100).await;
    for from in [10, 90, 0] {
        follower.seen.clear();
        follower.consumer().start(posts(0), from).expect("a start");
        follower.until(posts(0), 100 - from as usize).await;
        assert_contiguous(follower.of(posts(0)), from);
    }
}

/// What is not assigned cannot be started.
pub async fn only_assigned_partitions_start(fixture: &impl Fixture) {
    let log = fixture.open().await;
    let mut consumer = log.consume("none", Topic::Posts).await.expect("a consumer");
    let partitions = log.partitions(Topic::Posts);
    assert!(matches!(consumer.start(posts(0), 0), Err(Error::Permanent(_) | Error::Transient(_))));
    assert!(consumer.start(posts(partitions), 0).is_err());
}

/// A paused partition delivers nothing while others go on, and then all from where
/// it stopped.
pub async fn a_paused_partition_waits(fixture: &impl Fixture) {
    let log = fixture.open().await;
    append(&*log, &records(posts(0), 0..10)).await;
    let mut follower = Follower::join(&*log, "pause", Topic::Posts, []).await;
    follower.until(posts(0), 10).await;
    follower.until_assigned(posts(1)).await;
    follower.consumer().pause(posts(0));
    append(&*log, &records(posts(0), 10..20)).await;
    append(&*log, &records(posts(1), 0..10)).await;
    follower.until(posts(1), 10).await;
    assert_eq!(follower.of(posts(0)).len(), 10);
    follower.consumer().resume(posts(0));
    follower.until(posts(0), 20).await;
    assert_contiguous(follower.of(posts(0)), 0);
}

/// A dropped poll loses nothing and repeats nothing.
pub async fn a_dropped_poll_loses_nothing(fixture: &impl Fixture) {
    let log = fixture.open().await;
    let appending = tokio::spawn({
        let log = Arc::clone(&log);
        async move {
            for n in 0..200 {
                append(&*log, &records(posts((n % 4) as i32), n * 5..n * 5 + 5)).await;
            }
        }
    });
    let mut follower = Follower::join(&*log, "dropped", Topic::Posts, []).await;
    let total = |follower: &Follower| follower.seen.values().map(Vec::len).sum::<usize>();
    let all = async {
        while total(&follower) < 1000 {
            let polled = tokio::select! {
                biased;
                polled = follower.consumer().poll() => Some(polled),
                () = tokio::task::yield_now() => None,
            };
            if let Some(polled) = polled {
                follower.take(polled.expect("a consumer goes on"));
            }
        }
    };
    timeout(DEADLINE, all).await.expect("all is delivered");
    appending.await.expect("the appends end");
    for partition in 0..4 {
        assert_eq!(follower.of(posts(partition)).len(), 250);
        assert_contiguous(follower.of(posts(partition)), 0);
    }
}

/// What was acknowledged, and who the log is, outlives a restart.
pub async fn a_restart_keeps_everything(fixture: &impl Fixture) {
    let mut log = fixture.open().await;
    let identity = log.identity();
    for round in 0..5 {
        let numbers = round * 20..round * 20 + 20;
        let offsets = append(&*log, &records(posts(0), numbers.clone())).await;
        assert_eq!(offsets, numbers.map(|n| n as Offset).collect::<Vec<_>>());
        log.close().await;
        drop(log);
        log = fixture.open().await;
        assert_eq!(log.identity(), identity);
    }
    let mut follower = Follower::join(&*log, "restart", Topic::Posts, []).await;
    follower.until(posts(0), 100).await;
    for (n, read) in follower.of(posts(0)).iter().enumerate() {
        assert_eq!(read.offset, n as Offset);
        assert_same(read, &record(posts(0), n));
    }
}

/// The bounds of a partition are those of what is acknowledged.
pub async fn bounds_are_those_of_what_is_acknowledged(fixture: &impl Fixture) {
    let log = fixture.open().await;
    let bounds = async |of| log.bounds(of).await.expect("bounds");
    assert_eq!(bounds(posts(3)).await, 0..0);
    append(&*log, &records(posts(3), 0..7)).await;
    let reached = async {
        while bounds(posts(3)).await != (0..7) {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, reached).await.expect("bounds follow");
    assert_eq!(bounds(posts(2)).await, 0..0);
    let partitions = log.partitions(Topic::Posts);
    assert!(log.bounds(posts(partitions)).await.is_err());
}

/// Reading goes page by page, each of about the size asked for, and never stands still.
pub async fn reading_goes_page_by_page(fixture: &impl Fixture) {
    let log = fixture.open().await;
    let appended = records(posts(0), 0..300);
    append(&*log, &appended).await;
    for page_bytes in [0, 1, 2000, 1 << 20] {
        let mut next = 0;
        let mut pages = 0;
        let reading = async {
            while next < 300 {
                let page = log.read(posts(0), next, page_bytes).await.expect("a page");
                for read in &page {
                    assert_eq!(read.offset, next);
                    assert_same(read, &appended[next as usize]);
                    next += 1;
                }
                pages += i32::from(!page.is_empty());
                tokio::task::yield_now().await;
            }
        };
        timeout(DEADLINE, reading).await.expect("reading ends");
        match page_bytes {
            0 | 1 => assert_eq!(pages, 300, "a page of one byte is one record"),
            2000 => assert!((5..100).contains(&pages), "{pages} pages of about 2000 bytes"),
            _ => assert!(pages < 300, "{pages} pages"),
        }
    }
    let at_the_end = log.read(posts(0), 300, 1000).await;
    assert!(at_the_end.expect("an empty page").is_empty());
}

/// A partition that the topic does not have is refused alone.
pub async fn an_absent_partition_is_refused_alone(fixture: &impl Fixture) {
    let log = fixture.open().await;
    let absent = posts(log.partitions(Topic::Posts));
    let call = vec![record(posts(0), 0), record(absent, 1), record(posts(0), 2)];
    let results = timeout(DEADLINE, log.append(call)).await.expect("an append ends");
    assert_eq!(results[0], Ok(0));
    assert!(matches!(&results[1], Err(AppendError::Unavailable(_))), "{:?}", results[1]);
    assert_eq!(results[2], Ok(1));
}

/// A log that is closed has acknowledged what it took, and takes nothing more.
pub async fn a_closed_log_takes_nothing_more(fixture: &impl Fixture) {
    let log = fixture.open().await;
    assert_eq!(log.ready().await, Ok(()));
    let taken = {
        let log = Arc::clone(&log);
        tokio::spawn(async move { log.append(records(posts(0), 0..1000)).await })
    };
    let reached = async {
        while log.bounds(posts(0)).await.expect("bounds").end == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, reached).await.expect("the first is acknowledged");
    timeout(DEADLINE, log.close()).await.expect("closing ends");
    let taken = taken.await.expect("the append ends");
    assert!(taken.iter().all(Result::is_ok));
    let refused = log.append(records(posts(0), 0..2)).await;
    assert!(refused.iter().all(|result| matches!(result, Err(AppendError::Unavailable(_)))));
    assert!(matches!(log.ready().await, Err(AppendError::Unavailable(_))));
    drop(log);
    let log = fixture.open().await;
    let mut follower = Follower::join(&*log, "closed", Topic::Posts, []).await;
    follower.until(posts(0), 1000).await;
    assert_eq!(append(&*log, &records(posts(0), 0..1)).await, [1000]);
}
