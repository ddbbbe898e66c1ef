//! `GET /posts/{id}`: a post is its head, the row at that head's version, and its like count.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::HeaderValue;
use hubbub_events::{Timestamp, TopicPartition, hashtags};
use hubbub_store::{Error, Partitions, Rows, Snapshot, Wanted, read_both};
use hubbub_tables::{PostLikes, Posts, Stored, likes::LikesHead, posts::PostHead};
use hubbub_web::{NoQuery, Path, Problem};
use serde::Serialize;
use tokio::try_join;

use crate::{
    api::{Api, PostPath},
    cached::{Finding, Found, Kind, Loaded, LookUp, Prepared, Reading},
    consistency::{Floor, Freshness, Reflected, Source},
    json::{named, rfc3339},
    problems::post_not_found,
};

/// The projections that a post is made of.
pub(crate) const SOURCES: &[Source] = &[Source::Posts, Source::Likes];

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
        kind: Kind::Post,
        source: Source::Posts,
        within,
        floor,
        load: |api, id, within, floor| Box::pin(prepare(api, id, within, floor)),
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

async fn prepare(api: Arc<Api>, id: String, within: TopicPartition, floor: Floor) -> Loaded {
    let posts = api.consistency.frontier(Source::Posts, within);
    let likes = api.consistency.frontier(Source::Likes, within);
    let partition = (id,);
    let tables = api.tables();
    let (post, liked) = read_both(
        (
            &tables.posts.posts,
            Wanted {
                partition: &partition,
                frontier: posts,
                floor: floor.of(Source::Posts, within),
            },
        ),
        (
            &tables.posts.likes,
            Wanted {
                partition: &partition,
                frontier: likes,
                floor: floor.of(Source::Likes, within),
            },
        ),
    )
    .await?;
    let Some(post) = post else {
        return Ok(None);
    };
    let parts = vec![
        Reading::of(Source::Posts, Some(&post), posts),
        Reading::of(Source::Likes, liked.as_ref(), likes),
    ];
    let (id,) = partition;
    let finding = match PostJson::of(id, post.value, liked.map(|liked| liked.value.head)) {
        None => Finding::Deleted,
        Some(post) => Finding::Shown {
            json: serde_json::to_vec(&post)
                .map_err(|error| Error::Permanent(error.to_string()))?
                .into(),
            etag: HeaderValue::try_from(format!("\"{}\"", post.version)).ok(),
        },
    };
    Ok(Some(Arc::new(Prepared::new(&api, within, finding, parts))))
}

/// The tables that posts are read from.
pub(crate) struct PostTables {
    posts: Partitions<Posts>,
    likes: Partitions<PostLikes>,
}

/// A post as it is in the tables.
pub(crate) struct Post {
    standing: Stored<Snapshot<Posts>>,
    /// `None` while the likes have not seen the post.
    likes: Option<Stored<LikesHead>>,
}

impl PostTables {
    pub(crate) fn new(posts: Partitions<Posts>, likes: Partitions<PostLikes>) -> Self {
        Self { posts, likes }
    }

    /// The head of one post, as the store has it.
    pub(crate) async fn head(&self, id: &str) -> Result<Option<Stored<PostHead>>, Error> {
        let mut heads = self.posts.rows().heads(&[(id.to_owned(),)]).await?;
        Ok(heads.pop().flatten())
    }

    /// Who likes posts, as the store has it.
    pub(crate) fn likes(&self) -> &dyn Rows<PostLikes> {
        self.likes.rows()
    }

    /// Posts by id as the store has them, in the order of the ids.
    pub(crate) async fn read(&self, ids: &[(String,)]) -> Result<Vec<Option<Post>>, Error> {
        let (posts, likes) = try_join!(self.posts.read_stored(ids), self.likes.rows().heads(ids))?;
        let posts = posts.into_iter().zip(likes);
        Ok(posts.map(|(standing, likes)| Some(Post { standing: standing?, likes })).collect())
    }
}

impl Post {
    /// Notes what it was made from.
    pub(crate) fn reflect(&self, within: TopicPartition, reflected: &mut Reflected) {
        reflected.row(Source::Posts, within, self.standing.stamp);
        if let Some(likes) = &self.likes {
            reflected.row(Source::Likes, within, likes.stamp);
        }
    }

    /// As clients see it; `None` for a deleted post.
    pub(crate) fn json(self, id: String) -> Option<PostJson> {
        PostJson::of(id, self.standing.record, self.likes.map(|likes| likes.record))
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
    fn of(id: String, post: Snapshot<Posts>, likes: Option<LikesHead>) -> Option<Self> {
        let Snapshot { head, row } = post;
        let says = row?;
        let is_edited = head.edited_at != Timestamp::NEVER;
        Some(Self {
            id,
            user_id: named(head.user_id),
            hashtags: hashtags::of_post(&says.hashtags, &says.content),
            content: says.content,
            created_at: rfc3339(head.created_at),
            edited_at: is_edited.then(|| rfc3339(head.edited_at)),
            version: head.version,
            like_count: likes.map_or(0, |likes| likes.like_count),
        })
    }
}
