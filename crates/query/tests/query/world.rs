//! The read API over a store in a folder of its own, and hands that write its tables.

use std::{num::NonZeroUsize, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{body::Body, extract::Request};
use bytesize::ByteSize;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use hubbub_events::{
    LogIdentity, Offset, Position, Stamp, Timestamp, Topic, TopicPartition, partition_of,
};
use hubbub_query::{Answers, Query, QuerySettings, Reader, router};
use hubbub_store::{
    EmbeddedSettings, EmbeddedStore, MemoryCacheSettings, Progress, RedisCache, Store,
};
use hubbub_stream::{AppendError, Consumer, Error, Log, NewRecord, Record};
use hubbub_tables::{
    AuthorAnalysis, Change, Life, PostAnalysis, PostEvents, PostLikes, Posts, PostsByAuthor,
    Receipts, Stored, Table,
    analysis::{AnalysisHead, AuthorTotals},
    likes::{Like, LikesHead},
    posts::{AuthoredPost, PostEventRow, PostHead, PostVersion, Receipt},
};
use hubbub_web::{Bound, Edge, HttpSettings, TOKEN_HEADER, Token};
use serde_json::Value;
use tempfile::TempDir;

use crate::probe::{Control, Probe};

/// The partitions of the log.
pub const PARTITIONS: i32 = 4;
/// The projections by name.
pub const ALL: [&str; 3] = ["posts", "analysis", "likes"];
/// 2026-01-02T03:04:05.678Z.
pub const CREATED: Timestamp = Timestamp(1_767_323_045_678);

pub struct World {
    pub store: Probe,
    pub progress: Progress,
    pub answers: Answers,
    pub reader: Reader<Probe>,
    edge: Edge,
    folder: Arc<TempDir>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

pub fn settings() -> QuerySettings {
    QuerySettings {
        cache: MemoryCacheSettings {
            size: ByteSize::mib(4),
            time_to_live: Duration::from_secs(600),
        },
        absent_wait: Duration::from_millis(30),
        absent_waiters: 100,
        page_rows: NonZeroUsize::new(1_000).unwrap(),
    }
}

pub fn identity() -> LogIdentity {
    LogIdentity("this-log".to_owned())
}

pub fn partition(post_id: &str) -> TopicPartition {
    within(partition_of(post_id.as_bytes(), PARTITIONS))
}

pub fn within(partition: i32) -> TopicPartition {
    TopicPartition { topic: Topic::Posts, partition }
}

pub fn stamp(offset: Offset) -> Stamp {
    Stamp::new(Topic::Posts.generation(), offset)
}

pub fn stored<R>(offset: Offset, record: R) -> Stored<R> {
    Stored { stamp: stamp(offset), record }
}

/// The head of a post that was just created.
pub fn live_head(user_id: &str) -> PostHead {
    PostHead {
        life: Life::Live,
        user_id: user_id.to_owned(),
        version: 1,
        created_at: CREATED,
        edited_at: Timestamp::NEVER,
        fingerprint: String::new(),
    }
}

fn says(content: &str, hashtags: &[&str]) -> PostVersion {
    PostVersion {
        content: content.to_owned(),
        hashtags: hashtags.iter().map(|tag| (*tag).to_owned()).collect(),
        at: CREATED,
    }
}

/// A token that wants some projections, or all of them, to have passed positions.
pub fn token(bounds: &[(Option<&str>, Position)]) -> Token {
    let bounds = bounds
        .iter()
        .map(|(projection, at)| Bound { at: *at, projection: projection.map(str::to_owned) });
    Token { identity: identity(), time: Timestamp::now(), bounds: bounds.collect() }
}

impl World {
    pub fn new() -> Self {
        Self::with(settings())
    }

    pub fn with(settings: QuerySettings) -> Self {
        Self::made_of(settings, None)
    }

    /// One whose readers share a Redis.
    pub fn sharing(redis: &RedisCache) -> Self {
        Self::made_of(settings(), Some(redis.clone()))
    }

    fn made_of(settings: QuerySettings, redis: Option<RedisCache>) -> Self {
        let folder = TempDir::new().unwrap();
        let engine = EmbeddedSettings {
            cache_size: ByteSize::mib(8),
            memtable_size: ByteSize::mib(4),
            queue_size: ByteSize::mib(4),
        };
        let store = Probe::new(EmbeddedStore::open(&engine, folder.path()).unwrap());
        let projections = ALL.map(|projection| (projection, 1)).to_vec();
        let progress = Progress::new(projections, 1_000);
        Self::over(store, progress, Arc::new(folder), settings, redis)
    }

    /// Another read API over the same tables.
    pub fn again(&self, settings: QuerySettings) -> Self {
        self.another(settings, None)
    }

    /// Another read API over the same tables, which shares a Redis, and knows nothing yet.
    pub fn again_sharing(&self, redis: &RedisCache) -> Self {
        self.another(settings(), Some(redis.clone()))
    }

    fn another(&self, settings: QuerySettings, redis: Option<RedisCache>) -> Self {
        let Self { store, progress, folder, .. } = self;
        Self::over(store.clone(), progress.clone(), Arc::clone(folder), settings, redis)
    }

    fn over(
        store: Probe,
        progress: Progress,
        folder: Arc<TempDir>,
        settings: QuerySettings,
        redis: Option<RedisCache>,
    ) -> Self {
        let answers = Answers::new(&settings.cache);
        let query = Query {
            store: store.clone(),
            log: Arc::new(StillLog),
            progress: progress.clone(),
            answers: answers.clone(),
            redis,
            settings,
        };
        let (routes, reader) = router(query).unwrap();
        let edge = Edge::new(routes, &http_settings());
        Self { store, progress, answers, reader, edge, folder }
    }

    pub fn control(&self) -> &Control {
        &self.store.control
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, &[]).await
    }

    /// A GET with tokens, and a `Prefer`.
    pub async fn get_after(&self, path: &str, token: &str, prefer: &str) -> Answer {
        self.request(Method::GET, path, &[(TOKEN_HEADER, token), ("prefer", prefer)]).await
    }

    pub async fn request(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("/api/v1{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.edge.respond(request.body(Body::empty()).unwrap()).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// Every projection has folded a partition up to an offset.
    pub fn advance(&self, of: TopicPartition, offset: Offset) {
        for projection in ALL {
            self.progress.advanced(projection, 1, of, offset);
        }
    }

    /// A post as every projection leaves it when its create lies at an offset, frontiers included.
    pub async fn create(&self, post_id: &str, user_id: &str, content: &str, offset: Offset) {
        self.put_post(post_id, user_id, content, offset).await;
        self.put_likes(post_id, user_id, offset).await;
        self.put_analysis(post_id, AnalysisHead::created_by(user_id), offset).await;
        self.advance(partition(post_id), offset);
    }

    pub async fn put_post(&self, post_id: &str, user_id: &str, content: &str, offset: Offset) {
        if !user_id.is_empty() {
            self.put_authored(user_id, post_id, CREATED, false, offset).await;
        }
        let head = live_head(user_id);
        self.put_version(post_id, head, content, &[], offset).await;
    }

    /// Posts of nobody in one write, without what other tables say of them.
    pub async fn create_many(&self, post_ids: &[String]) {
        let change = |post_id: &String| Change::<Posts> {
            partition: (post_id.clone(),),
            head: Some(stored(1, live_head(""))),
            rows: vec![((1,), stored(1, says("text", &[])))],
        };
        let posts = self.store.table::<Posts>(1).unwrap();
        posts.apply(post_ids.iter().map(change).collect()).await.unwrap();
    }

    /// A post's head and the row of its version.
    pub async fn put_version(
        &self,
        post_id: &str,
        head: PostHead,
        content: &str,
        hashtags: &[&str],
        offset: Offset,
    ) {
        let rows = vec![((head.version,), stored(offset, says(content, hashtags)))];
        let key = (post_id.to_owned(),);
        self.apply::<Posts>(key, Some(stored(offset, head)), rows).await;
    }

    /// The post's deletion, by the projections that are named.
    pub async fn delete(&self, post_id: &str, user_id: &str, by: &[&str], offset: Offset) {
        if by.contains(&"posts") {
            self.put_authored(user_id, post_id, CREATED, true, offset).await;
            let head = PostHead { life: Life::Deleted, ..live_head(user_id) };
            let key = (post_id.to_owned(),);
            self.apply::<Posts>(key, Some(stored(offset, head)), Vec::new()).await;
        }
        if by.contains(&"analysis") {
            let head = AnalysisHead { life: Life::Deleted, ..AnalysisHead::created_by(user_id) };
            self.put_analysis(post_id, head, offset).await;
        }
        for projection in ALL.iter().filter(|name| by.contains(name)) {
            self.progress.advanced(projection, 1, partition(post_id), offset);
        }
    }

    pub async fn put_authored(
        &self,
        user_id: &str,
        post_id: &str,
        created_at: Timestamp,
        gone: bool,
        offset: Offset,
    ) {
        let row = ((created_at, post_id.to_owned()), stored(offset, AuthoredPost { gone }));
        self.apply::<PostsByAuthor>((user_id.to_owned(),), None, vec![row]).await;
    }

    pub async fn put_likes(&self, post_id: &str, user_id: &str, offset: Offset) {
        let head = stored(offset, LikesHead::created_by(user_id));
        self.apply::<PostLikes>((post_id.to_owned(),), Some(head), Vec::new()).await;
    }

    /// A user's word on a post, which has a number of likes by then.
    pub async fn put_like(
        &self,
        post_id: &str,
        by: &str,
        liked: bool,
        like_count: i64,
        offset: Offset,
    ) {
        let head = LikesHead { like_count, ..LikesHead::created_by("") };
        let row = ((by.to_owned(),), stored(offset, Like { liked }));
        let key = (post_id.to_owned(),);
        self.apply::<PostLikes>(key, Some(stored(offset, head)), vec![row]).await;
    }

    pub async fn put_analysis(&self, post_id: &str, head: AnalysisHead, offset: Offset) {
        let key = (post_id.to_owned(),);
        self.apply::<PostAnalysis>(key, Some(stored(offset, head)), Vec::new()).await;
    }

    pub async fn put_totals(&self, user_id: &str, from: i32, totals: AuthorTotals, at: Offset) {
        let row = ((from,), stored(at, totals));
        self.apply::<AuthorAnalysis>((user_id.to_owned(),), None, vec![row]).await;
    }

    pub async fn put_event(&self, post_id: &str, event_type: &str, user_id: &str, at: Offset) {
        let row = PostEventRow {
            event_type: event_type.to_owned(),
            user_id: user_id.to_owned(),
            at: Timestamp(CREATED.0 + at),
        };
        let key = (post_id.to_owned(),);
        self.apply::<PostEvents>(key, None, vec![((at,), stored(at, row))]).await;
    }

    pub async fn put_receipt(&self, at: Position, receipt: Receipt) {
        let head = stored(at.offset, receipt);
        self.apply::<Receipts>(Receipts::key(at), Some(head), Vec::new()).await;
    }

    pub async fn apply<T: Table>(
        &self,
        partition: T::Partition,
        head: Option<Stored<T::Head>>,
        rows: Vec<(T::Clustering, Stored<T::Row>)>,
    ) {
        let table = self.store.table::<T>(1).unwrap();
        table.apply(vec![Change { partition, head, rows }]).await.unwrap();
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect(&self.body)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The answer's token as what it says: projection, partition and offset, in order.
    pub fn reflects(&self) -> Vec<(String, i32, Offset)> {
        let token = Token::open(self.header(TOKEN_HEADER).unwrap()).unwrap();
        assert_eq!(token.identity, identity());
        let mut bounds: Vec<_> = token
            .bounds
            .into_iter()
            .map(|bound| (bound.projection.unwrap(), bound.at.partition, bound.at.offset))
            .collect();
        bounds.sort();
        bounds
    }

    /// The name of the problem type; the status must be that of the document.
    pub fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.body);
        let problem = self.json();
        assert_eq!(problem["status"], self.status.as_u16());
        problem["type"].as_str().unwrap().strip_prefix("urn:hubbub:problem:").unwrap().to_owned()
    }
}

fn http_settings() -> HttpSettings {
    let long = Duration::from_secs(60);
    HttpSettings {
        listen: ([127, 0, 0, 1], 0).into(),
        max_connections: NonZeroUsize::new(10).unwrap(),
        header_timeout: long,
        body_idle_timeout: long,
        request_timeout: long,
        idle_timeout: long,
        max_header_bytes: ByteSize::kib(16),
        max_body_bytes: ByteSize::kib(64),
        max_body_memory: ByteSize::mib(1),
        cors_origins: Vec::new(),
    }
}

/// A log that is only asked which one it is.
struct StillLog;

#[async_trait]
impl Log for StillLog {
    fn identity(&self) -> LogIdentity {
        identity()
    }

    fn partitions(&self, _: Topic) -> i32 {
        PARTITIONS
    }

    async fn append(&self, _: Vec<NewRecord>) -> Vec<Result<Offset, AppendError>> {
        panic!("a read appends nothing")
    }

    async fn consume(&self, _: &str, _: Topic) -> Result<Box<dyn Consumer>, Error> {
        panic!("a read consumes nothing")
    }

    async fn bounds(&self, _: TopicPartition) -> Result<Range<Offset>, Error> {
        panic!("a read does not look into the log")
    }

    async fn read(&self, _: TopicPartition, _: Offset, _: usize) -> Result<Vec<Record>, Error> {
        panic!("a read does not look into the log")
    }

    async fn ready(&self) -> Result<(), AppendError> {
        panic!("a read does not append")
    }

    async fn close(&self) {}
}
