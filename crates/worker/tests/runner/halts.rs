//! A partition that must not go on stands still, alone, and says why.

use hubbub_events::{DecodeError, Position, PostEvent, Topic};
use hubbub_projections::{Interrupt, Likes, Outcome, Posts, Projection, likes};
use hubbub_stream::Log;
use hubbub_testkit::{memory_log::MemoryLog, memory_store::MemoryStore, model::Model};
use hubbub_worker::{Explainer, HaltReason, WorkerSettings};

use crate::{
    fragile::{Fragile, PANICS, SHATTERS},
    support::{
        a_while, create, id_in, like, newer, posts, put, settings, start, stored_frontier, until,
    },
};

/// What the log says up to an offset of a partition.
fn model_before(log: &MemoryLog, partition: i32, end: i64) -> Model {
    let mut model = Model::default();
    for record in
        log.acknowledged(posts(partition)).into_iter().filter(|record| record.offset < end)
    {
        let event = PostEvent::decode(&record.key, &record.value).unwrap();
        model.happened(posts(partition).at(record.offset), &event);
    }
    model
}

#[tokio::test(start_paused = true)]
async fn a_newer_event_halts_after_what_came_before_it_and_resuming_does_not_help() {
    let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
    let ids = [id_in(posts(0), 2, "a"), id_in(posts(1), 2, "b")];
    put(&log, 2, [create(0, &ids[0], "words"), like(1, "u", &ids[0])]);
    log.put(newer(&ids[0], 2));
    put(&log, 2, [like(2, "v", &ids[0])]);
    let worker = start::<Likes>(&log, &store, settings());
    let halt = worker.until_halted(posts(0)).await;
    assert_eq!((halt.reason, halt.at), (HaltReason::NewerEvent, 2));
    assert!(halt.detail.contains("schema 99"), "{}", halt.detail);
    assert_eq!(stored_frontier(&store, "likes", posts(0)), Some(1));
    model_before(&log, 0, 2).assert_likes(&store, 1);

    // Nothing behind it is explained as if it were folded.
    let mut explainer = Explainer::<Likes>::new(posts(0), 2);
    let records = log.acknowledged(posts(0));
    let outcomes = records.iter().map(|record| explainer.explain(record).outcome);
    let outcomes: Vec<_> = outcomes.collect();
    let [applied @ .., halts, behind] = &outcomes[..] else { panic!("{outcomes:?}") };
    assert_eq!(*applied, ["applied", "applied"]);
    assert!(halts.starts_with("halts the partition (newer-event)"), "{halts}");
    assert_eq!(*behind, "not folded: the partition stands before @2");

    for round in 1..4 {
        assert_eq!(worker.handle.resume(Some(0), true).await, 1);
        until("it halts again", || worker.halts_and_resumes(posts(0)) == (round + 1, round)).await;
        assert_eq!(worker.halt(posts(0)), Some(halt.clone()));
    }
    let status = worker.status(posts(0)).unwrap();
    assert!(
        status.state.to_string().contains("halted before offset 2 (newer-event)"),
        "{}",
        status.state
    );

    // What comes to a halted partition neither wakes it nor is taken into memory.
    put(&log, 2, (10..400).map(|number| like(number, &format!("u{number}"), &ids[0])));
    put(&log, 2, [create(5, &ids[1], "words")]);
    worker.until_folded(posts(1), 0).await;
    a_while().await;
    assert_eq!(worker.halt(posts(0)), Some(halt));
    let member = log.members("hubbub.likes.b1")[0];
    assert!(log.is_paused(member, posts(0)));
    assert!(log.delivered(member, posts(0)).unwrap() <= 4);
}

/// The next version of `likes`: it knows events of schema 99 to be likes.
struct Upgraded;

impl Projection for Upgraded {
    const NAME: &'static str = Likes::NAME;
    const FOLD: i32 = 1;
    const TOPIC: Topic = Likes::TOPIC;
    type Event = PostEvent;
    type Tables = likes::Tables;

    fn decode(key: &[u8], value: &[u8]) -> Result<PostEvent, DecodeError> {
        match Likes::decode(key, value) {
            Err(DecodeError::Newer { schema: 99 }) => {
                Ok(like(99, "newer", std::str::from_utf8(key).unwrap()))
            }
            read => read,
        }
    }

    fn fold(
        at: Position,
        event: &PostEvent,
        tables: &mut likes::Tables,
    ) -> Result<Outcome, Interrupt> {
        Likes::fold(at, event, tables)
    }
}

