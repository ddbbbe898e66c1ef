//! `GET /posts/{id}`: a post is its head, the row at that head's version, and its like count.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::HeaderValue;
use hubbub_events::{Stamp, Timestamp, TopicPartition, hashtags};
use hubbub_store::{Cached, Error, Rows};
use hubbub_tables::{
    Life, PostLikes, Posts, Stored,
    likes::LikesHead,
    posts::{PostHead, PostVersion},
};
use hubbub_web::{NoQuery, Path, Problem};
use serde::Serialize;
use tokio::try_join;

use crate::{
    api::{Api, PostPath},
    cached::{Finding, Found, Loaded, LookUp, Prepared},
    consistency::{Freshness, Reflected, Source},
    json::{named, rfc3339},
    problems::post_not_found,
};

/// The projections that a post is made of.
pub(crate) const SOURCES: &[Source] = &[Source::Posts, Source::Likes];

/// How often a post is read again whose head moved on between two reads.
const READS: usize = 3;

pub(crate) async fn get(
    State(api): State<Arc<Api>>,
    Path(PostPath { id }): Path<PostPath>,
    _: NoQuery,
    freshness: Freshness,
) -> Result<Response, Problem> {
    let floor = api.consistency.reach(&freshness, SOURCES).await?;
    let id = id.as_str();
    let within = api.consistency.partition_of(id);
    let what = LookUp {
        post_id: id,
        key: format!("post/{id}"),
        source: Source::Posts,
        within,
        floor: floor.of(SOURCES, within),
        load: |api, id, within| Box::pin(prepare(api, id, within)),
    };
    match api.look_up(what).await? {
        Found::Prepared(post) => post.answer(id),
        Found::AbsentAsOf(as_of) => {
            let mut reflected = Reflected::default();
            reflected.frontier(Source::Posts, within, as_of);
            Err(api.consistency.problem_with_token(post_not_found(id), reflected))
        }
    }
}

async fn prepare(api: Arc<Api>, id: String, within: TopicPartition) -> Loaded {
    let mut reflected = Reflected::default();
    let frontiers = SOURCES.iter().map(|source| {
        let as_of = api.consistency.frontier(*source, within);
        reflected.frontier(*source, within, as_of);
        as_of
    });
    // As a whole it is as old as the older of its parts.
    let as_of = frontiers.min().unwrap_or(-1);
    let Some(post) = api.posts.read(&[(id.clone(),)]).await?.pop().flatten() else {
        return Ok(None);
    };
    post.reflect(within, &mut reflected);
    let stamp = post.stamp();
    let finding = match PostJson::of(id, post) {
        None => Finding::Deleted,
        Some(post) => Finding::Shown {
            json: serde_json::to_vec(&post)
                .map_err(|error| Error::Permanent(error.to_string()))?
                .into(),
            etag: HeaderValue::try_from(format!("\"{}\"", post.version)).ok(),
        },
    };
    let value = Arc::new(Prepared { finding, token: api.consistency.token(reflected) });
    Ok(Some(Cached { value, stamp, as_of }))
}

/// The tables that posts are read from.
pub(crate) struct PostTables {
    posts: Arc<dyn Rows<Posts>>,
    likes: Arc<dyn Rows<PostLikes>>,
}

/// A post as it is in the tables.
pub(crate) struct Post {
    standing: Standing,
    /// `None` while the likes have not seen the post.
    likes: Option<Stored<LikesHead>>,
}

/// A post's head, and of a live post what it says at that head's version.
struct Standing {
    head: Stored<PostHead>,
    says: Option<PostVersion>,
}

impl PostTables {
    pub(crate) fn new(posts: Arc<dyn Rows<Posts>>, likes: Arc<dyn Rows<PostLikes>>) -> Self {
        Self { posts, likes }
    }

    /// The head of one post.
    pub(crate) async fn head(&self, id: &str) -> Result<Option<Stored<PostHead>>, Error> {
        let mut heads = self.posts.heads(&[(id.to_owned(),)]).await?;
        Ok(heads.pop().flatten())
    }

    /// Posts by id, in the order of the ids.
    pub(crate) async fn read(&self, ids: &[(String,)]) -> Result<Vec<Option<Post>>, Error> {
        let (posts, likes) = try_join!(self.standings(ids), self.likes.heads(ids))?;
        let posts = posts.into_iter().zip(likes);
        Ok(posts.map(|(standing, likes)| Some(Post { standing: standing?, likes })).collect())
    }

    /// A head may move on before the row of its version is read; then both are read again.
    async fn standings(&self, ids: &[(String,)]) -> Result<Vec<Option<Standing>>, Error> {
        let mut missing = None;
        for _ in 0..READS {
            let heads = self.posts.heads(ids).await?;
            let live: Vec<_> = ids
                .iter()
                .zip(&heads)
                .filter_map(|(id, head)| Some((id.clone(), (live_version(head.as_ref()?)?,))))
                .collect();
            let rows = match live.is_empty() {
                true => Vec::new(),
                false => self.posts.rows(&live).await?,
            };
            missing = rows.iter().position(Option::is_none).map(|at| live[at].clone());
            if missing.is_some() {
                continue;
            }
            let mut rows = rows.into_iter().flatten();
            let mut standing = |head: Stored<PostHead>| {
                let says = live_version(&head).and_then(|_| rows.next()).map(|row| row.record);
                Standing { head, says }
            };
            return Ok(heads.into_iter().map(|head| head.map(&mut standing)).collect());
        }
        Err(Error::Permanent(format!(
            "the table of posts lacks a row that a head names: {missing:?}"
        )))
    }
}

fn live_version(head: &Stored<PostHead>) -> Option<i64> {
    (head.record.life == Life::Live).then_some(head.record.version)
}

impl Post {
    /// The last position that changed any part of it.
    fn stamp(&self) -> Stamp {
        let likes = self.likes.as_ref().map_or(Stamp::default(), |likes| likes.stamp);
        self.standing.head.stamp.max(likes)
    }

    /// Notes what it was made from.
    pub(crate) fn reflect(&self, within: TopicPartition, reflected: &mut Reflected) {
        reflected.row(Source::Posts, within, self.standing.head.stamp);
        if let Some(likes) = &self.likes {
            reflected.row(Source::Likes, within, likes.stamp);
        }
    }
}

/// A post as clients see it.
#[derive(Serialize)]
pub(crate) struct PostJson {
    id: String,
    user_id: Option<String>,
    content: String,
    hashtags: Vec<String>,
    created_at: String,
    edited_at: Option<String>,
    version: i64,
    like_count: i64,
}

impl PostJson {
    /// `None` for a deleted post.
    pub(crate) fn of(id: String, post: Post) -> Option<Self> {
        let Standing { head, says } = post.standing;
        let (head, says) = (head.record, says?);
        let is_edited = head.edited_at != Timestamp::NEVER;
        Some(Self {
            id,
            user_id: named(head.user_id),
            hashtags: hashtags::of_post(&says.hashtags, &says.content),
            content: says.content,
            created_at: rfc3339(head.created_at),
            edited_at: is_edited.then(|| rfc3339(head.edited_at)),
            version: head.version,
            like_count: post.likes.map_or(0, |likes| likes.record.like_count),
        })
    }
}
