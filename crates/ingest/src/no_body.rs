//! Routes that take no body.

use axum::extract::{FromRequest, Request};
use http::{HeaderValue, header::CONNECTION};
use hubbub_web::{Problem, ProblemType, read_body};

/// Refuses a body: whoever sends one expects it to be read, and it would be ignored.
#[derive(Debug)]
pub(crate) struct NoBody;

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        match read_body(request, 0).await {
            Ok(_) => Ok(Self),
            // As for every body that is left unread, the connection cannot go on.
            Err(problem) if problem.kind() == ProblemType::TooLarge => Err(Problem::new(
                ProblemType::MalformedRequest,
                "the request has a body, and this route takes none: its URL and headers say everything",
            )
            .header(CONNECTION, HeaderValue::from_static("close"))),
            Err(problem) => Err(problem),
        }
    }
}
