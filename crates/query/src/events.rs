//! `GET /posts/{id}/events`: what happened to a post, oldest first.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::Uri;
use hubbub_tables::{Stored, posts::PostEventRow};
use hubbub_web::{Path, Problem, Query};
use serde::Serialize;

use crate::{
    api::{Api, PostPath},
    consistency::{Freshness, Reflected, Source},
    json::{named, rfc3339},
    page::{List, PageQuery},
};

#[derive(Serialize)]
struct Event {
    #[serde(rename = "type")]
    event_type: String,
    user_id: Option<String>,
    at: String,
}

impl From<PostEventRow> for Event {
    fn from(row: PostEventRow) -> Self {
        Self { event_type: row.event_type, user_id: named(row.user_id), at: rfc3339(row.at) }
    }
}

pub(crate) async fn of_post(
    State(api): State<Arc<Api>>,
    Path(PostPath { id }): Path<PostPath>,
    Query(page): Query<PageQuery>,
    freshness: Freshness,
    uri: Uri,
) -> Result<Response, Problem> {
    let page = page.of(List::PostEvents, id.as_str())?;
    api.consistency.reach(&freshness, &[Source::Posts]).await?;

    let mut reflected = Reflected::default();
    api.require_live(id.as_str(), &mut reflected).await?;
    let within = api.consistency.partition_of(id.as_str());
    let partition = (id.as_str().to_owned(),);
    let shows = |_: &_, row: &Stored<PostEventRow>| {
        reflected.row(Source::Posts, within, row.stamp);
        true
    };
    let tables = api.tables();
    let found = page.read(&*tables.events, &partition, api.page_rows, shows).await?;

    let events = found.rows.into_iter().map(|(_, row)| Event::from(row.record)).collect();
    let answer = page.answer(uri.path(), events, found.next.as_ref())?;
    Ok(api.consistency.with_token(answer, reflected))
}
