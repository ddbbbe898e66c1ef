//! A disk that fails: nothing acknowledged is lost, nothing refused is there, and what
//! is not known is said to be so.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod support;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use hubbub_events::Offset;
use hubbub_stream::segments::Segments;
use hubbub_stream::{AppendError, Log, NewRecord};
use hubbub_testkit::faulty_disk::{Fault, FaultyDisk, HeldSyncs};
use hubbub_testkit::log_conformance::{Follower, append, posts, record, records};
use support::{LogFolder, assert_holds, no_floors};
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(30);

/// Polls a call once: its records are enqueued.
async fn enqueue<T>(call: &mut (impl Future<Output = T> + Unpin)) {
    std::future::poll_fn(|context| {
        let _ = std::pin::Pin::new(&mut *call).poll(context);
        std::task::Poll::Ready(())
    })
    .await;
}

/// Waits until a sync waits for the end of the hold.
async fn until_reached(held: HeldSyncs) -> HeldSyncs {
    let reached = tokio::task::spawn_blocking(move || {
        held.reached();
        held
    });
    reached.await.unwrap()
}

fn sized(number: usize) -> NewRecord {
    NewRecord { value: vec![number as u8; 15_000].into(), ..record(posts(0), number) }
}

/// Appends records one by one until the log refuses; what each was told. What had no room is appended once more.
async fn append_each(log: &Segments, count: usize) -> Vec<Result<Offset, AppendError>> {
    let append = async |number| {
        let appended = timeout(DEADLINE, log.append(vec![sized(number)])).await;
        appended.expect("an append ends").remove(0)
    };
    let mut told = Vec::new();
    for number in 0..count {
        told.push(match append(number).await {
            Err(AppendError::NoRoom(_)) => append(number).await,
            fate => fate,
        });
    }
    told
}

/// What was told must agree with what a later start finds.
async fn assert_told_truly(folder: &LogFolder, told: &[Result<Offset, AppendError>], at: &str) {
    let log = folder.open();
    assert_eq!(log.ready().await, Ok(()), "{at}");
    let end = log.bounds(posts(0)).await.unwrap().end as usize;
    let acknowledged = told.iter().take_while(|told| told.is_ok()).count();
    assert!(told[acknowledged..].iter().all(Result::is_err), "{at}: {told:?}");
    let unknown = told[acknowledged..]
        .iter()
        .filter(|told| matches!(told, Err(AppendError::Unknown(_))))
        .count();
    assert!((acknowledged..=acknowledged + unknown).contains(&end), "{at}: {end} {told:?}");
    assert_holds(&log, posts(0), &(0..end).map(sized).collect::<Vec<_>>()).await;
    let next = append(&log, &[sized(end)]).await;
    assert_eq!(next, [end as Offset], "{at}");
}

/// Runs twelve appends, over three segments, with a fault at each step in turn.
async fn fail_at_every_step(fault: Fault, for_ever: bool) {
    let folder = LogFolder::new();
    for step in 0.. {
        folder.restore(&[]);
        let disk = FaultyDisk::default();
        let log = folder.open_on(&disk).unwrap();
        let begun = disk.steps();
        if for_ever {
            disk.fail_from(step, fault);
        } else {
            disk.fail_at(step, fault);
        }
        let told = append_each(&log, 12).await;
        let done = disk.steps() - begun <= step;
        let at = format!("{fault:?} at step {step}");
        if done {
            assert!(told.iter().all(Result::is_ok), "{at}: {told:?}");
            assert!(step > 24, "twelve writes and syncs are steps");
            return;
        }
        if told.iter().any(Result::is_err) {
            let later = timeout(DEADLINE, log.append(vec![sized(12)])).await.unwrap();
            assert!(matches!(later[0], Err(AppendError::Storage(_))), "{at}: {later:?}");
            assert!(matches!(log.ready().await, Err(AppendError::Storage(_))), "{at}");
        }
        // Reads go on.
        let acknowledged = told.iter().filter(|told| told.is_ok()).count();
        assert_holds(&log, posts(0), &(0..acknowledged).map(sized).collect::<Vec<_>>()).await;
        timeout(DEADLINE, log.close()).await.expect("closing ends");
        drop(log);
        assert_told_truly(&folder, &told, &at).await;
    }
}

