//! What hubbub answers, and the checks that every answer must pass.

use bytes::Bytes;
use reqwest::{Method, header::HeaderMap};
use serde_json::Value;

use crate::client::text;

/// A response, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was asked.
    pub method: Method,
    /// Of which path and query.
    pub target: String,
    /// The status.
    pub status: u16,
    /// The header.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// A header field, where it is there and is visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        text(&self.headers, name)
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// Where it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{self}: the body is no JSON: {error}"))
    }

    /// The answer itself, after a look at its status.
    ///
    /// # Panics
    /// Where the status is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self}");
        self
    }

    /// The token that it carries.
    ///
    /// # Panics
    /// Where it carries none.
    #[must_use]
    #[track_caller]
    pub fn token(&self) -> String {
        let token = self.header("consistency-token");
        token.unwrap_or_else(|| panic!("{self}: no Consistency-Token")).to_owned()
    }

    /// A string of the body's JSON.
    ///
    /// # Panics
    /// Where it is not there.
    #[must_use]
    #[track_caller]
    pub fn string(&self, member: &str) -> String {
        let json = self.json();
        let found = json[member].as_str();
        found.unwrap_or_else(|| panic!("{self}: no string {member:?}")).to_owned()
    }

    /// The body's problem document, which must be of this type.
    ///
    /// # Panics
    /// Where it is another, or breaks the rules of all of them.
    #[track_caller]
    pub fn problem(&self, status: u16, name: &str) -> ProblemDocument {
        assert_eq!(self.status, status, "{self}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self}");
        let document = ProblemDocument(self.json());
        document.is(status, name);
        let path = self.target.split('?').next();
        assert_eq!(document.0["instance"].as_str(), path, "{self}: instance");
        assert_eq!(document.0["request_id"].as_str(), self.header("x-request-id"), "{self}");
        if status == 503 {
            let seconds = self.header("retry-after").and_then(|value| value.parse().ok());
            assert!(seconds.is_some_and(|seconds: u32| seconds > 0), "{self}: Retry-After");
        }
        document
    }

    /// What holds for every answer.
    #[track_caller]
    pub(crate) fn checked(self) -> Self {
        let request_id = self.header("x-request-id").unwrap_or_default();
        assert!(!request_id.is_empty(), "{self}: no X-Request-Id");
        if self.method == Method::GET || self.method == Method::HEAD {
            assert_eq!(self.header("cache-control"), Some("no-store"), "{self}");
        }
        if self.method == Method::HEAD || self.status == 204 {
            assert!(self.body.is_empty(), "{self}: a body");
            return self;
        }
        let expected = match self.status {
            200..400 => "application/json",
            _ => "application/problem+json",
        };
        assert_eq!(self.header("content-type"), Some(expected), "{self}");
        self
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = String::from_utf8_lossy(&self.body);
        let body: String = body.chars().take(1000).collect();
        write!(f, "{} {} → {} {:?} {body}", self.method, self.target, self.status, self.headers)
    }
}

/// A problem document (RFC 9457): a response's, or an item's of a batch or a receipt.
#[derive(Clone, Debug)]
pub struct ProblemDocument(pub Value);

impl ProblemDocument {
    /// Checks its type, and the members that all of them have.
    ///
    /// # Panics
    /// Where one is missing or another.
    #[track_caller]
    pub fn is(&self, status: u16, name: &str) -> &Self {
        let Self(document) = self;
        assert_eq!(document["type"], format!("urn:hubbub:problem:{name}"), "{document}");
        assert_eq!(document["status"], status, "{document}");
        for member in ["title", "detail"] {
            let text = document[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{document}: no {member}");
        }
        self
    }

    /// Checks that the detail names each of these: the field, its value, what is allowed.
    ///
    /// # Panics
    /// Where it leaves one out.
    #[track_caller]
    pub fn says(&self, parts: &[&str]) -> &Self {
        let detail = self.0["detail"].as_str().unwrap_or_default();
        for part in parts {
            assert!(detail.contains(part), "{part:?} is not in {detail:?}");
        }
        self
    }

    /// Checks that the field is among those at fault.
    ///
    /// # Panics
    /// Where it is not.
    #[track_caller]
    pub fn blames(&self, field: &str) -> &Self {
        let errors = self.0["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert!(errors.iter().any(|error| error["field"] == field), "{field:?}: {}", self.0);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: String) -> Answer {
        Answer {
            method: Method::GET,
            target: "/users/ann/analysis".to_owned(),
            status: 200,
            headers: HeaderMap::new(),
            body: body.into(),
        }
    }

    /// A reader that is off by one in a number's last bit finds totals wrong that are right.
    #[test]
    fn every_average_is_read_as_the_number_that_was_written() {
        for (chars, words) in [(21_127, 4_500), (2, 3), (9_007_199_254_740_991_u64, 7)] {
            let average = chars as f64 / f64::from(words);
            let read = answer(format!("{{\"average_word_length\":{average}}}")).json();
            assert_eq!(read["average_word_length"].as_f64(), Some(average), "{chars}/{words}");
        }
    }
}
