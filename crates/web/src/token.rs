//! Consistency tokens: how far the log must have been folded for an answer to be fresh enough.

use std::collections::BTreeMap;

use http::HeaderMap;
use hubbub_events::{LogIdentity, Offset, Position, Timestamp, TopicPartition};
use serde::{Deserialize, Serialize};

use crate::{
    opaque::{self, OpaqueError},
    problem::Problem,
    problem_type::ProblemType,
};

/// The header field that carries tokens: one in a response, any number up to [`MAX_TOKENS`] in a request.
pub const TOKEN_HEADER: &str = "consistency-token";

/// The tokens that one request may send, all its header fields together.
pub const MAX_TOKENS: usize = 64;

const KIND: u8 = b'T';

/// Positions that an answer must reflect, in one log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// The log that the positions are of.
    pub identity: LogIdentity,
    /// When the server gave it out; of merged tokens, the latest.
    pub time: Timestamp,
    /// What must have been passed.
    pub bounds: Vec<Bound>,
}

/// One position that must have been passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// Its offset is folded and durable once the bound holds.
    pub at: Position,
    /// The projection that it is about; `None`: every one.
    pub projection: Option<String>,
}

impl Token {
    /// As the opaque string that a client hands back.
    #[must_use]
    pub fn seal(&self) -> String {
        opaque::seal_value(KIND, self)
    }

    /// What [`Token::seal`] sealed.
    pub fn open(text: &str) -> Result<Self, OpaqueError> {
        opaque::open_value(KIND, text)
    }
}

/// The tokens of a request as one, with the greatest offset per projection and partition; `None` where it sends none.
///
/// A string that is no token is 400 `invalid-token`. Tokens of different logs are 503 `log-replaced`, as at most one of
/// the logs can be the one that is served.
pub fn from_headers(headers: &HeaderMap) -> Result<Option<Token>, Problem> {
    let mut sent = 0;
    let mut merged: Option<Merge> = None;
    for field in headers.get_all(TOKEN_HEADER) {
        let text = field.to_str().map_err(|_| not_ascii())?;
        for text in text.split(',').map(str::trim).filter(|text| !text.is_empty()) {
            sent += 1;
            if sent > MAX_TOKENS {
                return Err(too_many());
            }
            let token = Token::open(text).map_err(|error| invalid(text, error))?;
            match &mut merged {
                None => merged = Some(Merge::of(token)),
                Some(merged) => merged.add(token)?,
            }
        }
    }
    Ok(merged.map(Merge::into_token))
}

/// Tokens of one log on their way to become one.
struct Merge {
    identity: LogIdentity,
    time: Timestamp,
    greatest: BTreeMap<(Option<String>, TopicPartition), Offset>,
}

impl Merge {
    fn of(token: Token) -> Self {
        let mut merge =
            Self { identity: token.identity, time: token.time, greatest: BTreeMap::new() };
        merge.take(token.bounds);
        merge
    }

    fn add(&mut self, token: Token) -> Result<(), Problem> {
        if token.identity != self.identity {
            let detail = format!(
                "the consistency tokens are of different logs, {} and {}",
                self.identity, token.identity
            );
            return Err(Problem::new(ProblemType::LogReplaced, detail));
        }
        self.time = self.time.max(token.time);
        self.take(token.bounds);
        Ok(())
    }

    fn take(&mut self, bounds: Vec<Bound>) {
        for Bound { at, projection } in bounds {
            let offset =
                self.greatest.entry((projection, at.topic_partition())).or_insert(at.offset);
            *offset = at.offset.max(*offset);
        }
    }

    fn into_token(self) -> Token {
        let bounds = self.greatest.into_iter();
        Token {
            identity: self.identity,
            time: self.time,
            bounds: bounds
                .map(|((projection, of), offset)| Bound { at: of.at(offset), projection })
                .collect(),
        }
    }
}

fn invalid(text: &str, error: OpaqueError) -> Problem {
    let start: String = text.chars().take(16).collect();
    let detail = format!("the consistency token that starts with {start:?} is not valid: {error}");
    Problem::new(ProblemType::InvalidToken, detail)
}

fn not_ascii() -> Problem {
    Problem::new(
        ProblemType::InvalidToken,
        "a consistency token is base64url, and the header has other bytes than visible ASCII",
    )
}

fn too_many() -> Problem {
    let detail =
        format!("a request sends at most {MAX_TOKENS} consistency tokens, and this one sends more");
    Problem::new(ProblemType::InvalidToken, detail)
}
