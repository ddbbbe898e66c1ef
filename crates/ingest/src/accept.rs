//! Appending, and the answer to it.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hubbub_events::{Offset, Position, Timestamp, Topic};
use hubbub_stream::{AppendError, NewRecord};
use hubbub_tables::posts::ReceiptOutcome;
use hubbub_trace::{SPANS, TRACEPARENT, TraceParent};
use hubbub_web::{
    Bound, Json, Prefer, Problem, ReceiptId, TOKEN_HEADER, Token, preference_applied, rejection,
    trace_parent,
};
use serde::Serialize;
use tokio::time::Instant;
use tracing::Instrument;

use crate::{
    Ingest,
    event::{Event, Ticket},
    refusal::{no_result, refusal},
    routes::API,
};

/// What a route's event does, and so what its answer is once that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Makes a post: 201.
    Creates,
    /// Changes it: 200.
    Edits,
    /// Leaves nothing to show: 204.
    Settles,
}

impl Effect {
    const fn status(self) -> StatusCode {
        match self {
            Self::Creates => StatusCode::CREATED,
            Self::Edits => StatusCode::OK,
            Self::Settles => StatusCode::NO_CONTENT,
        }
    }
}

/// What is answered of an event that the log has.
#[derive(Debug, Serialize)]
pub(crate) struct Accepted {
    id: String,
    event_id: String,
    status: &'static str,
    receipt: String,
}

impl Ingest {
    /// Appends one event, waits for what becomes of it if the client prefers so, and answers.
    pub(crate) async fn accept(
        &self,
        event: Event,
        prefer: Prefer,
        effect: Effect,
    ) -> Result<Response, Problem> {
        let started = Instant::now();
        let Event { ticket, record } = event;
        let appended = self.append(vec![record]).await.pop();
        let offset =
            appended.unwrap_or_else(no_result).map_err(|error| refusal(&error, &ticket))?;
        let at = ticket.at(offset);
        let mut headers = HeaderMap::new();
        headers.insert(TOKEN_HEADER, self.token(ticket.time, [at])?);

        let receipt = match prefer.wait {
            None => None,
            Some(wait) => {
                let receipt = self.receipt(at, &ticket.event_id, started + wait).await;
                headers.extend(receipt.is_some().then(|| preference_applied(wait)));
                receipt
            }
        };
        let (status, word) = match receipt.map(|receipt| (receipt.outcome, receipt.reason)) {
            None => (StatusCode::ACCEPTED, "accepted"),
            Some((ReceiptOutcome::Applied, _)) => (effect.status(), "applied"),
            Some((ReceiptOutcome::Rejected, reason)) => {
                return Err(not_applied(rejection(reason), &ticket, headers));
            }
        };
        if effect == Effect::Creates {
            let location = format!("{API}/posts/{}", ticket.post_id);
            headers.insert(header::LOCATION, header_value(location)?);
        }
        if status == StatusCode::NO_CONTENT {
            return Ok((status, headers).into_response());
        }
        Ok((status, headers, Json(self.accepted(ticket, at, word))).into_response())
    }

    /// Appends records, all of them at once. They carry where they stand in the request's trace.
    pub(crate) async fn append(
        &self,
        mut records: Vec<NewRecord>,
    ) -> Vec<Result<Offset, AppendError>> {
        let span = tracing::info_span!(
            target: SPANS,
            "append",
            otel.name = "send posts",
            otel.kind = "producer",
            messaging.operation.name = "send",
            messaging.destination.name = %Topic::Posts,
            messaging.batch.message_count = records.len(),
        );
        if let Some(trace) = TraceParent::of(&span).or_else(trace_parent) {
            for record in &mut records {
                record.headers.push((TRACEPARENT.into(), trace.value()));
            }
        }
        self.log.append(records).instrument(span).await
    }

    /// What is answered of an event at its position; `status` is `accepted` or `applied`.
    pub(crate) fn accepted(&self, ticket: Ticket, at: Position, status: &'static str) -> Accepted {
        let receipt = ReceiptId {
            at,
            identity: self.log.identity(),
            time: ticket.time,
            event_id: ticket.event_id,
        };
        Accepted {
            id: ticket.post_id.into_string(),
            receipt: receipt.seal(),
            event_id: receipt.event_id,
            status,
        }
    }

    /// The value of `Consistency-Token`: every projection is to have passed what was written.
    pub(crate) fn token(
        &self,
        time: Timestamp,
        written: impl IntoIterator<Item = Position>,
    ) -> Result<HeaderValue, Problem> {
        let bounds = written.into_iter().map(|at| Bound { at, projection: None });
        let token = Token { identity: self.log.identity(), time, bounds: bounds.collect() };
        header_value(token.seal())
    }
}

fn header_value(text: String) -> Result<HeaderValue, Problem> {
    HeaderValue::try_from(text).map_err(Problem::internal)
}

fn not_applied(problem: Problem, ticket: &Ticket, headers: HeaderMap) -> Problem {
    let problem =
        problem.with("id", ticket.post_id.as_str()).with("event_id", ticket.event_id.as_str());
    headers
        .iter()
        .fold(problem, |problem, (name, value)| problem.header(name.clone(), value.clone()))
}
