//! Which tier answers: memory, then Redis, then the store.

use std::time::Duration;

use hubbub_store::{RedisCache, Store, Watched};
use hubbub_tables::{
    Change, PostAnalysis, PostLikes, Posts, Table, analysis::AnalysisHead, likes::LikesHead,
    posts::PostHead,
};
use hubbub_testkit::{counters::Counters, server::redis, stack};
use tokio::time::{Instant, sleep};

use crate::world::{World, identity, live_head, partition, stored, token};

/// Two processes with a read API each, over the same tables and the same Redis.
struct Fleet {
    counters: Counters,
    redis: RedisCache,
    one: World,
    other: World,
}

impl Fleet {
    /// The post p was created at offset 3 of its partition; `one` has read it, and Redis has
    /// served it to `other`.
    async fn new() -> Self {
        let counters = Counters::install();
        let settings = redis::settings(&stack::redis());
        let redis = RedisCache::connect(&settings, identity()).await.unwrap();
        let one = World::sharing(&redis);
        let other = one.again_sharing(&redis);
        let fleet = Self { counters, redis, one, other };
        fleet.one.create("p", "ann", "text", 3).await;
        for (path, entries) in [("/posts/p", 2), ("/posts/p/analysis", 1)] {
            let (hits, filled) = (fleet.hits(), fleet.counters.fills("written"));
            fleet.one.get(path).await;
            fleet.until(|| fleet.counters.fills("written") == filled + entries).await;
            let reads = fleet.reads();
            fleet.other.get(path).await;
            assert_eq!(fleet.hits(), hits + entries, "{path}");
            assert_eq!(fleet.reads(), reads, "{path}");
        }
        fleet
    }

    /// A process that has read nothing yet.
    fn newcomer(&self) -> World {
        self.one.again_sharing(&self.redis)
    }

    fn hits(&self) -> u64 {
        self.counters.cache("redis", "hit")
    }

    /// How often the store was read.
    fn reads(&self) -> [usize; 3] {
        let control = self.one.control();
        [control.reads::<Posts>(), control.reads::<PostLikes>(), control.reads::<PostAnalysis>()]
    }

