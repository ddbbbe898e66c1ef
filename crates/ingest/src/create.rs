//! `POST /posts`.

use axum::{
    extract::{Request, State},
    response::Response,
};
use hubbub_events::Action;
use hubbub_web::{NoQuery, Prefer, Problem, read_json};

use crate::{
    Ingest,
    accept::Effect,
    actor::Actor,
    event::{Arrival, Event},
    fields::{NewPost, check_content, check_hashtags, parse_object},
    idempotency::IdempotencyKey,
};

pub(crate) async fn create(
    State(ingest): State<Ingest>,
    _: NoQuery,
    key: IdempotencyKey,
    prefer: Prefer,
    request: Request,
) -> Result<Response, Problem> {
    let body = read_json(request).await?;
    let arrival = Arrival::now(&*ingest.log);
    let event = created(parse_object(&body)?, &key, None, &arrival)?;
    drop(body);
    ingest.accept(event, prefer, Effect::Creates).await
}

/// The event of a post to create; `index` is its place in a batch.
pub(crate) fn created(
    post: NewPost<'_>,
    key: &IdempotencyKey,
    index: Option<usize>,
    arrival: &Arrival,
) -> Result<Event, Problem> {
    let actor = Actor::of_body(post.user_id)?;
    let post_id = key.id_of(post.id, &actor, index)?;
    let content = post.content.as_str();
    check_content(content)?;
    let hashtags = check_hashtags(post.hashtags.as_deref().unwrap_or_default())?;
    Ok(arrival.event(post_id, &actor, Action::Created { content, hashtags }))
}
