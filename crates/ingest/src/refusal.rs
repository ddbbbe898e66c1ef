//! What a client is told when the log does not acknowledge.

use hubbub_events::Offset;
use hubbub_stream::AppendError;
use hubbub_web::{Problem, ProblemType};

use crate::event::Ticket;

/// The problem of one event. What exactly failed is for the log alone.
pub(crate) fn refusal(error: &AppendError, ticket: &Ticket) -> Problem {
    let problem = match error {
        AppendError::Full => Problem::new(
            ProblemType::Overloaded,
            "the queue of the event log is full; nothing was stored, try again shortly",
        ),
        AppendError::Unavailable(_) => Problem::new(
            ProblemType::LogUnavailable,
            "the event log cannot be reached; nothing was stored, try again shortly",
        ),
        AppendError::TooLarge(_) => Problem::new(
            ProblemType::TooLarge,
            "the event log takes no event as large as this one; nothing was stored",
        ),
        AppendError::NoRoom(_) => Problem::new(
            ProblemType::StorageFull,
            "the event log's disk is full; nothing was stored, and it goes on once its operator has made room",
        ),
        AppendError::Storage(_) => Problem::new(
            ProblemType::StorageFull,
            "the event log takes no more records until its operator has mended it; nothing was stored",
        ),
        AppendError::Unknown(_) => Problem::new(
            ProblemType::OutcomeUnknown,
            "the event log did not acknowledge in time, so the event may be stored or not; a post is not created twice by \
             sending its create again under the same id or Idempotency-Key",
        )
        .with("id", ticket.post_id.as_str())
        .with("event_id", ticket.event_id.as_str()),
    };
    problem.caused_by(error)
}

/// Of a record that the log says nothing about.
pub(crate) fn no_result() -> Result<Offset, AppendError> {
    Err(AppendError::Unknown("the append has no result".to_owned()))
}
