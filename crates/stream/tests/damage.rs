//! Whatever byte of the log is flipped: never wrong data, never a panic, and the
//! damage is told from what a crash leaves.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod support;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use hubbub_events::Offset;
use hubbub_stream::segments::Segments;
use hubbub_stream::{AppendError, Error, Log, NewRecord, Polled};
use hubbub_testkit::log_conformance::{append, posts, record};
use support::{LogFolder, assert_holds, no_floors, unreadable};

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1 << (at % 8);
    fs::write(path, bytes).unwrap();
}

/// Calls of two records each, one in partition 0 and one in partition 1; answers those
/// of partition 0, and the length of the first segment after each call.
async fn pairs(folder: &LogFolder, calls: usize, value: usize) -> (Vec<NewRecord>, Vec<usize>) {
    let log = folder.open();
    let length = || fs::metadata(folder.segment(1)).unwrap().len() as usize;
    let mut lengths = vec![length()];
    let mut appended = Vec::new();
    for call in 0..calls {
        let new = NewRecord { value: vec![call as u8; value].into(), ..record(posts(0), call) };
        let other = NewRecord { topic_partition: posts(1), ..new.clone() };
        append(&log, &[new.clone(), other]).await;
        appended.push(new);
        lengths.push(length());
    }
    (appended, lengths)
}

fn of_partition_1(appended: &[NewRecord]) -> Vec<NewRecord> {
    appended.iter().map(|new| NewRecord { topic_partition: posts(1), ..new.clone() }).collect()
}

/// No offset of either partition.
const NOTHING: [Vec<Offset>; 2] = [Vec::new(), Vec::new()];

async fn lost(log: &Segments, appended: &[NewRecord]) -> [Vec<Offset>; 2] {
    [
        unreadable(log, posts(0), appended).await,
        unreadable(log, posts(1), &of_partition_1(appended)).await,
    ]
}

/// What a flipped byte of the newest segment is, by where it lies.
async fn assert_classified(
    folder: &LogFolder,
    appended: &[NewRecord],
    lengths: &[usize],
    at: usize,
) {
    let log = folder.open();
    let lost = lost(&log, appended).await;
    let calls = lengths.len() - 1;
    let unit = lengths.iter().filter(|length| **length <= at).count();
    if unit == calls {
        // The last write: nobody can tell it from one that a crash cut short.
        assert_eq!(log.ready().await, Ok(()), "byte {at}");
        assert_holds(&log, posts(0), &appended[..calls - 1]).await;
        assert_eq!(lost, NOTHING, "byte {at}");
        return;
    }
    let Err(AppendError::Storage(why)) = log.ready().await else {
        panic!("byte {at} is damage");
    };
    assert!(why.contains("segment 1"), "{why}");
    assert_eq!(log.bounds(posts(0)).await.unwrap(), 0..calls as Offset);
    if unit == 0 {
        assert_eq!(lost, NOTHING, "byte {at} is of the segment's header");
        return;
    }
    // A damaged record takes those of its own partition with it, a damaged header or
    // directory its unit, and neither any other unit.
    let damaged = vec![unit as Offset - 1];
    let all = [damaged.clone(), damaged.clone()];
    let one = [[damaged.clone(), vec![]], [vec![], damaged]];
    assert!(lost == all || one.contains(&lost), "byte {at}: {lost:?}");
    let refused = log.append(vec![record(posts(2), 0)]).await;
    assert!(matches!(refused.as_slice(), [Err(AppendError::Storage(_))]), "byte {at}");
}

#[tokio::test]
async fn any_flipped_byte_of_the_newest_segment_is_classified() {
    let folder = LogFolder::new();
    let (appended, lengths) = pairs(&folder, 4, 20).await;
    let saved = folder.save();
    for at in 0..lengths[4] {
        folder.restore(&saved);
        flip(&folder.segment(1), at);
        assert_classified(&folder, &appended, &lengths, at).await;
    }
}

#[tokio::test]
async fn any_flipped_byte_of_a_last_unit_below_a_floor_is_damage() {
    let folder = LogFolder::new();
    let (appended, lengths) = pairs(&folder, 3, 20).await;
    let saved = folder.save();
    for at in lengths[2]..lengths[3] {
        folder.restore(&saved);
        flip(&folder.segment(1), at);
        let flipped = folder.save();
        let log = folder.open_with(&HashMap::from([(posts(1), 2)])).unwrap();
        assert!(matches!(log.ready().await, Err(AppendError::Storage(_))), "byte {at}");
        assert_eq!(lost(&log, &appended).await, NOTHING, "byte {at}");
        drop(log);
        assert_eq!(folder.save(), flipped, "damage is left as it is");
    }
}

