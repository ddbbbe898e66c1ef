//! What the parts of the edge know of the request that the current task answers. It is task-local, so that a problem
//! document can name its request wherever it is made, and handlers pass nothing along.

use std::{
    cell::{OnceCell, RefCell},
    sync::Arc,
};

use axum::extract::MatchedPath;
use http::Uri;
use hubbub_trace::TraceParent;
use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use crate::{limits::ReadLimits, request_id::RequestId};

tokio::task_local! {
    /// Set by the edge around the router.
    pub(crate) static CONTEXT: Context;
}

pub(crate) struct Context {
    pub(crate) request_id: RequestId,
    /// As the client sent it, before a trailing slash is taken off.
    pub(crate) uri: Uri,
    /// When the request's first byte came.
    pub(crate) started: Instant,
    /// Where the request stands in a trace, where it has one.
    pub(crate) trace: Option<TraceParent>,
    pub(crate) limits: Arc<ReadLimits>,
    /// The template of the route that matched, once it did.
    pub(crate) route: OnceCell<MatchedPath>,
    /// The share of the body budget that this request holds until it is answered.
    pub(crate) body_memory: RefCell<Option<OwnedSemaphorePermit>>,
}

impl Context {
    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }
}

/// Where the current request stands in a trace: what it causes goes below. `None` where it is not traced.
#[must_use]
pub fn trace_parent() -> Option<TraceParent> {
    with(|context| context.trace.clone()).flatten()
}

/// What `read` sees in the current request; `None` where the task answers none.
pub(crate) fn with<R>(read: impl FnOnce(&Context) -> R) -> Option<R> {
    CONTEXT.try_with(read).ok()
}
