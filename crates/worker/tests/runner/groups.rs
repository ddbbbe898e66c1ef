//! Partitions come and go, and runners end.

use std::{ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use hubbub_events::{LogIdentity, Offset, Topic, TopicPartition};
use hubbub_projections::Likes;
use hubbub_stream::{AppendError, Consumer, Log, NewRecord, Record};
use hubbub_testkit::{
    memory_log::MemoryLog,
    memory_store::{Fate, MemoryStore},
    model::Model,
    story,
};
use hubbub_worker::{Error, Turn, WorkerSettings};
use tokio::time::Instant;

use crate::support::{
    a_while, create, id_in, like, newer, posts, put, settings, start, start_in, stored_frontier,
    until,
};

const GROUP: &str = "hubbub.likes.b1";

/// Posts and likes in both of two partitions, and what must come of them.
fn fill(log: &MemoryLog, count: usize) -> Model {
    let ids = [id_in(posts(0), 2, "a"), id_in(posts(1), 2, "b")];
    let mut model = Model::default();
    for number in 0..count {
        let id = &ids[number % 2];
        let event = match number / 2 {
            0 => create(number, id, "words"),
            _ => like(number, &format!("u{number}"), id),
        };
        let offset = log.put(story::record(&event, 2));
        model.happened(posts((number % 2) as i32).at(offset), &event);
    }
    model
}

#[tokio::test(start_paused = true)]
async fn a_revoked_partition_is_finished_released_and_taken_over() {
    let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
    log.set_fetch_records(3);
    let model = fill(&log, 100);
    let slow = || store.process(|_| Fate::done().late(Duration::from_millis(300)));
    let settings = WorkerSettings { batch_records: 4, ..settings() };
    let first = start::<Likes>(&log, &slow(), settings.clone());
    first.until_folded(posts(1), 5).await;
    let second = start::<Likes>(&log, &slow(), settings);
    until("the second one has it", || second.status(posts(1)).is_some()).await;
    assert!(first.status(posts(1)).is_none());
    assert_eq!(log.held(log.members(GROUP)[0]), [posts(0)]);
    second.until_folded(posts(1), 49).await;
    first.until_folded(posts(0), 49).await;
    // It began behind what the first one finished.
    let begun = second.advances(posts(1))[0];
    assert_eq!(Some(&begun), first.advances(posts(1)).last());
    model.assert_likes(&store, 1);

    // And back again, when the second one leaves.
    second.stop().await.unwrap();
    until("the first one has both", || first.status(posts(1)).is_some()).await;
    put(&log, 2, [like(1000, "late", &id_in(posts(1), 2, "b"))]);
    first.until_folded(posts(1), 50).await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_finish_in_time_is_abandoned_and_replayed_by_the_next() {
    let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
    let model = fill(&log, 20);
    // No write is ever answered, though all of them land.
    let stuck = store.process(|operation| match operation.table {
        "post_likes" => Fate { after: Duration::from_secs(9999), ..Fate::done() },
        _ => Fate::done(),
    });
    let first = start::<Likes>(&log, &stuck, settings());
    until("it is at work", || stuck.operations() > 2).await;
    let begun = Instant::now();
    let second = start::<Likes>(&log, &store, settings());
    second.until_folded(posts(1), 9).await;
    let took = begun.elapsed();
    let timeout = settings().revocation_timeout;
    assert!(took >= timeout && took < timeout + Duration::from_secs(1), "{took:?}");
    assert!(first.status(posts(1)).is_none());
    assert!(first.status(posts(0)).is_some(), "what was not revoked is kept");
    first.kill().await;
    second.until_done(&log).await;
    model.assert_likes(&store, 1);
}

#[tokio::test(start_paused = true)]
async fn a_partition_revoked_while_it_is_opened_is_released() {
    let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
    let model = fill(&log, 20);
    let slow = store.process(|operation| match operation.table {
        "frontiers" => Fate::done().late(Duration::from_secs(2)),
        _ => Fate::done(),
    });
    let first = start::<Likes>(&log, &slow, settings());
    until("it joins", || !log.members(GROUP).is_empty()).await;
    let second = start::<Likes>(&log, &store, settings());
    second.until_folded(posts(1), 9).await;
    first.until_folded(posts(0), 9).await;
    model.assert_likes(&store, 1);
}

#[tokio::test(start_paused = true)]
async fn a_halted_partition_is_released_at_once_and_halts_its_next_owner() {
    let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
    let id = id_in(posts(1), 2, "b");
    put(&log, 2, [create(0, &id, "words")]);
    log.put(newer(&id, 2));
    let first = start::<Likes>(&log, &store, settings());
    first.until_halted(posts(1)).await;
    let begun = Instant::now();
    let second = start::<Likes>(&log, &store, settings());
    let halt = second.until_halted(posts(1)).await;
    assert_eq!(halt.at, 1);
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(first.status(posts(1)).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stop_finishes_what_is_in_flight_and_an_abandonment_does_not() {
    for abandons in [false, true] {
        let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
        put(&log, 1, (0..5).map(|number| create(number, &format!("post-{number}"), "words")));
        let slow = store.process(|_| Fate::done().late(Duration::from_secs(1)));
        let worker = start::<Likes>(&log, &slow, settings());
        until("it is at work", || slow.operations() == 4).await;
        let begun = Instant::now();
        match abandons {
            true => worker.kill().await,
            false => worker.stop().await.unwrap(),
        }
        assert_eq!(begun.elapsed() < Duration::from_millis(100), abandons);
        a_while().await;
        let frontier = stored_frontier(&store, "likes", posts(0));
        assert_eq!(frontier, (!abandons).then_some(4));
        assert!(log.members(GROUP).is_empty(), "it has left its group");
    }
}

#[tokio::test(start_paused = true)]
async fn another_log_under_the_same_name_ends_the_runner() {
    let store = MemoryStore::new();
    let old = MemoryLog::new("the old one", 2);
    fill(&old, 10);
    let worker = start::<Likes>(&old, &store, settings());
    worker.until_done(&old).await;
    worker.stop().await.unwrap();
    let export = store.export();

    let new = MemoryLog::new("the new one", 2);
    fill(&new, 10);
    let error = start::<Likes>(&new, &store, settings()).ended().await.unwrap_err();
    assert!(matches!(error, Error::Recreated(_)), "{error}");
    assert!(error.to_string().contains("the old one"), "{error}");

    // The same one, but it ends before what was folded from it.
    old.truncate(posts(1), 4);
    let error = start::<Likes>(&old, &store, settings()).ended().await.unwrap_err();
    assert!(matches!(error, Error::Recreated(_)), "{error}");
    assert!(error.to_string().contains("offset 4"), "{error}");

    // And one that says so while it is read.
    let worker = start::<Likes>(&MemoryLog::new("third", 2), &MemoryStore::new(), settings());
    a_while().await;
    assert_eq!(worker.handle.status().len(), 2);
    worker.stop.cancel();
    worker.ended().await.unwrap();
    let log = MemoryLog::new("fourth", 2);
    let worker = start::<Likes>(&log, &MemoryStore::new(), settings());
    a_while().await;
    log.recreate("its end moved back");
    assert!(
        matches!(worker.ended().await, Err(Error::Recreated(detail)) if detail.contains("moved back"))
    );
    assert_eq!(store.export(), export, "nothing was written");
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_stands_without_a_reason_ends_the_runner() {
    let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
    fill(&log, 10);
    let settings = WorkerSettings { stall_timeout: Duration::from_secs(120), ..settings() };
    // The store takes an apply and never says a word again.
    let stuck = store.process(|operation| match operation.table {
        "post_likes" => Fate { after: Duration::from_secs(99_999), ..Fate::done() },
        _ => Fate::done(),
    });
    let begun = Instant::now();
    let error = start::<Likes>(&log, &stuck, settings.clone()).ended().await.unwrap_err();
    assert!(matches!(error, Error::Stalled { lag: 5, frontier: -1, .. }), "{error}");
    assert!((120..125).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());

    // Whoever is halted, or retries, or has nothing to do, does not end.
    let log = MemoryLog::new("memory", 2);
    log.put(newer(&id_in(posts(0), 2, "a"), 2));
    put(&log, 2, [create(0, &id_in(posts(1), 2, "b"), "words")]);
    let away = store.process(|operation| match operation.table {
        "post_likes" => Fate::transient(),
        _ => Fate::done(),
    });
    let worker = start::<Likes>(&log, &away, settings);
    worker.until_halted(posts(0)).await;
    tokio::time::sleep(Duration::from_secs(1000)).await;
    assert!(worker.halt(posts(0)).is_some() && worker.is_retrying(posts(1)));
    assert_eq!(log.all(Topic::Posts).len(), 2);
    worker.kill().await;
}

/// What somebody's transaction leaves at the end of a partition of Kafka is an offset, and no record.
#[tokio::test(start_paused = true)]
async fn a_partition_that_ends_with_no_record_is_not_blamed() {
    let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
    fill(&log, 10);
    log.skip(posts(0), 1);
    let settings = WorkerSettings { stall_timeout: Duration::from_secs(120), ..settings() };
    let worker = start::<Likes>(&log, &store, settings);
    worker.until_done(&log).await;
    tokio::time::sleep(Duration::from_secs(1000)).await;
    let status = worker.status(posts(0)).unwrap();
    assert_eq!((status.frontier, status.lag()), (4, 1));
    worker.kill().await;
}

/// A log that for some time tells nothing of its bounds, as a broker that is away.
struct Away {
    log: MemoryLog,
    until: Instant,
}

#[async_trait]
impl Log for Away {
    fn identity(&self) -> LogIdentity {
        self.log.identity()
    }

    fn partitions(&self, topic: Topic) -> i32 {
        self.log.partitions(topic)
    }

    async fn append(&self, records: Vec<NewRecord>) -> Vec<Result<Offset, AppendError>> {
        self.log.append(records).await
    }

    async fn consume(
        &self,
        group: &str,
        topic: Topic,
    ) -> Result<Box<dyn Consumer>, hubbub_stream::Error> {
        self.log.consume(group, topic).await
    }

    async fn bounds(&self, of: TopicPartition) -> Result<Range<Offset>, hubbub_stream::Error> {
        // It answers the runner's first question, and no other until it is back.
        let goes = self.until - AWAY + Duration::from_secs(1);
        match (goes..self.until).contains(&Instant::now()) {
            true => Err(hubbub_stream::Error::Transient("the broker is away".to_owned())),
            false => self.log.bounds(of).await,
        }
    }

    async fn read(
        &self,
        of: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Record>, hubbub_stream::Error> {
        self.log.read(of, from, max_bytes).await
    }

    async fn ready(&self) -> Result<(), AppendError> {
        self.log.ready().await
    }

    async fn close(&self) {
        self.log.close().await;
    }
}

const AWAY: Duration = Duration::from_secs(1000);

#[tokio::test(start_paused = true)]
async fn a_partition_that_stands_while_the_log_is_away_is_not_blamed() {
    let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
    fill(&log, 10);
    let settings = WorkerSettings { stall_timeout: Duration::from_secs(120), ..settings() };
    let stuck = store.process(|operation| match operation.table {
        "post_likes" => Fate { after: Duration::from_secs(99_999), ..Fate::done() },
        _ => Fate::done(),
    });
    let begun = Instant::now();
    let away = Away { log, until: begun + AWAY };
    let error = start_in::<Likes>(&Turn::default(), Arc::new(away), &stuck, settings)
        .ended()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Stalled { .. }), "{error}");
    assert!((AWAY.as_secs() + 115..AWAY.as_secs() + 125).contains(&begun.elapsed().as_secs()));
}