/// Appends one record, and it is refused for the lack of room alone: the log is as before.
async fn assert_no_room(log: &Segments, number: usize) {
    let told = timeout(DEADLINE, log.append(vec![sized(number)])).await.unwrap();
    assert!(matches!(told[0], Err(AppendError::NoRoom(_))), "{told:?}");
}

#[tokio::test]
async fn less_room_than_the_reserve_is_refused_before_it_is_written_and_taken_once_it_is_there() {
    let (folder, disk) = (LogFolder::new(), FaultyDisk::default());
    let log = folder.open_on(&disk).unwrap();
    let reserve = folder.settings.reserve.as_u64();
    append(&log, &[sized(0)]).await;
    let steps = disk.steps();
    // Enough now, and not with the record.
    disk.set_free(Some(reserve + 1_000));
    assert_eq!(log.ready().await, Ok(()));
    assert_no_room(&log, 1).await;
    disk.set_free(Some(reserve - 1));
    let Err(AppendError::NoRoom(why)) = log.ready().await else { panic!("there is no room") };
    assert!(why.starts_with("the disk lacks 1 B: 128.0 MiB are left"), "{why}");
    assert_no_room(&log, 1).await;
    assert_eq!(disk.steps(), steps, "the disk is not written to");

    disk.set_free(Some(reserve + 20_000));
    assert_eq!(append(&log, &[sized(1)]).await, [1]);
    assert_holds(&log, posts(0), &[sized(0), sized(1)]).await;
}

#[tokio::test]
async fn a_write_that_finds_the_disk_full_leaves_nothing_and_the_log_goes_on() {
    let (folder, disk) = (LogFolder::new(), FaultyDisk::default());
    let log = folder.open_on(&disk).unwrap();
    append(&log, &[sized(0)]).await;
    disk.fail_at(0, Fault::Torn(100));
    assert_no_room(&log, 1).await;
    assert_eq!(log.ready().await, Ok(()));
    assert_eq!(append(&log, &[sized(2)]).await, [1]);
    log.close().await;
    drop(log);
    assert_holds(&folder.open(), posts(0), &[sized(0), sized(2)]).await;
}

#[tokio::test]
async fn a_step_that_fails_once() {
    fail_at_every_step(Fault::Fails(ErrorKind::Other), false).await;
}

#[tokio::test]
async fn a_disk_that_fails_from_a_step_on() {
    fail_at_every_step(Fault::Fails(ErrorKind::Other), true).await;
}

#[tokio::test]
async fn a_disk_that_is_full_from_a_step_on() {
    fail_at_every_step(Fault::Torn(100), true).await;
}

#[tokio::test]
async fn a_write_that_stops_in_the_middle() {
    for bytes in [0, 1, 27, 28, 50, 200, 14_000, usize::MAX] {
        fail_at_every_step(Fault::Torn(bytes), false).await;
    }
}

#[tokio::test]
async fn a_panic_at_any_step_is_no_hang() {
    fail_at_every_step(Fault::Panics, false).await;
}

#[tokio::test]
async fn an_opening_that_fails_at_any_step_can_be_repeated() {
    for fault in [Fault::Fails(ErrorKind::Other), Fault::Torn(20)] {
        for torn_tail in [false, true] {
            let folder = LogFolder::new();
            for step in 0.. {
                folder.restore(&[]);
                let mut kept = 0;
                if torn_tail {
                    append(&folder.open(), &[sized(0)]).await;
                    append(&folder.open(), &[sized(1)]).await;
                    let file = std::fs::File::options().write(true).open(folder.segment(1));
                    let file = file.unwrap();
                    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
                    kept = 1;
                }
                let disk = FaultyDisk::default();
                disk.fail_at(step, fault);
                let opened = folder.open_on(&disk);
                let done = disk.steps() <= step;
                let ready = match &opened {
                    Ok(log) => log.ready().await.is_ok(),
                    Err(_) => false,
                };
                assert_eq!(ready, done, "{fault:?} at step {step}");
                drop(opened);
                let log = folder.open();
                assert_eq!(log.ready().await, Ok(()));
                assert_holds(&log, posts(0), &(0..kept).map(sized).collect::<Vec<_>>()).await;
                if done {
                    break;
                }
            }
        }
    }
}

