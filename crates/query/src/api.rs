//! The routes, and what their handlers share.

use std::sync::{Arc, PoisonError, RwLock};

use axum::{Router, routing::get};
use hubbub_events::Id;
use hubbub_store::{Error, Partitions, Progress, RedisCache, Rows, Store};
use hubbub_stream::Log;
use hubbub_tables::{
    AuthorAnalysis, Build, Life, PostAnalysis, PostEvents, PostsByAuthor, Receipts,
};
use hubbub_web::Problem;
use serde::{Deserialize, Deserializer, de};

use crate::{
    absent::AbsentWait,
    analysis, author,
    cached::Answers,
    consistency::{Consistency, Reflected, Source},
    events, likes,
    post::{self, PostTables},
    problems::{post_deleted, post_not_found, store_problem},
    receipts,
    settings::QuerySettings,
};

/// What the read API is made of.
pub struct Query<S> {
    /// Where the tables are; those are read of the builds that the progress is of.
    pub store: S,
    /// The log that the tables are made from; asked for its identity and partitions alone.
    pub log: Arc<dyn Log>,
    /// How far the projections are.
    pub progress: Progress,
    /// What was answered shortly before.
    pub answers: Answers,
    /// What readers in other processes found shortly before.
    pub redis: Option<RedisCache>,
    /// What the operator set.
    pub settings: QuerySettings,
}

/// The routes of the read API, below `/api/v1`, and what makes them read other builds.
///
/// # Errors
/// Where a table is missing or has other columns than declared.
pub fn router<S: Store>(query: Query<S>) -> Result<(Router, Reader<S>), Error> {
    let (store, redis) = (query.store.clone(), query.redis.clone());
    let api = Arc::new(Api::new(query)?);
    let reader = Reader { api: Arc::clone(&api), store, redis };
    let routes = Router::new()
        .route("/api/v1/receipts/{receipt}", get(receipts::get))
        .route("/api/v1/posts/{id}", get(post::get))
        .route("/api/v1/posts/{id}/analysis", get(analysis::get))
        .route("/api/v1/posts/{id}/likes", get(likes::of_post))
        .route("/api/v1/posts/{id}/events", get(events::of_post))
        .route("/api/v1/users/{id}/posts", get(author::posts))
        .route("/api/v1/users/{id}/analysis", get(author::analysis))
        .with_state(api);
    Ok((routes, reader))
}

/// Makes a read API read other builds. Clones are of the same.
#[derive(Clone)]
pub struct Reader<S> {
    api: Arc<Api>,
    store: S,
    redis: Option<RedisCache>,
}

impl<S: Store> Reader<S> {
    /// Opens the tables of another build of a projection, which is open in the store; what
    /// comes of it has them read.
    ///
    /// # Errors
    /// Where a table is missing or has other columns than declared.
    pub fn prepare(
        &self,
        projection: &str,
        build: Build,
    ) -> Result<impl FnOnce() + Send + use<S>, Error> {
        let api = Arc::clone(&self.api);
        let build_of = |source: Source| match source.name() == projection {
            true => build,
            false => api.consistency.build(source),
        };
        let tables = ReadTables::open(&self.store, self.redis.as_ref(), build_of)?;
        Ok(move || api.read_from(tables))
    }
}

/// What handlers answer from.
pub(crate) struct Api {
    pub(crate) consistency: Consistency,
    pub(crate) answers: Answers,
    pub(crate) absent: AbsentWait,
    pub(crate) page_rows: usize,
    tables: RwLock<Arc<ReadTables>>,
}

/// The tables that answers are made of, of the builds that are read.
pub(crate) struct ReadTables {
    pub(crate) posts: PostTables,
    pub(crate) by_author: Arc<dyn Rows<PostsByAuthor>>,
    pub(crate) events: Arc<dyn Rows<PostEvents>>,
    pub(crate) receipts: Arc<dyn Rows<Receipts>>,
    pub(crate) analyses: Partitions<PostAnalysis>,
    pub(crate) authors: Arc<dyn Rows<AuthorAnalysis>>,
}

impl ReadTables {
    fn open<S: Store>(
        store: &S,
        redis: Option<&RedisCache>,
        build_of: impl Fn(Source) -> Build,
    ) -> Result<Self, Error> {
        let [posts, analysis, likes] =
            [Source::Posts, Source::Analysis, Source::Likes].map(build_of);
        let likes = Partitions::new(store, likes, redis)?;
        Ok(Self {
            posts: PostTables::new(Partitions::new(store, posts, redis)?, likes),
            by_author: store.table(posts)?,
            events: store.table(posts)?,
            receipts: store.table(posts)?,
            analyses: Partitions::new(store, analysis, redis)?,
            authors: store.table(analysis)?,
        })
    }
}

impl Api {
    fn new<S: Store>(query: Query<S>) -> Result<Self, Error> {
        let Query { store, log, progress, answers, redis, settings } = query;
        let consistency = Consistency::new(&*log, progress);
        let tables = ReadTables::open(&store, redis.as_ref(), |source| consistency.build(source))?;
        Ok(Self {
            consistency,
            answers,
            absent: AbsentWait::new(settings.absent_waiters, settings.absent_wait),
            page_rows: settings.page_rows.get(),
            tables: RwLock::new(Arc::new(tables)),
        })
    }

    /// The tables to read from. To be asked for after the frontier that the answer claims: who
    /// has these in hand may be reading a build that is read no more, which lacks nothing of
    /// what was known before.
    pub(crate) fn tables(&self) -> Arc<ReadTables> {
        Arc::clone(&self.tables.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn read_from(&self, tables: ReadTables) {
        *self.tables.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(tables);
        self.answers.forget_all();
    }

    /// Looks a post up whose list is to be read: 404 where it is absent, 410 where it was deleted.
    pub(crate) async fn require_live(
        &self,
        post_id: &str,
        reflected: &mut Reflected,
    ) -> Result<(), Problem> {
        let within = self.consistency.partition_of(post_id);
        let mut patience = self.absent.begin(Source::Posts, within);
        loop {
            let as_of = self.consistency.frontier(Source::Posts, within);
            let head = self.tables().posts.head(post_id).await.map_err(store_problem)?;
            if head.is_none() && patience.lasts_until(&self.consistency, as_of + 1).await {
                continue;
            }
            reflected.frontier(Source::Posts, within, as_of);
            let problem = match head {
                None => post_not_found(post_id),
                Some(head) => {
                    reflected.row(Source::Posts, within, head.stamp);
                    match head.record.life {
                        Life::Live => return Ok(()),
                        Life::Deleted => post_deleted(post_id),
                    }
                }
            };
            return Err(self.consistency.problem_with_token(problem, std::mem::take(reflected)));
        }
    }
}

/// The path of everything about a post.
#[derive(Deserialize)]
pub(crate) struct PostPath {
    #[serde(deserialize_with = "id")]
    pub(crate) id: Id,
}

/// The path of everything about a user.
#[derive(Deserialize)]
pub(crate) struct UserPath {
    #[serde(deserialize_with = "id")]
    pub(crate) id: Id,
}

fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
    Id::any(String::deserialize(deserializer)?).map_err(de::Error::custom)
}
