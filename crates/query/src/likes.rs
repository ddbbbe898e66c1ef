//! `GET /posts/{id}/likes`: who likes a post, by user.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::Uri;
use hubbub_tables::{Stored, likes::Like};
use hubbub_web::{Path, Problem, Query};
use serde::Serialize;

use crate::{
    api::{Api, PostPath},
    consistency::{Freshness, Reflected, Source},
    page::{List, PageQuery},
};

#[derive(Serialize)]
struct Liker {
    user_id: String,
}

pub(crate) async fn of_post(
    State(api): State<Arc<Api>>,
    Path(PostPath { id }): Path<PostPath>,
    Query(page): Query<PageQuery>,
    freshness: Freshness,
    uri: Uri,
) -> Result<Response, Problem> {
    let page = page.of(List::PostLikes, id.as_str())?;
    api.consistency.reach(&freshness, &[Source::Posts, Source::Likes]).await?;

    let mut reflected = Reflected::default();
    api.require_live(id.as_str(), &mut reflected).await?;
    let within = api.consistency.partition_of(id.as_str());
    reflected.frontier(Source::Likes, within, api.consistency.frontier(Source::Likes, within));
    let tables = api.tables();
    let partition = (id.as_str().to_owned(),);
    let shows = |_: &_, row: &Stored<Like>| {
        reflected.row(Source::Likes, within, row.stamp);
        row.record.liked
    };
    let found = page.read(tables.posts.likes(), &partition, api.page_rows, shows).await?;

    let likers = found.rows.into_iter().map(|((user_id,), _)| Liker { user_id }).collect();
    let answer = page.answer(uri.path(), likers, found.next.as_ref())?;
    Ok(api.consistency.with_token(answer, reflected))
}
