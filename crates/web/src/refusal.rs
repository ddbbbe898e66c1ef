//! Answers to requests that never reach the router. hyper refuses what it cannot parse with a bare status; here the
//! client gets the same status with a problem document.

use std::io::IoSlice;

use bytes::Bytes;
use tracing::debug;

use crate::{
    problem::{Occurrence, Problem},
    problem_type::ProblemType,
    request_id::{RequestId, X_REQUEST_ID},
};

/// The answer to send in place of what hyper is about to write, and how many bytes that is, if hyper is refusing a
/// request by itself: it writes a head alone, without the request id that every response of an edge carries.
pub(crate) fn in_place_of(slices: &[IoSlice<'_>]) -> Option<(Bytes, usize)> {
    let [head] = slices else { return None };
    let problem = if head.starts_with(b"HTTP/1.1 400 ") {
        Problem::new(
            ProblemType::MalformedRequest,
            "the request line or a header field is not HTTP/1.1",
        )
    } else if head.starts_with(b"HTTP/1.1 431 ") {
        Problem::new(
            ProblemType::HeadersTooLarge,
            "the request's header is larger, or has more fields, than this server reads",
        )
    } else {
        return None;
    };
    let mut lines = head.split(|byte| *byte == b'\n');
    let by_hyper = head.ends_with(b"\r\n\r\n")
        && !lines.any(|line| line.starts_with(X_REQUEST_ID.as_str().as_bytes()));
    by_hyper.then(|| (answer(&problem), head.len()))
}

/// The answer to a header that did not come to its end in time.
pub(crate) fn slow_header() -> Bytes {
    answer(&Problem::new(
        ProblemType::RequestTimeout,
        "the request's header did not arrive in time",
    ))
}

fn answer(problem: &Problem) -> Bytes {
    let request_id = RequestId::mint();
    let request_id = request_id.as_str();
    let document =
        serde_json::to_vec(&Occurrence { problem, instance: None, request_id }).unwrap_or_default();
    let status = problem.kind().status();
    debug!(request_id, http.status = status.as_u16(), "request refused before it was read");
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\nx-request-id: {request_id}\r\n\
         cache-control: no-store\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        document.len()
    );
    [head.as_bytes(), &document].concat().into()
}
