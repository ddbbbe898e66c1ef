//! `GET /receipts/{receipt}`: what became of an accepted event.

use std::{fmt::Display, sync::Arc};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use hubbub_events::{Offset, Timestamp};
use hubbub_tables::{
    Receipts, Stored,
    posts::{Receipt, ReceiptOutcome},
};
use hubbub_web::{Json, NoQuery, Path, Problem, ProblemType, ReceiptId, dead_letter, rejection};
use serde::Serialize;

use crate::{
    api::Api,
    consistency::{Freshness, Reflected, Source},
    problems::store_problem,
};

#[derive(Serialize)]
struct ReceiptJson<'a> {
    event_id: &'a str,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Status {
    Applied,
    Rejected,
    DeadLetter,
    /// Its turn has not come.
    Pending,
    /// Its turn came so long ago that the outcome is kept no more.
    Expired,
}

pub(crate) async fn get(
    State(api): State<Arc<Api>>,
    Path(receipt): Path<String>,
    _: NoQuery,
    freshness: Freshness,
) -> Result<Response, Problem> {
    let receipt = ReceiptId::open(&receipt).map_err(invalid)?;
    if receipt.identity != *api.consistency.identity() {
        return Err(of_another_log(&api, &receipt));
    }
    if !api.consistency.has(receipt.at.topic_partition()) {
        return Err(invalid(format!("the log has no partition {}", receipt.at.topic_partition())));
    }
    api.consistency.reach(&freshness, &[Source::Posts]).await?;

    let within = receipt.at.topic_partition();
    let (as_of, found) = settled(&api, &receipt).await?;
    let mut reflected = Reflected::default();
    reflected.frontier(Source::Posts, within, as_of);
    let (status, problem) = match found {
        Some(found) if found.record.event_id != receipt.event_id => {
            return Err(of_another_event(&receipt));
        }
        Some(found) => {
            reflected.row(Source::Posts, within, found.stamp);
            outcome(&found.record)
        }
        None if as_of < receipt.at.offset => (Status::Pending, None),
        // Every event that was folded has a receipt for as long as receipts are kept.
        None if receipt.time.0 >= kept_since() => (Status::DeadLetter, Some(dead_letter())),
        None => (Status::Expired, None),
    };
    let answer = Json(ReceiptJson { event_id: &receipt.event_id, status, problem });
    Ok(api.consistency.with_token(answer.into_response(), reflected))
}

/// The receipt's row, and how far the posts were before it was read. While the event's turn has not
/// come it is waited for a moment, as anything absent is.
async fn settled(
    api: &Api,
    receipt: &ReceiptId,
) -> Result<(Offset, Option<Stored<Receipt>>), Problem> {
    let within = receipt.at.topic_partition();
    let mut patience = api.absent.begin(Source::Posts, within);
    loop {
        let as_of = api.consistency.frontier(Source::Posts, within);
        let heads = api.tables().receipts.heads(&[Receipts::key(receipt.at)]).await;
        let found = heads.map_err(store_problem)?.pop().flatten();
        let is_settled = found.is_some() || as_of >= receipt.at.offset;
        if is_settled || !patience.lasts_until(&api.consistency, receipt.at.offset).await {
            return Ok((as_of, found));
        }
    }
}

fn outcome(found: &Receipt) -> (Status, Option<Problem>) {
    match found.outcome {
        ReceiptOutcome::Applied => (Status::Applied, None),
        ReceiptOutcome::Rejected => (Status::Rejected, Some(rejection(found.reason))),
    }
}

/// The time before which an event's receipt may have expired, in milliseconds since 1970.
fn kept_since() -> i64 {
    Timestamp::now().0 - Receipts::KEPT.as_millis() as i64
}

fn invalid(why: impl Display) -> Problem {
    let detail = format!("receipt: {why}; allowed is the `receipt` of the answer to a write");
    Problem::new(ProblemType::InvalidReceipt, detail)
}

fn of_another_log(api: &Api, receipt: &ReceiptId) -> Problem {
    let detail = format!(
        "the receipt is of the log {}, and this server reads the log {}",
        receipt.identity,
        api.consistency.identity()
    );
    Problem::new(ProblemType::NotFound, detail)
}

fn of_another_event(receipt: &ReceiptId) -> Problem {
    let detail = format!(
        "the receipt is of the event {:?}, and at its place in the log is another one",
        receipt.event_id
    );
    Problem::new(ProblemType::NotFound, detail)
}
