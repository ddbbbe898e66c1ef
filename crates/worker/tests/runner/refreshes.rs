//! What is folded refreshes what readers share, on a real Redis and so by the real clock.

use std::time::Duration;

use hubbub_events::{Action, LogIdentity, Offset, PostEvent};
use hubbub_projections::{Analysis, Likes, Posts, Projection};
use hubbub_store::{Cached, Partitions, RedisCache, Snapshot, Wanted, Watched};
use hubbub_tables as tables;
use hubbub_tables::{Life, Table};
use hubbub_testkit::{
    counters::Counters, memory_log::MemoryLog, memory_store::MemoryStore, server::redis, stack,
    story,
};
use tokio::time::{sleep, timeout};

use crate::support::{Worker, create, like, posts, put, settings, start, until};

/// A projection that runs, and the readers of its deciding table.
struct Refreshed<T: Table> {
    counters: Counters,
    log: MemoryLog,
    store: MemoryStore,
    worker: Worker,
    readers: Partitions<T>,
}

impl<T: Table<Partition = (String,)>> Refreshed<T> {
    /// The post p is folded, and Redis has served it.
    async fn start<P: Projection>() -> Self {
        let counters = Counters::install();
        let settings_of_redis = redis::settings(&stack::redis());
        let log_identity = LogIdentity("memory".to_owned());
        let redis = RedisCache::connect(&settings_of_redis, log_identity).await.unwrap();
        let (log, store) = (MemoryLog::new("memory", 1), MemoryStore::new());
        put(&log, 1, [create(0, "p", "two words")]);
        let worker = start::<P>(&log, &Watched::new(store.clone(), redis.clone()), settings());
        worker.until_done(&log).await;
        until("it is told", || counters.refreshes("absent") == 1).await;
        let readers = Partitions::new(&store, 1, Some(&redis)).unwrap();
        let it = Self { counters, log, store, worker, readers };
        it.read(-1).await;
        until("it is filled", || it.counters.fills("written") == 1).await;
        it.served(-1).await;
        it
    }

    async fn read(&self, floor: Offset) -> Cached<Snapshot<T>> {
        let partition = ("p".to_owned(),);
        let wanted = Wanted { partition: &partition, frontier: 0, floor };
        self.readers.read(wanted).await.unwrap().unwrap()
    }

    /// What Redis has, which must serve.
    async fn served(&self, floor: Offset) -> Snapshot<T> {
        let hits = self.counters.cache("redis", "hit");
        let operations = self.store.operations();
        let read = self.read(floor).await;
        assert_eq!(self.counters.cache("redis", "hit"), hits + 1);
        assert_eq!(self.store.operations(), operations);
        read.value
    }

    /// What Redis has after an event, as of that.
    async fn after(&self, event: PostEvent) -> Snapshot<T> {
        let refreshed = self.counters.refreshes("written");
        put(&self.log, 1, [event]);
        self.worker.until_done(&self.log).await;
        until("it is refreshed", || self.counters.refreshes("written") > refreshed).await;
        let last = self.log.acknowledged(posts(0)).last().unwrap().offset;
        self.served(last).await
    }
}

fn edit(number: usize, content: &str) -> PostEvent {
    let action = Action::Edited {
        content: Some(content.to_owned()),
        hashtags: None,
        expected_version: None,
    };
    story::event(number, "ann", "p", action)
}

#[tokio::test]
async fn an_edit_and_a_delete_are_in_redis_before_anyone_reads_them() {
    let it = Refreshed::<tables::Posts>::start::<Posts>().await;
    let edited = it.after(edit(1, "other words")).await;
    assert_eq!((edited.head.version, edited.row.unwrap().content), (2, "other words".to_owned()));
    let deleted = it.after(story::event(2, "ann", "p", Action::Deleted)).await;
    assert_eq!((deleted.head.life, deleted.row), (Life::Deleted, None));
}

#[tokio::test]
async fn an_analysis_and_a_like_count_are_in_redis_before_anyone_reads_them() {
    {
        let it = Refreshed::<tables::PostAnalysis>::start::<Analysis>().await;
        assert_eq!(it.after(edit(1, "three words now")).await.head.word_count, 3);
    }
    let it = Refreshed::<tables::PostLikes>::start::<Likes>().await;
    assert_eq!(it.after(like(1, "bob", "p")).await.head.like_count, 1);
}

#[tokio::test]
async fn a_batch_leaves_the_last_of_what_it_says_of_a_post() {
    let it = Refreshed::<tables::Posts>::start::<Posts>().await;
    let edits: Vec<_> = (1..100).map(|number| edit(number, &format!("words {number}"))).collect();
    put(&it.log, 1, edits);
    it.worker.until_done(&it.log).await;
    let content = async || it.served(-1).await.row.unwrap().content;
    let newest = async {
        while content().await != "words 99" {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(30), newest).await.unwrap();
}
