//! What a client is told of an event that was accepted and then not applied: in the answer to a write that waited, and
//! in a receipt.

use hubbub_tables::Reason;

use crate::{problem::Problem, problem_type::ProblemType};

/// The problem of a rejected event.
#[must_use]
pub fn rejection(reason: Reason) -> Problem {
    let (kind, detail) = match reason {
        Reason::NotFound => {
            (ProblemType::PostNotFound, "there was no post with this id when the event's turn came")
        }
        Reason::Gone => (
            ProblemType::PostDeleted,
            "the post was deleted before the event's turn came; a deleted post never comes back",
        ),
        Reason::IdTaken => (
            ProblemType::IdTaken,
            "another post has or had this id; the first create of an id wins, also when its post is deleted later",
        ),
        Reason::KeyReused => (
            ProblemType::IdempotencyKeyReused,
            "the Idempotency-Key was used before, by the same user, for a post with another content or other hashtags",
        ),
        Reason::NotAuthor => (
            ProblemType::NotTheAuthor,
            "only the user who created a post may edit or delete it; a post without a user, only a request without one",
        ),
        Reason::VersionMoved => (
            ProblemType::VersionMoved,
            "the post had another version than If-Match names; read it again for its present ETag",
        ),
        Reason::None => {
            return Problem::internal("a rejected event without a reason in its receipt");
        }
    };
    Problem::new(kind, detail)
}

/// The problem of an event that could not be folded.
#[must_use]
pub fn dead_letter() -> Problem {
    Problem::new(
        ProblemType::DeadLetter,
        "the event was accepted, could not be applied, and is kept among the dead letters for the operator",
    )
}
