//! A store, Redis in front of it, and what was counted.

use std::time::Duration;

use hubbub_events::{LogIdentity, Offset, Stamp, Timestamp};
use hubbub_store::{Cached, Partitions, RedisCache, RedisSettings, Snapshot, Wanted};
use hubbub_tables::{
    Change, Life, Posts, Stored,
    posts::{PostHead, PostVersion},
};
use hubbub_testkit::{counters::Counters, memory_store::MemoryStore, server, stack};
use redis::{FromRedisValue, aio::MultiplexedConnection, cmd};
use tokio::time::{Instant, sleep};

const DEADLINE: Duration = Duration::from_secs(30);

/// A Redis that is read and written as hubbub does it, and one's own look at it.
pub struct World {
    pub counters: Counters,
    pub settings: RedisSettings,
    pub cache: RedisCache,
    pub store: MemoryStore,
    pub posts: Partitions<Posts>,
}

pub fn log() -> LogIdentity {
    LogIdentity("a log".to_owned())
}

impl World {
    /// On the Redis of the stack.
    pub async fn new() -> Self {
        Self::on(&stack::redis()).await
    }

    pub async fn on(address: &str) -> Self {
        Self::with(server::redis::settings(address)).await
    }

    pub async fn with(settings: RedisSettings) -> Self {
        let counters = Counters::install();
        let cache = RedisCache::connect(&settings, log()).await.unwrap();
        let store = MemoryStore::new();
        let posts = Partitions::new(&store, 1, Some(&cache)).unwrap();
        Self { counters, settings, cache, store, posts }
    }

    /// One in which Redis has served the post `p`, as of 10, and so will do it again.
    pub async fn with_entry(settings: RedisSettings) -> Self {
        let world = Self::with(settings).await;
        world.keep("p", "kept", 7, 10).await;
        world
    }

    /// Has the store hold a post, and Redis serve it.
    pub async fn keep(&self, id: &str, content: &str, offset: Offset, as_of: Offset) {
        self.put(id, content, offset);
        let fills = self.counters.fills("written");
        self.read(id, as_of, -1).await;
        self.until("it is filled", || self.counters.fills("written") > fills).await;
        let (hits, operations) = (self.counters.cache("redis", "hit"), self.store.operations());
        let served = self.read(id, as_of, -1).await.unwrap();
        assert_eq!(self.counters.cache("redis", "hit"), hits + 1);
        assert_eq!(self.store.operations(), operations, "the store was asked");
        assert_eq!(served, cached(content, offset, as_of));
    }

    /// The store's own post.
    pub fn put(&self, id: &str, content: &str, offset: Offset) {
        self.store.put(1, change(id, content, offset));
    }

    /// Reads a post where its projection is at a frontier, by a reader with a floor.
    pub async fn read(
        &self,
        id: &str,
        frontier: Offset,
        floor: Offset,
    ) -> Option<Cached<Snapshot<Posts>>> {
        let partition = (id.to_owned(),);
        let wanted = Wanted { partition: &partition, frontier, floor };
        self.posts.read(wanted).await.unwrap()
    }

    pub async fn content(&self, id: &str) -> String {
        self.read(id, 10, -1).await.unwrap().value.row.unwrap().content
    }

    pub fn redis(&self, result: &str) -> u64 {
        self.counters.cache("redis", result)
    }

    /// Waits for a condition.
    pub async fn until(&self, what: &str, is_met: impl Fn() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !is_met() {
            assert!(Instant::now() < deadline, "waited in vain until {what}");
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Reads on until Redis serves again; every answer is right.
    pub async fn until_served(&self, id: &str, content: &str) {
        let hits = self.redis("hit");
        let deadline = Instant::now() + DEADLINE;
        while self.redis("hit") == hits {
            assert_eq!(self.content(id).await, content);
            assert!(Instant::now() < deadline, "Redis never serves again");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// A connection beside the cache's, as an operator with redis-cli has.
    pub async fn raw(&self) -> Raw {
        let address = self.settings.address.clone();
        let address = format!("{}:{}", address.host(), address.port());
        let connection = server::redis::connect(&address).await.unwrap();
        Raw { connection, prefix: self.settings.key_prefix.clone() }
    }
}

/// Redis as it is.
pub struct Raw {
    connection: MultiplexedConnection,
    prefix: String,
}

impl Raw {
    pub async fn run<A: FromRedisValue>(&mut self, name: &str, arguments: &[&[u8]]) -> A {
        let mut command = cmd(name);
        for argument in arguments {
            command.arg(argument);
        }
        command.query_async(&mut self.connection).await.unwrap()
    }

    /// All keys of the test.
    pub async fn keys(&mut self) -> Vec<String> {
        let pattern = format!("{}*", self.prefix);
        let mut keys: Vec<String> = self.run("KEYS", &[pattern.as_bytes()]).await;
        keys.sort();
        keys
    }

    /// The one key that the test has.
    pub async fn only_key(&mut self) -> String {
        let keys = self.keys().await;
        assert_eq!(keys.len(), 1, "{keys:?}");
        keys.into_iter().next().unwrap()
    }

    pub async fn get(&mut self, key: &str) -> Vec<u8> {
        self.run("GET", &[key.as_bytes()]).await
    }

    pub async fn set(&mut self, key: &str, value: &[u8]) {
        self.run("SET", &[key.as_bytes(), value]).await
    }

    /// How long a key still lives, in milliseconds.
    pub async fn time_to_live(&mut self, key: &str) -> i64 {
        self.run("PTTL", &[key.as_bytes()]).await
    }
}

pub fn stamp(offset: Offset) -> Stamp {
    Stamp::new(1, offset)
}

pub fn head() -> PostHead {
    PostHead {
        life: Life::Live,
        user_id: "ann".to_owned(),
        version: 1,
        created_at: Timestamp(5),
        edited_at: Timestamp::NEVER,
        fingerprint: String::new(),
    }
}

fn says(content: &str) -> PostVersion {
    PostVersion { content: content.to_owned(), hashtags: vec!["tag".to_owned()], at: Timestamp(5) }
}

/// The write of a post that says something since an offset.
pub fn change(id: &str, content: &str, offset: Offset) -> Change<Posts> {
    let stamp = stamp(offset);
    Change {
        partition: (id.to_owned(),),
        head: Some(Stored { stamp, record: head() }),
        rows: vec![((1,), Stored { stamp, record: says(content) })],
    }
}

/// The entry of such a post.
pub fn cached(content: &str, offset: Offset, as_of: Offset) -> Cached<Snapshot<Posts>> {
    let value = Snapshot { head: head(), row: Some(says(content)) };
    Cached { value, stamp: stamp(offset), as_of }
}
