//! The write API: requests become events, and an answer is given when the log has them.
//!
//! | module | holds |
//! |---|---|
//! | `create`, `batch`, `batch_body`, `change` | the routes: from a request to checked events |
//! | `fields`, `actor`, `idempotency`, `precondition`, `no_body` | what a request may say |
//! | `event` | from what was said to a record of the log |
//! | `accept`, `refusal` | appending, tokens, answers |
//! | `wait` | for `Prefer: wait=N` alone: what became of an event |
//!
//! Whether an event is allowed is not decided here: that follows from the log's order, and only a fold sees it. So this
//! crate must not know a projection, and asks the tables nothing but receipts. A handler's future can be dropped at any
//! await: nothing is appended before its request is read and checked whole, and all of it is enqueued at once.

mod accept;
mod actor;
mod batch;
mod batch_body;
mod change;
mod create;
mod event;
mod fields;
mod idempotency;
mod no_body;
mod precondition;
mod refusal;
mod routes;
mod settings;
mod wait;

use std::sync::{Arc, RwLock};

use hubbub_store::{Progress, Rows};
use hubbub_stream::Log;
use hubbub_tables::Receipts;

pub use routes::router;
pub use settings::IngestSettings;

/// What the write API works with.
#[derive(Clone)]
pub struct Ingest {
    /// Where events go.
    pub log: Arc<dyn Log>,
    /// What became of them; read for writes that wait, and there once the store is.
    pub receipts: Arc<RwLock<Option<Arc<dyn Rows<Receipts>>>>>,
    /// How far the projections are; asked for writes that wait.
    pub progress: Progress,
    /// What an operator has set.
    pub settings: IngestSettings,
}
