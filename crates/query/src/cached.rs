//! What is answered often: posts and analyses, kept for a moment in the form in which they leave.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, header};
use hubbub_events::{Offset, Stamp, TopicPartition};
use hubbub_store::{Cached, Error, MemoryCache, MemoryCacheSettings, Watcher};
use hubbub_tables::{Build, Change, Key, Part, PostAnalysis, PostLikes, Posts, Table};
use hubbub_web::Problem;

use crate::{
    api::Api,
    consistency::{CONSISTENCY_TOKEN, Floor, Reflected, Source},
    problems::{analysis_failed, post_deleted, store_problem},
};

/// Answers that were prepared shortly before, in this process. Clones are of the same.
///
/// Where the projections run in the same process it watches their store: what they write is
/// dropped from it, so that whoever has seen a write acknowledged by its projection reads it, token
/// or not.
#[derive(Clone)]
pub struct Answers(MemoryCache<Arc<Prepared>>);

impl Answers {
    /// None yet.
    #[must_use]
    pub fn new(settings: &MemoryCacheSettings) -> Self {
        Self(MemoryCache::new(settings, |it| it.weight(), |it, old| it.replaces(old)))
    }

    /// What is kept of a post: its answer, and that about its analysis.
    #[must_use]
    pub fn kept_of(&self, post_id: &str) -> Vec<Kept> {
        let kinds = [(Kind::Post, "post"), (Kind::Analysis, "analysis")];
        let kept = kinds.into_iter().flat_map(|(kind, answer)| {
            let found = self.0.peek(&kind.key(post_id));
            let parts = found.into_iter().flat_map(|(prepared, age)| {
                let parts = prepared.parts.iter().map(|part| Kept {
                    answer,
                    projection: part.source.name(),
                    reflects: part.stamp.offset(),
                    as_of: part.as_of,
                    age,
                });
                parts.collect::<Vec<_>>()
            });
            parts.collect::<Vec<_>>()
        });
        kept.collect()
    }

    /// Drops all of them.
    pub(crate) fn forget_all(&self) {
        self.0.forget_all();
    }
}

/// A part of an answer that is kept in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// What is answered with it.
    pub answer: &'static str,
    /// The projection that the part is of.
    pub projection: &'static str,
    /// The offset of the last event in it; −1: none.
    pub reflects: Offset,
    /// It lacks nothing up to there.
    pub as_of: Offset,
    /// For how long it has been kept.
    pub age: Duration,
}

impl Watcher for Answers {
    /// The keys of what is to be dropped.
    type Note = Vec<String>;

    fn note<T: Table>(&self, _: Build, changes: &[Change<T>]) -> Vec<String> {
        let Some(kind) = Kind::made_from(T::NAME) else {
            return Vec::new();
        };
        let keys = changes.iter().filter_map(|change| match change.partition.parts().first() {
            Some(Part::Text(post_id)) => Some(kind.key(post_id)),
            _ => None,
        });
        keys.collect()
    }

    fn written(&self, keys: Vec<String>) {
        self.0.forget(keys);
    }
}

/// What of a post is answered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Post,
    Analysis,
}

impl Kind {
    /// What is made from a table.
    fn made_from(table: &str) -> Option<Self> {
        match table {
            Posts::NAME | PostLikes::NAME => Some(Self::Post),
            PostAnalysis::NAME => Some(Self::Analysis),
            _ => None,
        }
    }

    /// What it is called in the cache.
    fn key(self, post_id: &str) -> String {
        match self {
            Self::Post => format!("post/{post_id}"),
            Self::Analysis => format!("analysis/{post_id}"),
        }
    }
}

/// An answer about something that was found, with the token of what it was made from.
pub(crate) struct Prepared {
    pub(crate) finding: Finding,
    pub(crate) token: HeaderValue,
    parts: Vec<Reading>,
}

/// What a read of one projection's table reflects.
pub(crate) struct Reading {
    source: Source,
    /// The lowest of all where nothing was found.
    stamp: Stamp,
    as_of: Offset,
}

impl Reading {
    /// That of what was read after the projection was known to be at `frontier`.
    pub(crate) fn of<V>(source: Source, read: Option<&Cached<V>>, frontier: Offset) -> Self {
        match read {
            None => Self { source, stamp: Stamp::default(), as_of: frontier },
            Some(read) => Self { source, stamp: read.stamp, as_of: read.as_of },
        }
    }
}