#[tokio::test(start_paused = true)]
async fn an_upgraded_worker_goes_on_at_the_record_that_halted_the_older_one() {
    let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
    let events =
        [create(0, "p", "words"), like(1, "u", "p"), like(99, "newer", "p"), like(2, "v", "p")];
    let mut model = Model::default();
    for (offset, event) in (0..).zip(&events) {
        model.happened(posts(0).at(offset), event);
    }
    let [created, first, _, last] = events;
    put(&log, 1, [created, first]);
    log.put(newer("p", 1));
    put(&log, 1, [last]);
    let older = start::<Likes>(&log, &store, settings());
    let halt = older.until_halted(posts(0)).await;
    assert_eq!((halt.reason, halt.at), (HaltReason::NewerEvent, 2));
    older.stop().await.unwrap();

    let upgraded = start::<Upgraded>(&log, &store, settings());
    upgraded.until_done(&log).await;
    assert_eq!(upgraded.halts_and_resumes(posts(0)), (0, 0));
    model.assert_likes(&store, 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_halts_until_it_is_mended_and_resumed() {
    let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
    put(&log, 1, (0..20).map(|number| create(number, &format!("post-{number}"), "words")));
    log.damage(posts(0).at(13), "a flipped bit");
    let worker = start::<Posts>(&log, &store, settings());
    let halt = worker.until_halted(posts(0)).await;
    assert_eq!((halt.reason, halt.at), (HaltReason::Unreadable, 13));
    assert!(halt.detail.contains("a flipped bit"));
    assert_eq!(stored_frontier(&store, "posts", posts(0)), Some(12));

    assert_eq!(worker.handle.resume(None, false).await, 1);
    until("it halts again", || worker.halts_and_resumes(posts(0)) == (2, 1)).await;
    assert_eq!(worker.halt(posts(0)), Some(halt));
    log.mend(posts(0));
    assert_eq!(worker.handle.resume(None, false).await, 1);
    worker.until_done(&log).await;
    model_before(&log, 0, 20).assert_posts(&store, 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_judging_halts_its_partition_after_the_records_before_it() {
    for batch_records in [1, 3, 50] {
        for place in [0, 1, 7] {
            let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
            let (bad, good) = (id_in(posts(0), 2, PANICS), id_in(posts(1), 2, "good"));
            put(
                &log,
                2,
                (0..place).map(|number| {
                    create(
                        number as usize,
                        &id_in(posts(0), 2, &format!("post-{number}-")),
                        "words",
                    )
                }),
            );
            put(&log, 2, [create(50, &bad, "words"), like(51, "u", &bad)]);
            put(&log, 2, [create(52, &good, "words"), like(53, "u", &good)]);
            let settings = WorkerSettings { batch_records, ..settings() };
            let worker = start::<Fragile>(&log, &store, settings);
            let halt = worker.until_halted(posts(0)).await;
            assert_eq!((halt.reason, halt.at), (HaltReason::Panic, place));
            assert!(halt.detail.contains("panics as told"), "{}", halt.detail);
            worker.until_folded(posts(1), 1).await;
            assert_eq!(worker.frontier(posts(0)), place - 1);

            let mut model = model_before(&log, 0, place);
            model.posts.extend(model_before(&log, 1, 2).posts);
            model.assert_likes(&store, 1);
        }
    }
}

/// The panic comes behind more than one write may take.
#[tokio::test(start_paused = true)]
async fn a_panic_behind_a_large_share_halts_where_it_says() {
    let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
    let likers = (0..9000).map(|number| like(number, &format!("{number:0>100}"), "p"));
    put(&log, 1, [create(0, "p", "words")].into_iter().chain(likers));
    put(&log, 1, [create(1, PANICS, "words")]);
    log.set_fetch_records(20_000);
    let settings = WorkerSettings {
        batch_records: 20_000,
        queue_size: bytesize::ByteSize::mib(64),
        ..settings()
    };
    let worker = start::<Fragile>(&log, &store, settings);
    let halt = worker.until_halted(posts(0)).await;
    assert_eq!((halt.reason, halt.at), (HaltReason::Panic, 9001));
    assert_eq!(worker.frontier(posts(0)), 9000);
    assert!(worker.advances(posts(0)).len() > 2, "in more than one write");
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_reading_halts_its_partition_alone() {
    let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
    let (bad, good) = (id_in(posts(0), 2, SHATTERS), id_in(posts(1), 2, "good"));
    put(&log, 2, [create(0, &id_in(posts(0), 2, "fine"), "words"), create(1, &bad, "words")]);
    let worker = start::<Fragile>(&log, &store, settings());
    let halt = worker.until_halted(posts(0)).await;
    assert_eq!((halt.reason, halt.at), (HaltReason::Panic, 1));
    put(&log, 2, [create(2, &good, "words")]);
    worker.until_folded(posts(1), 0).await;
    assert_eq!(worker.frontier(posts(0)), 0);
}

#[tokio::test(start_paused = true)]
async fn a_halted_partition_says_since_when_its_records_wait() {
    let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
    put(&log, 1, [create(0, "p", "words")]);
    let mut late = newer("p", 1);
    late.time = hubbub_events::Timestamp(77);
    log.put(late);
    let worker = start::<Likes>(&log, &store, settings());
    worker.until_halted(posts(0)).await;
    until("the end is known", || worker.status(posts(0)).unwrap().end == 2).await;
    let status = worker.status(posts(0)).unwrap();
    assert_eq!(status.oldest_waiting, Some(hubbub_events::Timestamp(77)));
    assert_eq!(status.lag(), 1);
    assert_eq!(log.bounds(posts(0)).await.unwrap(), 0..2);
}
