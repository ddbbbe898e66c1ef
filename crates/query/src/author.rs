//! `GET /users/{id}/posts` and `/users/{id}/analysis`: what a user wrote, and what it amounts to.
//! A user is whoever is named as one, so an unknown user has an empty page and totals of 0.

use std::sync::Arc;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::Uri;
use hubbub_events::Timestamp;
use hubbub_tables::{Stored, analysis::AuthorTotals, posts::AuthoredPost};
use hubbub_web::{Json, NoQuery, Path, Problem, Query};
use serde::Serialize;

use crate::{
    api::{Api, UserPath},
    consistency::{Freshness, Reflected, Source, posts_partition},
    json::average,
    page::{List, PageQuery},
    post,
    problems::store_problem,
};

/// Newest first, without the deleted ones.
pub(crate) async fn posts(
    State(api): State<Arc<Api>>,
    Path(UserPath { id }): Path<UserPath>,
    Query(page): Query<PageQuery>,
    freshness: Freshness,
    uri: Uri,
) -> Result<Response, Problem> {
    let page = page.of(List::AuthorPosts, id.as_str())?;
    api.consistency.reach(&freshness, post::SOURCES).await?;

    let mut reflected = Reflected::default();
    for within in api.consistency.partitions() {
        for source in post::SOURCES {
            reflected.frontier(*source, within, api.consistency.frontier(*source, within));
        }
    }
    let partition = (id.as_str().to_owned(),);
    let shows = |(_, post_id): &(Timestamp, String), row: &Stored<AuthoredPost>| {
        reflected.row(Source::Posts, api.consistency.partition_of(post_id), row.stamp);
        !row.record.gone
    };
    let tables = api.tables();
    let found = page.read(&*tables.by_author, &partition, api.page_rows, shows).await?;

    let ids: Vec<_> = found.rows.into_iter().map(|((_, post_id), _)| (post_id,)).collect();
    let read = tables.posts.read(&ids).await.map_err(store_problem)?;
    let mut items = Vec::with_capacity(ids.len());
    for ((post_id,), post) in ids.into_iter().zip(read) {
        // The list is written before the posts in it, so one of them may be missing or gone.
        let Some(post) = post else {
            continue;
        };
        post.reflect(api.consistency.partition_of(&post_id), &mut reflected);
        items.extend(post.json(post_id));
    }
    let answer = page.answer(uri.path(), items, found.next.as_ref())?;
    Ok(api.consistency.with_token(answer, reflected))
}

#[derive(Serialize)]
struct AuthorJson<'a> {
    user_id: &'a str,
    post_count: i64,
    word_count: i64,
    average_word_length: f64,
}

/// The totals over the live posts: one partial sum for each partition of the log, added up.
pub(crate) async fn analysis(
    State(api): State<Arc<Api>>,
    Path(UserPath { id }): Path<UserPath>,
    _: NoQuery,
    freshness: Freshness,
) -> Result<Response, Problem> {
    api.consistency.reach(&freshness, &[Source::Analysis]).await?;

    let mut reflected = Reflected::default();
    for within in api.consistency.partitions() {
        let as_of = api.consistency.frontier(Source::Analysis, within);
        reflected.frontier(Source::Analysis, within, as_of);
    }
    let partition = (id.as_str().to_owned(),);
    let most = api.consistency.partitions().count();
    let sums = api.tables().authors.scan(&partition, None, most).await.map_err(store_problem)?;
    let mut total = AuthorTotals::default();
    for ((partition,), sum) in sums {
        reflected.row(Source::Analysis, posts_partition(partition), sum.stamp);
        total.posts += sum.record.posts;
        total.words += sum.record.words;
        total.chars += sum.record.chars;
    }
    let answer = Json(AuthorJson {
        user_id: id.as_str(),
        post_count: total.posts,
        word_count: total.words,
        average_word_length: average(total.chars, total.words),
    });
    Ok(api.consistency.with_token(answer.into_response(), reflected))
}
