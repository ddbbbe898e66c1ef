//! What is answered often: posts and analyses, kept for a moment in the form in which they leave.

use std::sync::Arc;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderValue, header};
use hubbub_events::{Offset, TopicPartition};
use hubbub_store::{Cached, Error};
use hubbub_web::Problem;

use crate::{
    api::Api,
    consistency::{CONSISTENCY_TOKEN, Source},
    problems::{analysis_failed, post_deleted, store_problem},
};

/// An answer about something that was found, with the token of what it was made from.
pub(crate) struct Prepared {
    pub(crate) finding: Finding,
    pub(crate) token: HeaderValue,
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
    /// What it holds, in bytes.
    pub(crate) fn weight(&self) -> usize {
        let json = match &self.finding {
            Finding::Shown { json, .. } => json.len(),
            Finding::Deleted | Finding::Failed => 0,
        };
        size_of::<Self>() + self.token.len() + json
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
    /// What it is called in the cache.
    pub(crate) key: String,
    /// The projection that brings it about, and where.
    pub(crate) source: Source,
    pub(crate) within: TopicPartition,
    /// No older answer will do.
    pub(crate) floor: Offset,
    /// Reads it from the store.
    pub(crate) load: Load,
}

/// Reads something of a post and prepares its answer.
pub(crate) type Load = fn(Arc<Api>, String, TopicPartition) -> BoxFuture<'static, Loaded>;
pub(crate) type Loaded = Result<Option<Cached<Arc<Prepared>>>, Error>;

impl Api {
    /// Looks something up in the cache, then in the store; again for a while where it is absent.
    pub(crate) async fn look_up(self: &Arc<Self>, what: LookUp<'_>) -> Result<Found, Problem> {
        let LookUp { source, within, load, .. } = what;
        let mut patience = self.absent.begin(source, within);
        loop {
            let as_of = self.consistency.frontier(source, within);
            let (api, post_id) = (Arc::clone(self), what.post_id.to_owned());
            // Made when it is polled: a request that the cache serves does not carry its state.
            let load = async move { load(api, post_id, within).await };
            // With a floor, be it −1, an absence is never that of an earlier request's load.
            let found = self.cache.get_or_load(&what.key, Some(what.floor), load).await;
            if let Some(found) = found.map_err(store_problem)? {
                return Ok(Found::Prepared(found.value));
            }
            if !Box::pin(patience.lasts_until(&self.consistency, as_of + 1)).await {
                return Ok(Found::AbsentAsOf(as_of));
            }
        }
    }
}