/// Several units can be damaged at once: what is whole between them is still read.
#[tokio::test]
async fn what_is_whole_between_damaged_units_is_read() {
    let folder = LogFolder::new();
    let (appended, lengths) = pairs(&folder, 6, 20).await;
    for unit in [0, 2, 3] {
        flip(&folder.segment(1), lengths[unit] + 1);
    }
    let log = folder.open();
    assert_eq!(lost(&log, &appended).await, [vec![0, 2, 3], vec![0, 2, 3]]);

    let mut consumer = log.consume("around", posts(0).topic).await.unwrap();
    consumer.poll().await.unwrap();
    let mut told = Vec::new();
    let mut start = 0;
    while start < 6 {
        consumer.start(posts(0), start).unwrap();
        start = match consumer.poll().await.unwrap() {
            Polled::Unreadable(position, _) => {
                told.push((position.offset, false));
                position.offset + 1
            }
            Polled::Records(of, records) => {
                assert_eq!(of, posts(0));
                told.extend(records.iter().map(|record| (record.offset, true)));
                records.last().unwrap().offset + 1
            }
            other => panic!("{other:?}"),
        };
    }
    let readable = |offset| (offset, ![0, 2, 3].contains(&offset));
    assert_eq!(told, Vec::from_iter((0..6).map(readable)));
}

#[tokio::test]
async fn flipped_bytes_of_old_segments_are_seen_when_they_are_read() {
    let folder = LogFolder::new();
    let (appended, _) = pairs(&folder, 40, 3000).await;
    assert!(folder.segments() > 3);
    let saved = folder.save();
    let length = fs::read(folder.segment(2)).unwrap().len();
    // Headers and directories lie at the beginnings of units of about 6 KiB.
    for at in (0..length).step_by(331).chain(length - 20..length) {
        folder.restore(&saved);
        flip(&folder.segment(2), at);
        let log = folder.open();
        assert_eq!(log.ready().await, Ok(()), "byte {at}");
        let [lost_0, lost_1] = lost(&log, &appended).await;
        assert!(lost_0.len() <= 1 && lost_1.len() <= 1, "byte {at}: {lost_0:?} {lost_1:?}");
        let end = appended.len() as Offset;
        assert_eq!(log.bounds(posts(0)).await.unwrap(), 0..end);
        assert_eq!(append(&log, &[record(posts(0), 0)]).await, [end]);
    }
}

#[tokio::test]
async fn an_index_is_made_again_whatever_is_wrong_with_it() {
    let folder = LogFolder::new();
    let (appended, _) = pairs(&folder, 40, 3000).await;
    let saved = folder.save();
    let index = fs::read(folder.index(2)).unwrap();
    for at in 0..index.len() {
        folder.restore(&saved);
        flip(&folder.index(2), at);
        let log = folder.open();
        assert_eq!(log.ready().await, Ok(()), "byte {at}");
        assert_eq!(log.read(posts(0), 15, 1).await.unwrap()[0].value, appended[15].value);
        assert_holds(&log, posts(0), &appended).await;
    }
    for length in [0, 10, index.len() - 1] {
        folder.restore(&saved);
        fs::write(folder.index(2), &index[..length]).unwrap();
        assert_holds(&folder.open(), posts(0), &appended).await;
        assert_eq!(fs::read(folder.index(2)).unwrap(), index, "it is as it was");
    }
    // One of another segment is not believed.
    fs::copy(folder.index(1), folder.index(2)).unwrap();
    assert_holds(&folder.open(), posts(0), &appended).await;
}

#[tokio::test]
async fn a_missing_segment_is_damage_and_the_others_are_read() {
    let folder = LogFolder::new();
    let (appended, _) = pairs(&folder, 40, 3000).await;
    let saved = folder.save();
    let last = folder.segments();
    for (missing, keep_index) in [(1, true), (2, true), (2, false), (last - 1, true)] {
        folder.restore(&saved);
        fs::remove_file(folder.segment(missing)).unwrap();
        if !keep_index {
            fs::remove_file(folder.index(missing)).unwrap();
        }
        let log = folder.open();
        let Err(AppendError::Storage(why)) = log.ready().await else {
            panic!("segment {missing} is missing");
        };
        assert!(why.contains(&format!("segment {missing} is missing")), "{why}");
        let [lost_0, lost_1] = lost(&log, &appended).await;
        assert!((5..15).contains(&lost_0.len()), "{lost_0:?}");
        assert_eq!(lost_0, lost_1);
        assert_eq!(log.bounds(posts(0)).await.unwrap(), 0..40);
    }
}

#[tokio::test]
async fn an_old_segment_that_was_cut_is_damage() {
    let folder = LogFolder::new();
    let (appended, lengths) = pairs(&folder, 40, 3000).await;
    let whole = fs::read(folder.segment(1)).unwrap();
    for length in [lengths[5], lengths[5] + 100, 20] {
        fs::write(folder.segment(1), &whole[..length]).unwrap();
        let log = folder.open();
        assert!(matches!(log.ready().await, Err(AppendError::Storage(_))), "{length}");
        let [lost_0, _] = lost(&log, &appended).await;
        assert!(lost_0.contains(&5) && !lost_0.contains(&15), "{length}: {lost_0:?}");
        assert_eq!(lost_0.contains(&4), length == 20, "{length}: {lost_0:?}");
    }
}

#[tokio::test]
async fn files_of_another_log_are_not_taken_for_its_own() {
    let (one, other) = (LogFolder::new(), LogFolder::new());
    pairs(&one, 3, 20).await;
    pairs(&other, 3, 20).await;
    fs::copy(other.segment(1), one.segment(1)).unwrap();
    let refused = one.open_with(&no_floors());
    assert!(matches!(refused, Err(Error::Recreated(_))));
}
