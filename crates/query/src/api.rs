//! The routes, and what their handlers share.

use std::sync::Arc;

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

/// The build of every projection's tables that is read.
const BUILD: Build = 1;

/// What the read API is made of.
pub struct Query<S> {
    /// Where the tables are.
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

/// The routes of the read API, below `/api/v1`.
///
/// # Errors
/// Where a table is missing or has other columns than declared.
pub fn router<S: Store>(query: Query<S>) -> Result<Router, Error> {
    let api = Arc::new(Api::new(query)?);
    Ok(Router::new()
        .route("/api/v1/receipts/{receipt}", get(receipts::get))
        .route("/api/v1/posts/{id}", get(post::get))
        .route("/api/v1/posts/{id}/analysis", get(analysis::get))
        .route("/api/v1/posts/{id}/likes", get(likes::of_post))
        .route("/api/v1/posts/{id}/events", get(events::of_post))
        .route("/api/v1/users/{id}/posts", get(author::posts))
        .route("/api/v1/users/{id}/analysis", get(author::analysis))
        .with_state(api))
}

/// What handlers answer from.
pub(crate) struct Api {
    pub(crate) consistency: Consistency,
    pub(crate) answers: Answers,
    pub(crate) absent: AbsentWait,
    pub(crate) page_rows: usize,
    pub(crate) posts: PostTables,
    pub(crate) by_author: Arc<dyn Rows<PostsByAuthor>>,
    pub(crate) events: Arc<dyn Rows<PostEvents>>,
    pub(crate) receipts: Arc<dyn Rows<Receipts>>,
    pub(crate) analyses: Partitions<PostAnalysis>,
    pub(crate) authors: Arc<dyn Rows<AuthorAnalysis>>,
}

impl Api {
    fn new<S: Store>(query: Query<S>) -> Result<Self, Error> {
        let Query { store, log, progress, answers, redis, settings } = query;
        let (store, redis) = (&store, redis.as_ref());
        let posts = Partitions::new(store, BUILD, redis)?;
        let likes = Partitions::new(store, BUILD, redis)?;
        Ok(Self {
            consistency: Consistency::new(&*log, progress),
            answers,
            absent: AbsentWait::new(settings.absent_waiters, settings.absent_wait),
            page_rows: settings.page_rows.get(),
            posts: PostTables::new(posts, likes),
            by_author: store.table(BUILD)?,
            events: store.table(BUILD)?,
            receipts: store.table(BUILD)?,
            analyses: Partitions::new(store, BUILD, redis)?,
            authors: store.table(BUILD)?,
        })
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
            let head = self.posts.head(post_id).await.map_err(store_problem)?;
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
