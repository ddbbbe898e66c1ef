//! `POST /posts/batch`: many posts, appended by one call once the whole body is read, and answered once.

use std::collections::BTreeMap;

use axum::{
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::StatusCode;
use hubbub_events::{Offset, Timestamp, TopicPartition, limits::BODY_MAX_BYTES};
use hubbub_web::{Json, NoQuery, Problem, ProblemType, TOKEN_HEADER, parse_json, read_body};
use serde::{Serialize, de::IgnoredAny};

use crate::{
    Ingest,
    accept::Accepted,
    batch_body::Form,
    create::created,
    event::{Arrival, Event},
    fields::{NewPost, parse_object},
    idempotency::IdempotencyKey,
    refusal::{no_result, refusal},
};

/// What became of one item.
#[derive(Serialize)]
#[serde(untagged)]
enum Item {
    Accepted(Accepted),
    NotAccepted {
        /// `refused` or `unknown`.
        status: &'static str,
        problem: Problem,
    },
}

impl From<Problem> for Item {
    fn from(problem: Problem) -> Self {
        let status = match problem.kind() {
            ProblemType::OutcomeUnknown => "unknown",
            _ => "refused",
        };
        Self::NotAccepted { status, problem }
    }
}

#[derive(Serialize)]
struct Results {
    results: Vec<Item>,
}

pub(crate) async fn create_batch(
    State(ingest): State<Ingest>,
    _: NoQuery,
    key: IdempotencyKey,
    request: Request,
) -> Result<Response, Problem> {
    let form = Form::of(request.headers())?;
    let limit = usize::try_from(ingest.settings.max_batch_bytes.as_u64()).unwrap_or(usize::MAX);
    let body = read_body(request, limit).await?;
    let arrival = Arrival::now(&*ingest.log);
    let time = arrival.time;
    // A large batch takes milliseconds, for which other requests must not wait.
    let read = tokio::task::spawn_blocking(move || events(form, &body, &key, &arrival));
    let items = read.await.map_err(Problem::internal)??;
    ingest.accept_all(items, time).await
}

/// The events of a batch, and the problems of those items that are JSON and not allowed. Fails as a whole where anything
/// in it is not JSON.
fn events(
    form: Form,
    body: &Bytes,
    key: &IdempotencyKey,
    arrival: &Arrival,
) -> Result<Vec<Result<Event, Problem>>, Problem> {
    let documents = form.documents(body)?.into_iter().enumerate();
    documents
        .map(|(index, document)| {
            let read = parse_item(document.json);
            match read.and_then(|post| created(post, key, Some(index), arrival)) {
                Err(problem) if problem.kind() == ProblemType::MalformedJson => {
                    Err(document.broken(&problem))
                }
                item => Ok(item),
            }
        })
        .collect()
}

/// A post that is too large to be sent alone is too large in a batch: what it takes to look into an item grows with it.
fn parse_item(json: &[u8]) -> Result<NewPost<'_>, Problem> {
    if json.len() <= BODY_MAX_BYTES {
        return parse_object(json);
    }
    parse_json::<IgnoredAny>(json)?;
    let bytes = json.len();
    let detail = format!("the post has {bytes} bytes of JSON; allowed are {BODY_MAX_BYTES}");
    Err(Problem::new(ProblemType::TooLarge, detail).with("limit", BODY_MAX_BYTES))
}

impl Ingest {
    async fn accept_all(
        &self,
        items: Vec<Result<Event, Problem>>,
        time: Timestamp,
    ) -> Result<Response, Problem> {
        let mut records = Vec::with_capacity(items.len());
        let mut tickets = Vec::with_capacity(items.len());
        for item in items {
            tickets.push(item.map(|Event { ticket, record }| {
                records.push(record);
                ticket
            }));
        }
        let mut appended = match records.is_empty() {
            true => Vec::new(),
            false => self.append(records).await,
        }
        .into_iter();

        let mut greatest: BTreeMap<TopicPartition, Offset> = BTreeMap::new();
        let results = tickets.into_iter().map(|ticket| {
            let ticket = match ticket {
                Ok(ticket) => ticket,
                Err(problem) => return Item::from(problem),
            };
            match appended.next().unwrap_or_else(no_result) {
                Ok(offset) => {
                    let at = ticket.at(offset);
                    let greatest = greatest.entry(at.topic_partition()).or_insert(offset);
                    *greatest = offset.max(*greatest);
                    Item::Accepted(self.accepted(ticket, at, "accepted"))
                }
                Err(error) => Item::from(refusal(&error, &ticket)),
            }
        });
        let results = Results { results: results.collect() };
        if greatest.is_empty() {
            return Err(none_accepted(&results));
        }
        let token = self.token(time, greatest.into_iter().map(|(of, offset)| of.at(offset)))?;
        Ok((StatusCode::ACCEPTED, [(TOKEN_HEADER, token)], Json(results)).into_response())
    }
}

/// The answer to a batch of which nothing was accepted: a problem of the kind that the client should know of first, with
/// the same results.
fn none_accepted(Results { results }: &Results) -> Problem {
    let kinds = results.iter().filter_map(|item| match item {
        Item::Accepted(_) => None,
        Item::NotAccepted { problem, .. } => Some(problem.kind()),
    });
    let kind = kinds.min_by_key(|kind| urgency(*kind));
    let kind =
        kind.filter(|kind| urgency(*kind) < REFUSED).unwrap_or(ProblemType::ValidationFailed);
    let detail =
        format!("none of the {} posts was accepted; results has each one's problem", results.len());
    match serde_json::to_value(results) {
        Ok(results) => Problem::new(kind, detail).with("results", results),
        Err(error) => Problem::internal(error),
    }
}

/// The least urgent: whatever is the request's own fault.
const REFUSED: u8 = 3;

const fn urgency(kind: ProblemType) -> u8 {
    match kind {
        ProblemType::OutcomeUnknown => 0,
        ProblemType::Overloaded | ProblemType::LogUnavailable => 1,
        ProblemType::StorageFull => 2,
        _ => REFUSED,
    }
}
