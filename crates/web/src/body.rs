//! Reading a request's body within its limits of size, time and memory.

use std::time::Duration;

use axum::{body::Body, extract::Request};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use tokio::time::{Instant, timeout_at};

use crate::{context, problem::Problem, problem_type::ProblemType};

/// Reads a request's body whole, at most `limit` bytes of it. A body that is announced larger is refused before it is
/// read, so a client that sends `Expect: 100-continue` never sends it.
///
/// Works only behind an [`Edge`](crate::Edge), which knows the timeouts and the budget.
pub async fn read_body(request: Request, limit: usize) -> Result<Bytes, Problem> {
    refuse_coded(&request)?;
    let mut body = request.into_body();
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(too_large(limit));
    }
    let mut read = Bytes::new();
    // Most bodies are one frame, which is handed on as it came. Only what comes in pieces is gathered: the buffer grows
    // with the bytes that came, never with the length that was announced.
    let mut gathered = BytesMut::new();
    loop {
        let so_far = read.len() + gathered.len();
        let Some(data) = next_data(&mut body, so_far).await? else {
            break;
        };
        let length = so_far + data.len();
        if length > limit {
            return Err(too_large(limit));
        }
        hold(length)?;
        if so_far == 0 {
            read = data;
            continue;
        }
        if gathered.is_empty() {
            gathered.extend_from_slice(&std::mem::take(&mut read));
        }
        gathered.extend_from_slice(&data);
    }
    if gathered.is_empty() {
        return Ok(read);
    }
    Ok(gathered.freeze())
}

/// The next piece of the body with bytes in it; `None` at its end.
async fn next_data(body: &mut Body, so_far: usize) -> Result<Option<Bytes>, Problem> {
    if body.is_end_stream() {
        return Ok(None);
    }
    let deadline = Deadline::next()?;
    loop {
        let frame =
            timeout_at(deadline.at, body.frame()).await.map_err(|_| deadline.missed(so_far))?;
        match frame {
            None => return Ok(None),
            Some(Err(error)) => return Err(unreadable(&error)),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if !data.is_empty() => return Ok(Some(data)),
                // Trailers, which hubbub does not read.
                _ => {}
            },
        }
    }
}

/// When the next byte must have come: the sooner of two limits.
struct Deadline {
    at: Instant,
    limit: Duration,
    whole_request: bool,
}

impl Deadline {
    fn next() -> Result<Self, Problem> {
        context::with(|context| {
            let idle = Instant::now() + context.limits.body_idle_timeout;
            let whole = context.started + context.limits.request_timeout;
            let whole_request = whole < idle;
            Self {
                at: whole.min(idle),
                limit: if whole_request {
                    context.limits.request_timeout
                } else {
                    context.limits.body_idle_timeout
                },
                whole_request,
            }
        })
        .ok_or_else(outside_of_an_edge)
    }

    fn missed(&self, so_far: usize) -> Problem {
        let limit = self.limit;
        let detail = if self.whole_request {
            format!(
                "the request had not arrived whole after {limit:?}; {so_far} bytes of its body had"
            )
        } else {
            format!("no byte of the body came for {limit:?}; {so_far} bytes had come before")
        };
        Problem::new(ProblemType::RequestTimeout, detail).closing()
    }
}

fn hold(length: usize) -> Result<(), Problem> {
    context::with(|context| context.limits.hold(&mut context.body_memory.borrow_mut(), length))
        .ok_or_else(outside_of_an_edge)?
        .map_err(Problem::closing)
}

fn refuse_coded(request: &Request) -> Result<(), Problem> {
    let Some(coding) = request.headers().get(header::CONTENT_ENCODING) else {
        return Ok(());
    };
    if coding.as_bytes().eq_ignore_ascii_case(b"identity") {
        return Ok(());
    }
    let detail = format!("the content coding {coding:?} is not read; send the body uncompressed");
    Err(Problem::new(ProblemType::UnsupportedMediaType, detail)
        .header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity")))
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("the body is larger than the {limit} bytes that are allowed here");
    Problem::new(ProblemType::TooLarge, detail).with("limit", limit).closing()
}

fn unreadable(error: &axum::Error) -> Problem {
    let detail = format!("the body cannot be read: {error}");
    Problem::new(ProblemType::MalformedRequest, detail).closing()
}

pub(crate) fn outside_of_an_edge() -> Problem {
    Problem::internal("a request body was read outside of an edge, which alone knows its limits")
}