    async fn until(&self, is_met: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !is_met() {
            assert!(Instant::now() < deadline, "waited in vain");
            sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test]
async fn an_answer_from_redis_is_that_of_the_store_with_what_the_entries_reflect() {
    let fleet = Fleet::new().await;
    fleet.one.advance(partition("p"), 9);
    for path in ["/posts/p", "/posts/p/analysis"] {
        let (from_store, from_redis) =
            (fleet.one.get(path).await, fleet.newcomer().get(path).await);
        assert_eq!(from_redis.status.as_u16(), 200);
        assert_eq!(from_redis.body, from_store.body);
        assert_eq!(from_redis.header("etag"), from_store.header("etag"));
        // The token promises what is shown, not how far the projections are by now.
        assert_eq!(from_redis.reflects(), from_store.reflects());
        assert!(from_redis.reflects().iter().all(|(_, _, offset)| *offset == 3));
    }
}

#[tokio::test]
async fn each_tier_answers_in_its_turn() {
    let fleet = Fleet::new().await;
    let world = fleet.newcomer();
    let tiers = || (fleet.counters.cache("memory", "hit"), fleet.hits(), fleet.reads()[0]);
    let (memory, redis, store) = tiers();
    world.get("/posts/p").await;
    assert_eq!(tiers(), (memory, redis + 2, store));
    world.get("/posts/p").await;
    assert_eq!(tiers(), (memory + 1, redis + 2, store));
    // A list is read from the store.
    world.get("/users/ann/posts").await;
    assert_eq!((fleet.hits(), fleet.reads()[0] > store), (redis + 2, true));
}

#[tokio::test]
async fn who_has_seen_more_than_redis_is_answered_from_the_store_and_the_next_one_from_redis() {
    let fleet = Fleet::new().await;
    fleet.one.put_version("p", PostHead { version: 2, ..live_head("ann") }, "edited", &[], 8).await;
    fleet.one.advance(partition("p"), 8);
    let seen = token(&[(None, partition("p").at(8))]).seal();
    let world = fleet.newcomer();
    // Not by who has seen nothing: within the time to live they may be given what there is.
    assert_eq!(world.get("/posts/p").await.json()["content"], "text");
    let (stale, filled) = (fleet.counters.cache("redis", "stale"), fleet.counters.fills("written"));
    assert_eq!(world.get_after("/posts/p", &seen, "wait=0").await.json()["content"], "edited");
    assert_eq!(fleet.counters.cache("redis", "stale"), stale + 2);
    fleet.until(|| fleet.counters.fills("written") == filled + 2).await;
    let (hits, reads) = (fleet.hits(), fleet.reads());
    let answer = fleet.newcomer().get_after("/posts/p", &seen, "wait=0").await;
    assert_eq!(answer.json()["content"], "edited");
    assert_eq!((fleet.hits(), fleet.reads()), (hits + 2, reads));
}

#[tokio::test]
async fn a_floor_of_one_projection_asks_nothing_of_the_other() {
    let fleet = Fleet::new().await;
    fleet.one.put_like("p", "bob", true, 1, 8).await;
    fleet.one.progress.advanced("likes", 1, partition("p"), 8);
    let seen = token(&[(Some("likes"), partition("p").at(8))]).seal();
    let (hits, reads) = (fleet.hits(), fleet.reads());
    let answer = fleet.newcomer().get_after("/posts/p", &seen, "wait=0").await;
    assert_eq!(answer.json()["like_count"], 1);
    assert_eq!(fleet.hits(), hits + 1);
    assert_eq!(fleet.reads(), [reads[0], reads[1] + 1, reads[2]]);
}

#[tokio::test]
async fn a_reader_with_a_token_is_not_given_what_redis_brings_a_reader_without_one() {
    let fleet = Fleet::new().await;
    fleet.one.put_version("p", PostHead { version: 2, ..live_head("ann") }, "edited", &[], 8).await;
    fleet.one.advance(partition("p"), 8);
    let seen = token(&[(None, partition("p").at(8))]).seal();
    let world = fleet.newcomer();
    // The second one finds the load of the first one running.
    let (plain, strict) =
        tokio::join!(world.get("/posts/p"), world.get_after("/posts/p", &seen, "wait=0"));
    assert_eq!(plain.json()["content"], "text");
    assert_eq!(strict.json()["content"], "edited");
}

#[tokio::test]
async fn what_a_worker_writes_is_served_from_redis() {
    let fleet = Fleet::new().await;
    let worker = Watched::new(fleet.one.store.clone(), fleet.redis.clone());
    let likes = worker.table::<PostLikes>(1).unwrap();
    let head = LikesHead { like_count: 5, ..LikesHead::created_by("ann") };
    let change =
        Change { partition: ("p".to_owned(),), head: Some(stored(6, head)), rows: Vec::new() };
    likes.apply(vec![change]).await.unwrap();
    fleet.until(|| fleet.counters.refreshes("written") == 1).await;
    let (hits, reads) = (fleet.hits(), fleet.reads());
    let answer = fleet.newcomer().get("/posts/p").await;
    assert_eq!(answer.json()["like_count"], 5);
    assert_eq!((fleet.hits(), fleet.reads()), (hits + 2, reads));
    let within = partition("p").partition;
    let reflected = [("likes".to_owned(), within, 6), ("posts".to_owned(), within, 3)];
    assert_eq!(answer.reflects(), reflected);
}

/// Only what was made of a post from what is written is dropped.
#[tokio::test]
async fn what_is_written_in_the_same_process_is_read_at_once() {
    let world = World::new();
    world.create("p", "ann", "text", 3).await;
    let here = Watched::new(world.store.clone(), world.answers.clone());
    let paths = ["/posts/p", "/posts/p/analysis"];
    for path in paths {
        world.get(path).await;
    }
    let like = LikesHead { like_count: 5, ..LikesHead::created_by("ann") };
    let analysis = AnalysisHead { word_count: 9, ..AnalysisHead::created_by("ann") };
    write::<PostLikes>(&here, like, 6).await;
    assert_eq!(world.get(paths[0]).await.json()["like_count"], 5);
    let analyses = world.control().reads::<PostAnalysis>();
    world.get(paths[1]).await;
    assert_eq!(world.control().reads::<PostAnalysis>(), analyses);
    write::<PostAnalysis>(&here, analysis, 7).await;
    assert_eq!(world.get(paths[1]).await.json()["word_count"], 9);
}

async fn write<T: Table<Partition = (String,)>>(store: &impl Store, head: T::Head, offset: i64) {
    let head = Some(stored(offset, head));
    let change = Change { partition: ("p".to_owned(),), head, rows: Vec::new() };
    store.table::<T>(1).unwrap().apply(vec![change]).await.unwrap();
}
