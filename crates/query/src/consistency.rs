//! Consistency tokens: what a client has seen, and so what an answer may not be older than.
//!
//! A read that sends tokens waits until each projection that its answer uses has passed every
//! position that they name for it, also those in partitions that the answer does not touch:
//!
//! | route | waits for | its own token binds |
//! |---|---|---|
//! | `/posts/{id}` | posts, likes | posts, likes, in the post's partition |
//! | `/posts/{id}/analysis` | posts, analysis | analysis, in the post's partition; posts too where it had to be asked |
//! | `/posts/{id}/likes` | posts, likes | posts, likes, in the post's partition |
//! | `/posts/{id}/events` | posts | posts, in the post's partition |
//! | `/users/{id}/posts` | posts, likes | posts, likes, in every partition |
//! | `/users/{id}/analysis` | analysis | analysis, in every partition |
//! | `/receipts/{receipt}` | posts | posts, in the receipt's partition |
//!
//! What a list does not show is a statement too, so where an answer draws on every partition its
//! token binds every one. A 404 or 410 carries a token like any other answer.

use std::time::Duration;

use axum::{extract::FromRequestParts, response::Response};
use http::{HeaderName, HeaderValue, request::Parts};
use hubbub_events::{LogIdentity, Offset, Stamp, Timestamp, Topic, TopicPartition, partition_of};
use hubbub_store::{Need, Progress, Waited};
use hubbub_stream::Log;
use hubbub_tables::Build;
use hubbub_web::{
    Bound, MAX_WAIT, Prefer, Problem, ProblemType, TOKEN_HEADER, Token, from_headers,
};
use tokio::time::Instant;

/// The header field of tokens, parsed once.
pub(crate) const CONSISTENCY_TOKEN: HeaderName = HeaderName::from_static(TOKEN_HEADER);

/// How long a read waits for its tokens unless it says otherwise.
const DEFAULT_WAIT: Duration = Duration::from_secs(2);

/// A projection that answers are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Posts,
    Analysis,
    Likes,
}

impl Source {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Posts => "posts",
            Self::Analysis => "analysis",
            Self::Likes => "likes",
        }
    }
}

/// How fresh a request wants its answer, and how long it waits for that.
#[derive(Debug)]
pub(crate) struct Freshness {
    token: Option<Token>,
    wait: Duration,
}

impl<S: Send + Sync> FromRequestParts<S> for Freshness {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let wait = Prefer::of(&parts.headers)?.wait.unwrap_or(DEFAULT_WAIT);
        Ok(Self { token: from_headers(&parts.headers)?, wait })
    }
}

/// The positions that an answer must have passed. Whoever has one may read: the projections have
/// passed them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Floor(Vec<Need>);

impl Floor {
    /// The offset in one partition that a projection must have passed; −1: none.
    pub(crate) fn of(&self, source: Source, within: TopicPartition) -> Offset {
        let concerns =
            |need: &&Need| need.topic_partition == within && need.projection == source.name();
        self.0.iter().filter(concerns).map(|need| need.offset).max().unwrap_or(-1)
    }
}

/// What an answer reflects: the bounds of its token.
#[derive(Debug, Default)]
pub(crate) struct Reflected(Vec<Bound>);

impl Reflected {
    /// Notes how far a projection was before its rows were read.
    pub(crate) fn frontier(&mut self, source: Source, within: TopicPartition, as_of: Offset) {
        self.raise(source, within, as_of);
    }

    /// Notes a row. It may be newer than the frontier, which moves after the rows.
    pub(crate) fn row(&mut self, source: Source, within: TopicPartition, row: Stamp) {
        self.raise(source, within, row.offset());
    }

    fn raise(&mut self, source: Source, within: TopicPartition, offset: Offset) {
        if offset < 0 {
            return;
        }
        let is_same = |bound: &&mut Bound| {
            bound.at.topic_partition() == within
                && bound.projection.as_deref() == Some(source.name())
        };
        match self.0.iter_mut().find(is_same) {
            Some(bound) => bound.at.offset = bound.at.offset.max(offset),
            None => self
                .0
                .push(Bound { at: within.at(offset), projection: Some(source.name().to_owned()) }),
        }
    }
}

/// Turns tokens into waits, and what was read into tokens.
pub(crate) struct Consistency {
    identity: LogIdentity,
    partitions: i32,
    progress: Progress,
}

impl Consistency {
    pub(crate) fn new(log: &dyn Log, progress: Progress) -> Self {
        Self { identity: log.identity(), partitions: log.partitions(Topic::Posts), progress }
    }

    /// Which log the tables are made from.
    pub(crate) const fn identity(&self) -> &LogIdentity {
        &self.identity
    }

    /// The partition that a post's events are in.
    pub(crate) fn partition_of(&self, post_id: &str) -> TopicPartition {
        posts_partition(partition_of(post_id.as_bytes(), self.partitions))
    }

    /// Every partition that posts' events are in.
    pub(crate) fn partitions(&self) -> impl Iterator<Item = TopicPartition> + use<> {
        (0..self.partitions).map(posts_partition)
    }

