//! Records that cannot be folded are kept aside, and too many of them halt.

use std::{cmp::Ordering, collections::BTreeMap};

use hubbub_events::{PostEvent, Topic, TopicPartition};
use hubbub_projections::Likes;
use hubbub_stream::{AppendError, Record};
use hubbub_testkit::{
    memory_log::{Fault, MemoryLog},
    memory_store::{Fate, MemoryStore},
    model::Model,
    story,
};
use hubbub_worker::{HEADER_PREFIX, HaltReason};

use crate::{
    fragile::{FAILS, Fragile},
    support::{a_while, create, id_in, like, posts, put, settings, start, stored_frontier, until},
};

pub fn buried(log: &MemoryLog) -> Vec<Record> {
    log.all(Topic::DeadLetters).into_iter().flat_map(|of| log.acknowledged(of)).collect()
}

pub fn story_of(letter: &Record) -> BTreeMap<String, String> {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    let headers = letter.headers.iter().filter_map(|(name, value)| {
        Some((name.strip_prefix(HEADER_PREFIX)?.to_owned(), text(value)))
    });
    headers.collect()
}

#[tokio::test(start_paused = true)]
async fn bytes_that_are_no_event_are_buried_as_they_are_and_their_neighbours_folded() {
    let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
    let post = id_in(posts(1), 2, "post-");
    let mut model = Model::default();
    let (first, last) = (create(0, &post, "words"), like(2, "u", &post));
    model.happened(posts(1).at(0), &first);
    model.happened(posts(1).at(2), &last);
    put(&log, 2, [first]);
    let mut bad = story::raw(post.as_bytes(), b"\xFF\xFF no event", 2);
    bad.headers = vec![("traceparent".into(), "00-a-b-01".into())];
    log.put(bad.clone());
    put(&log, 2, [last]);
    let worker = start::<Likes>(&log, &store, settings());
    worker.until_done(&log).await;
    model.assert_likes(&store, 1);

    let [letter] = &buried(&log)[..] else { panic!("one letter, not {:?}", buried(&log)) };
    assert_eq!((&letter.key, &letter.value), (&bad.key, &bad.value));
    assert_eq!(letter.headers[0], bad.headers[0]);
    let story = story_of(letter);
    assert_eq!(story["source-topic"], "hubbub.posts.v1");
    assert_eq!(story["source-partition"], "1");
    assert_eq!(story["source-offset"], "1");
    assert_eq!(story["projection"], "likes");
    assert_eq!(story["attempts"], "1");
    assert_eq!(story["version"], env!("CARGO_PKG_VERSION"));
    assert!(story["reason"].contains("Protobuf"), "{story:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_in_a_foreign_partition_is_a_dead_letter() {
    let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
    let mut misplaced = story::record(&create(0, &id_in(posts(0), 2, "post-"), "words"), 2);
    misplaced.topic_partition = posts(1);
    log.put(misplaced);
    let worker = start::<Likes>(&log, &store, settings());
    worker.until_done(&log).await;
    assert_eq!(buried(&log).len(), 1);
    let reason = &story_of(&buried(&log)[0])["reason"];
    assert!(reason.contains("partition 0, not 1"), "{reason}");
    Model::default().assert_likes(&store, 1);
}

#[tokio::test(start_paused = true)]
async fn a_letter_is_acknowledged_before_the_frontier_passes_it() {
    let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
    put(&log, 1, [create(0, "p", "words")]);
    log.put(story::raw(b"p", b"no event", 1));
    log.hold();
    let worker = start::<Likes>(&log, &store, settings());
    a_while().await;
    assert_eq!(worker.frontier(posts(0)), -1);
    assert_eq!(stored_frontier(&store, "likes", posts(0)), None);
    assert!(store.export().is_empty(), "what a replay would skip comes after the letter");
    log.release();
    worker.until_done(&log).await;
    assert_eq!(buried(&log).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_takes_no_letters_is_waited_for() {
    let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
    for number in 0..3 {
        log.put(story::raw(b"p", format!("no event {number}").as_bytes(), 1));
    }
    let errors = [AppendError::Full, AppendError::Unavailable("away".to_owned())];
    log.inject(
        [Some(Fault::StoredUnknown), None].into_iter().chain(errors.map(Fault::Refused).map(Some)),
    );
    let worker = start::<Likes>(&log, &store, settings());
    worker.until_done(&log).await;
    let mut values: Vec<_> = buried(&log).into_iter().map(|letter| letter.value).collect();
    values.sort();
    values.dedup();
    assert_eq!(values.len(), 3, "each at least once");
}

#[tokio::test(start_paused = true)]
async fn what_the_log_does_not_take_whole_is_buried_in_part() {
    let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
    let mut large = story::raw(&[b'p'; 1 << 20], &[7; 1 << 20], 1);
    let foreign = ["foreign", "hubbub-foreign"];
    large.headers = foreign.map(|name| (name.into(), vec![7; 1 << 20].into())).into();
    log.put(large);
    log.put(story::raw(b"p", b"no event", 1));
    let too_large = AppendError::TooLarge("four megabytes".to_owned());
    log.inject([Some(Fault::Refused(too_large))]);
    let worker = start::<Likes>(&log, &store, settings());
    worker.until_done(&log).await;
    let letters = buried(&log);
    let [cut] = &letters.iter().filter(|it| it.value.len() > 100).collect::<Vec<_>>()[..] else {
        panic!("{} letters", letters.len())
    };
    assert_eq!((letters.len(), cut.key.len(), cut.value.len()), (2, 256 << 10, 256 << 10));
    assert!(cut.headers.iter().all(|(name, _)| !name.ends_with("foreign")));
    let story = story_of(cut);
    assert_eq!(
        (&*story["source-offset"], &*story["cut-from"]),
        ("0", "a key of 1048576 bytes, a value of 1048576, and headers of its own")
    );
}

#[tokio::test(start_paused = true)]
async fn a_broken_log_halts_a_partition_with_letters() {
    let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
    put(&log, 1, [create(0, "p", "words")]);
    log.put(story::raw(b"p", b"no event", 1));
    log.inject([Some(Fault::Refused(AppendError::Storage("the disk is full".to_owned())))]);
    let worker = start::<Likes>(&log, &store, settings());
    let halt = worker.until_halted(posts(0)).await;
    assert_eq!((halt.reason, halt.at), (HaltReason::Store, 0));
    assert!(halt.detail.contains("the disk is full"));
    assert_eq!(worker.handle.resume(None, false).await, 1);
    worker.until_done(&log).await;
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_fails_stands_with_what_was_decided_and_is_buried() {
    let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
    let events = [create(0, FAILS, "words"), like(1, "u", FAILS)];
    let mut model = Model::default();
    for (event, offset) in events.iter().zip(0..) {
        model.happened(posts(0).at(offset), event);
    }
    put(&log, 1, events);
    let worker = start::<Fragile>(&log, &store, settings());
    worker.until_done(&log).await;
    model.assert_likes(&store, 1);
    let offsets: Vec<_> =
        buried(&log).iter().map(|letter| story_of(letter)["source-offset"].clone()).collect();
    assert_eq!(offsets, ["0", "1"]);
}

/// So that each letter is found again after a death between its burial and the rows
/// that would have it skipped.
#[tokio::test(start_paused = true)]
async fn no_death_loses_a_letter() {
    for (operation, applied) in
        (0..12).flat_map(|operation| [(operation, 0), (operation, u64::MAX)])
    {
        let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
        put(&log, 1, (0..4).map(|number| create(number, &format!("{FAILS}-{number}"), "words")));
        let mortal = store.process(move |now| match now.number.cmp(&operation) {
            Ordering::Less => Fate::done(),
            Ordering::Equal => Fate::death().applying(applied),
            Ordering::Greater => Fate::death(),
        });
        let settings = hubbub_worker::WorkerSettings { batch_records: 2, ..settings() };
        let worker = start::<Fragile>(&log, &mortal, settings.clone());
        until("it is dead or done", || {
            mortal.operations() > operation || worker.frontier(posts(0)) == 3
        })
        .await;
        worker.kill().await;
        let worker = start::<Fragile>(&log, &store, settings);
        worker.until_done(&log).await;
        let mut offsets: Vec<_> =
            buried(&log).iter().map(|letter| story_of(letter)["source-offset"].clone()).collect();
        offsets.sort();
        offsets.dedup();
        assert_eq!(offsets, ["0", "1", "2", "3"], "died at {operation}");
    }
}

fn bad(of: TopicPartition, log: &MemoryLog, count: usize) {
    let key = id_in(of, 2, "bad-");
    for _ in 0..count {
        log.put(story::raw(key.as_bytes(), b"no event", 2));
    }
}

fn good(of: TopicPartition, numbers: std::ops::Range<usize>) -> Vec<PostEvent> {
    numbers
        .map(|number| create(number, &id_in(of, 2, &format!("good-{number}-")), "words"))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn too_many_letters_halt_their_partition_until_it_is_resumed() {
    let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
    put(&log, 2, good(posts(0), 0..3));
    bad(posts(0), &log, 120);
    put(&log, 2, good(posts(1), 0..5));
    let worker = start::<Likes>(&log, &store, settings());
    let halt = worker.until_halted(posts(0)).await;
    assert_eq!((halt.reason, halt.at), (HaltReason::DeadLetterRatio, 3 + 49));
    assert_eq!(buried(&log).len(), 49);
    assert_eq!(stored_frontier(&store, "likes", posts(0)), Some(3 + 48));
    worker.until_folded(posts(1), 4).await;
    a_while().await;
    assert_eq!(worker.halt(posts(0)), Some(halt));

    // Resumed, the window is empty: as many again.
    assert_eq!(worker.handle.resume(None, false).await, 1);
    until("it halts again", || worker.halts_and_resumes(posts(0)).0 == 2).await;
    assert_eq!(worker.until_halted(posts(0)).await.at, 3 + 98);
    assert_eq!(buried(&log).len(), 98);

    // Accepted, all of them, however many there are.
    assert_eq!(worker.handle.resume(None, true).await, 1);
    bad(posts(0), &log, 500);
    worker.until_done(&log).await;
    assert_eq!(buried(&log).len(), 620);

    // Until a window is clean: then there is a limit again.
    put(&log, 2, good(posts(0), 1000..2000));
    bad(posts(0), &log, 200);
    let halt = worker.until_halted(posts(0)).await;
    assert_eq!(halt.reason, HaltReason::DeadLetterRatio);
}