/// What was found.
pub(crate) enum Finding {
    /// Something to show, in JSON; with its version where it has one.
    Shown { json: Bytes, etag: Option<HeaderValue> },
    /// A deleted post.
    Deleted,
    /// A post that could not be analyzed.
    Failed,
}

impl Prepared {
    /// The answer about something in a partition of the log, made from these reads.
    pub(crate) fn new(
        api: &Api,
        within: TopicPartition,
        finding: Finding,
        parts: Vec<Reading>,
    ) -> Self {
        let mut reflected = Reflected::default();
        for Reading { source, stamp, as_of } in &parts {
            reflected.frontier(*source, within, *as_of);
            reflected.row(*source, within, *stamp);
        }
        Self { finding, token: api.consistency.token(reflected), parts }
    }

    /// What it holds, in bytes.
    fn weight(&self) -> usize {
        let json = match &self.finding {
            Finding::Shown { json, .. } => json.len(),
            Finding::Deleted | Finding::Failed => 0,
        };
        size_of::<Self>() + self.parts.len() * size_of::<Reading>() + self.token.len() + json
    }

    /// Whether it may take the place of another one of the same thing: no part of it is older. At
    /// an equal rank both say the same, and this one was read later.
    fn replaces(&self, old: &Self) -> bool {
        let mut pairs = self.parts.iter().zip(&old.parts);
        pairs.all(|(new, old)| (new.stamp, new.as_of) >= (old.stamp, old.as_of))
    }

    /// Whether a reader who must see everything up to a floor may be given this.
    fn serves(&self, floor: &Floor, within: TopicPartition) -> bool {
        self.parts.iter().all(|part| part.as_of >= floor.of(part.source, within))
    }

    /// The answer to a request for it.
    pub(crate) fn answer(&self, post_id: &str) -> Result<Response, Problem> {
        let problem = match &self.finding {
            Finding::Shown { json, etag } => return Ok(self.show(json, etag.as_ref())),
            Finding::Deleted => post_deleted(post_id),
            Finding::Failed => analysis_failed(post_id),
        };
        Err(problem.header(CONSISTENCY_TOKEN, self.token.clone()))
    }

    fn show(&self, json: &Bytes, etag: Option<&HeaderValue>) -> Response {
        let mut response = Response::new(Body::from(json.clone()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CONSISTENCY_TOKEN, self.token.clone());
        if let Some(etag) = etag {
            headers.insert(header::ETAG, etag.clone());
        }
        response
    }
}

/// How a look-up ended.
pub(crate) enum Found {
    Prepared(Arc<Prepared>),
    /// Nothing is there, as far as the projection was by then.
    AbsentAsOf(Offset),
}

/// What of a post to look up.
pub(crate) struct LookUp<'a> {
    /// The post's id.
    pub(crate) post_id: &'a str,
    pub(crate) kind: Kind,
    /// The projection that brings it about, and where.
    pub(crate) source: Source,
    pub(crate) within: TopicPartition,
    /// No older answer will do.
    pub(crate) floor: Floor,
    /// Reads it from the store, or from what readers share.
    pub(crate) load: Load,
}

/// Reads something of a post, no older than a floor, and prepares its answer.
pub(crate) type Load = fn(Arc<Api>, String, TopicPartition, Floor) -> BoxFuture<'static, Loaded>;
pub(crate) type Loaded = Result<Option<Arc<Prepared>>, Error>;

impl Api {
    /// Looks something up in the caches, then in the store; again for a while where it is absent.
    pub(crate) async fn look_up(self: &Arc<Self>, what: LookUp<'_>) -> Result<Found, Problem> {
        let LookUp { post_id, kind, source, within, floor, load } = what;
        let mut patience = self.absent.begin(source, within);
        let key = kind.key(post_id);
        loop {
            let as_of = self.consistency.frontier(source, within);
            let (api, post_id, least) = (Arc::clone(self), post_id.to_owned(), floor.clone());
            // Made when it is polled: a request that the cache serves does not carry its state.
            let load = async move { load(api, post_id, within, least).await };
            let serves = |prepared: &Arc<Prepared>| prepared.serves(&floor, within);
            let found = self.answers.0.get_or_load(&key, serves, load).await;
            if let Some(found) = found.map_err(store_problem)? {
                return Ok(Found::Prepared(found));
            }
            if !Box::pin(patience.lasts_until(&self.consistency, as_of + 1)).await {
                return Ok(Found::AbsentAsOf(as_of));
            }
        }
    }
}
