//! The routes of one post: editing and deleting it, liking it and no more.

use axum::{
    extract::{Request, State},
    response::Response,
};
use hubbub_events::Action;
use hubbub_web::{NoQuery, Path, Prefer, Problem, read_json};

use crate::{
    Ingest,
    accept::Effect,
    actor::Actor,
    event::{Arrival, Event},
    fields::{PostEdit, Text, check_content, check_hashtags, check_path_id, parse_object},
    no_body::NoBody,
    precondition::{IfMatch, Unconditional},
};

/// `PATCH /posts/{id}`.
pub(crate) async fn edit(
    State(ingest): State<Ingest>,
    Path(id): Path<String>,
    _: NoQuery,
    if_match: IfMatch,
    prefer: Prefer,
    request: Request,
) -> Result<Response, Problem> {
    let body = read_json(request).await?;
    let arrival = Arrival::now(&*ingest.log);
    let event = edited(id, parse_object(&body)?, if_match, &arrival)?;
    drop(body);
    ingest.accept(event, prefer, Effect::Edits).await
}

fn edited(
    id: String,
    edit: PostEdit<'_>,
    IfMatch(expected_version): IfMatch,
    arrival: &Arrival,
) -> Result<Event, Problem> {
    let post_id = check_path_id(id)?;
    let actor = Actor::of_body(edit.user_id)?;
    if edit.content.is_none() && edit.hashtags.is_none() {
        let detail = "an edit names what it changes: content, hashtags or both";
        return Err(Problem::invalid("body", detail));
    }
    let content = edit.content.as_ref().map(Text::as_str);
    content.map(check_content).transpose()?;
    let hashtags = edit.hashtags.as_deref().map(check_hashtags).transpose()?;
    let action = Action::Edited { content, hashtags, expected_version };
    Ok(arrival.event(post_id, &actor, action))
}

/// `DELETE /posts/{id}`; the query's `user_id` acts.
pub(crate) async fn delete(
    State(ingest): State<Ingest>,
    Path(id): Path<String>,
    actor: Actor,
    _: Unconditional,
    prefer: Prefer,
    _: NoBody,
) -> Result<Response, Problem> {
    settle(ingest, id, actor, Action::Deleted, prefer).await
}

/// `PUT /posts/{id}/likes/{user_id}`; the path's user acts.
pub(crate) async fn like(
    State(ingest): State<Ingest>,
    Path((id, user_id)): Path<(String, String)>,
    _: NoQuery,
    prefer: Prefer,
    _: NoBody,
) -> Result<Response, Problem> {
    settle(ingest, id, Actor::named(user_id)?, Action::Liked, prefer).await
}

/// `DELETE /posts/{id}/likes/{user_id}`; the path's user acts.
pub(crate) async fn unlike(
    State(ingest): State<Ingest>,
    Path((id, user_id)): Path<(String, String)>,
    _: NoQuery,
    prefer: Prefer,
    _: NoBody,
) -> Result<Response, Problem> {
    settle(ingest, id, Actor::named(user_id)?, Action::Unliked, prefer).await
}

/// Accepts an event that says nothing but that it happened.
async fn settle(
    ingest: Ingest,
    id: String,
    actor: Actor,
    action: Action<&str>,
    prefer: Prefer,
) -> Result<Response, Problem> {
    let arrival = Arrival::now(&*ingest.log);
    let event = arrival.event(check_path_id(id)?, &actor, action);
    ingest.accept(event, prefer, Effect::Settles).await
}
