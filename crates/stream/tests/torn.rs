//! What a crash leaves at the end of the log is cut, and nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod support;

use std::collections::HashMap;
use std::fs;

use hubbub_stream::{AppendError, Error, Log, NewRecord};
use hubbub_testkit::log_conformance::{Follower, append, posts, record, records};
use support::{LogFolder, assert_holds, unreadable};

/// Three calls, so three units; answers the length of the file after each.
async fn three_units(folder: &LogFolder) -> (Vec<NewRecord>, Vec<u64>) {
    let log = folder.open();
    let length = || fs::metadata(folder.segment(1)).unwrap().len();
    let mut lengths = vec![length()];
    for call in 0..3 {
        append(&log, &records(posts(0), call * 3..call * 3 + 3)).await;
        lengths.push(length());
    }
    (records(posts(0), 0..9), lengths)
}

#[tokio::test]
async fn a_log_cut_anywhere_in_its_last_unit_is_the_prefix_before_it() {
    let folder = LogFolder::new();
    let (appended, lengths) = three_units(&folder).await;
    let saved = folder.save();
    for length in lengths[2]..=lengths[3] {
        folder.restore(&saved);
        let file = fs::OpenOptions::new().write(true).open(folder.segment(1)).unwrap();
        file.set_len(length).unwrap();
        let log = folder.open();
        let kept = if length == lengths[3] { 9 } else { 6 };
        assert_eq!(log.ready().await, Ok(()));
        assert_holds(&log, posts(0), &appended[..kept]).await;
        assert_eq!(append(&log, &[record(posts(0), kept)]).await, [kept as i64]);
        drop(log);
        let mut appended = appended[..kept].to_vec();
        appended.push(record(posts(0), kept));
        assert_holds(&folder.open(), posts(0), &appended).await;
    }
}

/// After a power cut the length of a file can be there, and its bytes not.
#[tokio::test]
async fn a_last_unit_of_zeros_is_cut() {
    let folder = LogFolder::new();
    let (appended, lengths) = three_units(&folder).await;
    let saved = folder.save();
    for kept in [0, 1, 30, 60] {
        folder.restore(&saved);
        let mut bytes = fs::read(folder.segment(1)).unwrap();
        bytes[lengths[2] as usize + kept..].fill(0);
        fs::write(folder.segment(1), bytes).unwrap();
        assert_holds(&folder.open(), posts(0), &appended[..6]).await;
        assert_eq!(fs::metadata(folder.segment(1)).unwrap().len(), lengths[2]);
    }
}

#[tokio::test]
async fn a_segment_whose_making_was_cut_short_is_made_again() {
    let folder = LogFolder::new();
    let (appended, _) = three_units(&folder).await;
    let whole_header = {
        let other = LogFolder::new();
        drop(other.open());
        fs::read(other.segment(1)).unwrap()
    };
    for length in 0..whole_header.len() {
        fs::write(folder.segment(2), &whole_header[..length]).unwrap();
        let log = folder.open();
        assert_eq!(log.ready().await, Ok(()));
        assert_holds(&log, posts(0), &appended).await;
        drop(log);
        assert_holds(&folder.open(), posts(0), &appended).await;
    }
}

#[tokio::test]
async fn a_torn_unit_that_a_floor_reaches_is_damage() {
    let folder = LogFolder::new();
    let (appended, lengths) = three_units(&folder).await;
    let bytes = fs::read(folder.segment(1)).unwrap();
    let cut = &bytes[..lengths[3] as usize - 1];
    fs::write(folder.segment(1), cut).unwrap();

    let log = folder.open_with(&HashMap::from([(posts(0), 7)])).unwrap();
    let refused = log.append(records(posts(0), 9..10)).await;
    let [Err(AppendError::Storage(why))] = refused.as_slice() else {
        panic!("{refused:?}");
    };
    assert!(why.contains("segment 1") && why.contains(&lengths[2].to_string()), "{why}");
    assert!(matches!(log.ready().await, Err(AppendError::Storage(_))));
    assert!(unreadable(&log, posts(0), &appended).await.is_empty());
    assert_eq!(log.bounds(posts(0)).await.unwrap(), 0..6);
    assert!(matches!(log.read(posts(0), 6, 100).await, Err(Error::Permanent(_))));
    assert_eq!(fs::read(folder.segment(1)).unwrap(), cut, "damage is left as it is");
    drop(log);

    // A floor below it does not reach it.
    let log = folder.open_with(&HashMap::from([(posts(0), 5)])).unwrap();
    assert_eq!(log.ready().await, Ok(()));
    assert_holds(&log, posts(0), &appended[..6]).await;
}

#[tokio::test]
async fn a_log_that_lost_its_end_stops_those_who_were_past_it_and_takes_nothing() {
    let folder = LogFolder::new();
    let (_, lengths) = three_units(&folder).await;
    let bytes = fs::read(folder.segment(1)).unwrap();
    fs::write(folder.segment(1), &bytes[..lengths[2] as usize]).unwrap();
    let log = folder.open_with(&HashMap::from([(posts(0), 8), (posts(1), -1)])).unwrap();
    assert!(matches!(log.ready().await, Err(AppendError::Storage(_))));

    let mut past = log.consume("past", posts(0).topic).await.unwrap();
    past.poll().await.unwrap();
    let Err(Error::Recreated(why)) = past.start(posts(0), 9) else {
        panic!("a start past the end");
    };
    assert!(why.contains("hubbub.posts.v1/0") && why.contains('9'), "{why}");

    // One that is behind reads what there is, and is then told.
    let mut behind = Follower::join(&log, "behind", posts(0).topic, []).await;
    behind.until(posts(0), 6).await;
    let polled = behind.consumer().poll().await.unwrap();
    let hubbub_stream::Polled::Unreadable(position, _) = polled else {
        panic!("{polled:?}");
    };
    assert_eq!(position, posts(0).at(6));
}

#[tokio::test]
async fn a_floor_of_a_log_that_is_gone_is_damage() {
    let folder = LogFolder::new();
    let log = folder.open_with(&HashMap::from([(posts(0), 8)])).unwrap();
    assert!(matches!(log.ready().await, Err(AppendError::Storage(_))));
    drop(log);
    let absent = folder.open_with(&HashMap::from([(posts(4), 8)]));
    assert!(matches!(absent, Err(Error::Recreated(_))));
}
