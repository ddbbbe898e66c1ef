//! `Prefer: wait=N` (RFC 7240, section 4.3), the one preference that hubbub honours.

use std::time::Duration;

use axum::extract::FromRequestParts;
use http::{HeaderMap, HeaderName, HeaderValue, request::Parts};

use crate::{problem::Problem, problem_type::ProblemType};

/// The longest wait that a client may ask for.
pub const MAX_WAIT: Duration = Duration::from_secs(10);

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// What a client prefers. Preferences that hubbub does not know are ignored, as the RFC asks; a wait that is not allowed
/// is refused, as a client that waits for something else than it wrote is worse off than one that is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefer {
    /// How long to wait for the effect, in whole seconds up to [`MAX_WAIT`]; `None` where nothing was asked.
    pub wait: Option<Duration>,
}

impl Prefer {
    /// Reads the `Prefer` header fields. Where a preference is repeated, the first one counts.
    pub fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        for field in headers.get_all(PREFER) {
            let text = field.to_str().map_err(|_| {
                let detail = format!("Prefer is not visible ASCII: {field:?}");
                Problem::new(ProblemType::InvalidPrefer, detail)
            })?;
            for preference in split_unquoted(text, b',') {
                // What follows a semicolon are the preference's parameters, and wait has none.
                let preference = split_unquoted(preference, b';').next().unwrap_or_default();
                let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
                if name.trim().eq_ignore_ascii_case("wait") {
                    let wait = Some(parse_wait(value.trim())?);
                    return Ok(Self { wait });
                }
            }
        }
        Ok(Self::default())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Prefer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::of(&parts.headers)
    }
}

/// The response header field that says that a wait was honoured.
pub fn preference_applied(wait: Duration) -> (HeaderName, HeaderValue) {
    let value = format!("wait={}", wait.as_secs());
    (
        HeaderName::from_static("preference-applied"),
        HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("wait")),
    )
}

fn parse_wait(value: &str) -> Result<Duration, Problem> {
    let quoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    let seconds = quoted.unwrap_or(value);
    Some(seconds)
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .map(Duration::from_secs)
        .filter(|wait| *wait <= MAX_WAIT)
        .ok_or_else(|| {
            let most = MAX_WAIT.as_secs();
            let detail =
                format!("wait={value} is not allowed: wait is whole seconds from 0 to {most}");
            Problem::new(ProblemType::InvalidPrefer, detail)
        })
}

/// Splits at a separator that does not stand in a quoted string.
fn split_unquoted(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        let (mut quoted, mut escaped) = (false, false);
        for (index, byte) in current.bytes().enumerate() {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                _ if byte == separator && !quoted => {
                    rest = Some(&current[index + 1..]);
                    return Some(&current[..index]);
                }
                _ => {}
            }
        }
        rest = None;
        Some(current)
    })
}