    /// Whether posts' events can be in a partition. What a client sends is held against this, as
    /// memory is kept for every partition that is asked about.
    pub(crate) fn has(&self, within: TopicPartition) -> bool {
        within.topic == Topic::Posts && (0..self.partitions).contains(&within.partition)
    }

    /// How far a projection is in a partition; −1: nothing is known. What is read after this call
    /// lacks nothing up to there.
    pub(crate) fn frontier(&self, source: Source, of: TopicPartition) -> Offset {
        self.progress.frontier(source.name(), of)
    }

    /// The build of a projection that is read.
    pub(crate) fn build(&self, source: Source) -> Build {
        self.progress.build(source.name())
    }

    /// Waits until projections have passed what a request has seen.
    pub(crate) async fn reach(
        &self,
        freshness: &Freshness,
        sources: &[Source],
    ) -> Result<Floor, Problem> {
        let Some(token) = &freshness.token else {
            return Ok(Floor::default());
        };
        if token.identity != self.identity {
            return Err(other_log(token, &self.identity));
        }
        let needs = self.needs(token, sources)?;
        // Boxed, as most requests do not wait and need not carry its state.
        match Box::pin(self.progress.wait(&needs, Instant::now() + freshness.wait)).await {
            Waited::Passed => Ok(Floor(needs)),
            Waited::Behind { projection, topic_partition, frontier } => {
                Err(behind(projection, topic_partition, frontier, freshness.wait))
            }
            Waited::Halted { projection, topic_partition, reason } => {
                Err(halted(projection, topic_partition, &reason))
            }
        }
    }

    /// What must be passed before the sources may answer: a bound that names no projection binds
    /// every one.
    fn needs(&self, token: &Token, sources: &[Source]) -> Result<Vec<Need>, Problem> {
        let mut needs = Vec::new();
        for Bound { at, projection } in &token.bounds {
            if !self.has(at.topic_partition()) {
                return Err(no_such_partition(at.topic_partition()));
            }
            let bound = sources
                .iter()
                .map(|source| source.name())
                .filter(|name| projection.as_deref().is_none_or(|bound| bound == *name));
            needs.extend(bound.map(|projection| Need {
                projection,
                topic_partition: at.topic_partition(),
                offset: at.offset,
            }));
        }
        Ok(needs)
    }

    /// Waits until a projection has passed an offset; false where the time is over, or waiting
    /// does not help.
    pub(crate) async fn passes(
        &self,
        source: Source,
        within: TopicPartition,
        offset: Offset,
        deadline: Instant,
    ) -> bool {
        let need = Need { projection: source.name(), topic_partition: within, offset };
        self.progress.wait(&[need], deadline).await == Waited::Passed
    }

    /// The value of `Consistency-Token` for an answer.
    #[expect(clippy::expect_used, reason = "base64url is visible ASCII")]
    pub(crate) fn token(&self, reflected: Reflected) -> HeaderValue {
        let token =
            Token { identity: self.identity.clone(), time: Timestamp::now(), bounds: reflected.0 };
        HeaderValue::try_from(token.seal()).expect("a header value")
    }

    /// An answer with the token of what it was made from.
    pub(crate) fn with_token(&self, mut answer: Response, reflected: Reflected) -> Response {
        answer.headers_mut().insert(CONSISTENCY_TOKEN, self.token(reflected));
        answer
    }

    /// A problem with the token of what it was found in.
    pub(crate) fn problem_with_token(&self, problem: Problem, reflected: Reflected) -> Problem {
        problem.header(CONSISTENCY_TOKEN, self.token(reflected))
    }
}

fn other_log(token: &Token, served: &LogIdentity) -> Problem {
    let detail = format!(
        "the consistency token is of the log {}, and this server reads the log {served}: drop the \
         token, as it promises nothing here",
        token.identity
    );
    Problem::new(ProblemType::LogReplaced, detail)
}

/// A partition of the topic that every projection follows.
pub(crate) const fn posts_partition(partition: i32) -> TopicPartition {
    TopicPartition { topic: Topic::Posts, partition }
}

fn no_such_partition(of: TopicPartition) -> Problem {
    let detail =
        format!("the consistency token names {of}, a partition that the log does not have");
    Problem::new(ProblemType::InvalidToken, detail)
}

fn behind(projection: &str, of: TopicPartition, frontier: Offset, waited: Duration) -> Problem {
    let detail = format!(
        "the projection {projection} is at offset {frontier} of {of}, which is before the \
         consistency token, and did not pass it in {} s; Prefer: wait=N waits up to {} s",
        waited.as_secs(),
        MAX_WAIT.as_secs()
    );
    Problem::new(ProblemType::ProjectionBehind, detail)
}

fn halted(projection: &str, of: TopicPartition, reason: &str) -> Problem {
    let detail = format!(
        "the projection {projection} is halted in {of}, before the consistency token, until an \
         operator resumes it: {reason}"
    );
    Problem::new(ProblemType::ProjectionHalted, detail)
}