#[tokio::test]
async fn a_failed_write_is_not_stored_and_a_failed_sync_is_unknown() {
    let told = async |step| {
        let folder = LogFolder::new();
        let disk = FaultyDisk::default();
        let log = folder.open_on(&disk).unwrap();
        disk.fail_at(step, Fault::Fails(ErrorKind::Other));
        log.append(vec![record(posts(0), 0)]).await.remove(0)
    };
    let write = told(0).await;
    assert!(
        matches!(&write, Err(AppendError::Storage(why)) if why.contains("segment 1")),
        "{write:?}"
    );
    assert!(matches!(told(1).await, Err(AppendError::Unknown(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_is_acknowledged_is_seen() {
    let folder = LogFolder::new();
    let disk = FaultyDisk::default();
    let log = Arc::new(folder.open_on(&disk).unwrap());
    append(&*log, &records(posts(0), 0..5)).await;
    let mut follower = Follower::join(&*log, "seen", posts(0).topic, []).await;
    follower.until(posts(0), 5).await;

    let held = disk.hold_syncs();
    let appending = tokio::spawn({
        let log = Arc::clone(&log);
        async move { append(&*log, &records(posts(0), 5..9)).await }
    });
    let held = until_reached(held).await;
    // It is written, but not synced.
    assert_eq!(log.bounds(posts(0)).await.unwrap(), 0..5);
    assert!(log.read(posts(0), 5, 1000).await.unwrap().is_empty());
    let polled = timeout(Duration::from_millis(50), follower.consumer().poll()).await;
    assert!(polled.is_err(), "{polled:?}");
    drop(held);
    follower.until(posts(0), 9).await;
    assert_eq!(appending.await.unwrap(), [5, 6, 7, 8]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_from_the_first_that_does_not_fit() {
    let mut folder = LogFolder::new();
    folder.settings.queue_size = ByteSize::kib(64);
    let disk = FaultyDisk::default();
    let log = Arc::new(folder.open_on(&disk).unwrap());
    let held = disk.hold_syncs();
    let mut first = Box::pin(log.append(vec![sized(0)]));
    enqueue(&mut first).await;
    let held = until_reached(held).await;
    // Room for four in all, of which one is being written.
    let mut second = Box::pin(log.append((1..7).map(sized).collect()));
    enqueue(&mut second).await;
    let third = timeout(DEADLINE, log.append(vec![sized(9)])).await;
    assert_eq!(third.unwrap(), [Err(AppendError::Full)]);
    let never = log.append(vec![NewRecord { value: vec![0; 70_000].into(), ..sized(0) }]).await;
    drop(held);
    assert_eq!(first.await, [Ok(0)]);
    let full = Err(AppendError::Full);
    let expected = [Ok(1), Ok(2), Ok(3), full.clone(), full.clone(), full];
    assert_eq!(second.await, expected);
    assert!(matches!(never.as_slice(), [Err(_)]), "{never:?}");
    assert_eq!(append(&*log, &[sized(4)]).await, [4]);
    assert_holds(&log, posts(0), &(0..5).map(sized).collect::<Vec<_>>()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_finishes_what_was_taken() {
    let folder = LogFolder::new();
    let disk = FaultyDisk::default();
    let log = Arc::new(folder.open_on(&disk).unwrap());
    let held = disk.hold_syncs();
    let appending = {
        let log = Arc::clone(&log);
        tokio::spawn(async move { log.append(records(posts(0), 0..3)).await })
    };
    let held = until_reached(held).await;
    let closing = {
        let log = Arc::clone(&log);
        tokio::spawn(async move { log.close().await })
    };
    let refused = async {
        while !matches!(log.ready().await, Err(AppendError::Unavailable(_))) {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, refused).await.expect("it closes");
    assert!(!closing.is_finished());
    drop(held);
    closing.await.unwrap();
    assert_eq!(appending.await.unwrap(), [Ok(0), Ok(1), Ok(2)]);
}

/// A caller that went away has its record stored all the same.
#[tokio::test]
async fn a_dropped_append_takes_nothing_back() {
    let folder = LogFolder::new();
    let log = folder.open_with(&no_floors()).unwrap();
    {
        let mut call = Box::pin(log.append(records(posts(0), 0..3)));
        enqueue(&mut call).await;
    }
    assert_eq!(append(&log, &records(posts(0), 3..4)).await, [3]);
    assert_holds(&log, posts(0), &records(posts(0), 0..4)).await;
}
