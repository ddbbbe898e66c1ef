//! The HTTP edge that every port of hubbub shares: the accept loop with its limits and its drain, problem documents,
//! request ids, strict readers of bodies, queries, paths and preferences, sealed strings for cursors and tokens, the
//! access log and the latency histogram.
//!
//! A port is a [`Server`] that serves an [`Edge`], which is an axum router in its common dress:
//!
//! ```no_run
//! # async fn example(settings: hubbub_web::HttpSettings) -> Result<(), hubbub_web::BindError> {
//! use axum::{Router, routing::post};
//! use hubbub_web::{Drain, Edge, Json, Problem, Server};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct NewPost {
//!     content: String,
//! }
//!
//! async fn create(Json(post): Json<NewPost>) -> Result<String, Problem> {
//!     Ok(post.content)
//! }
//!
//! let edge = Edge::new(Router::new().route("/posts", post(create)), &settings);
//! let server = Server::bind(&settings)?;
//! let stop = tokio_util::sync::CancellationToken::new();
//! let finish = std::time::Duration::from_secs(15);
//! server.serve(edge, Drain { stop, finish }).await;
//! # Ok(())
//! # }
//! ```
//!
//! This crate must not know a log or a store, nor what a post is: the APIs bring their types to its generic readers. Of
//! hubbub it imports only what the strings and problems that both APIs share are made of: positions in the log (tokens,
//! receipts) and the reasons of rejected events.
//!
//! One error has no problem document: what hyper cannot parse behind pipelined requests, as long as their responses are
//! not written, is answered by hyper's own bare status.

mod access;
mod body;
mod context;
mod edge;
mod json;
mod json_fault;
mod limits;
mod media_type;
mod opaque;
mod pace;
mod path;
mod prefer;
mod problem;
mod problem_type;
mod query;
mod receipt;
mod refusal;
mod rejection;
mod request_id;
mod serve;
mod settings;
mod socket;
mod token;
mod trace;

pub use body::read_body;
pub use context::trace_parent;
pub use edge::Edge;
pub use json::{Json, parse_json, read_json};
pub use media_type::media_type;
pub use opaque::{OpaqueError, open, open_value, seal, seal_value};
pub use path::Path;
pub use prefer::{MAX_WAIT, Prefer, preference_applied};
pub use problem::{FieldError, Problem};
pub use problem_type::ProblemType;
pub use query::{NoQuery, Query};
pub use receipt::ReceiptId;
pub use rejection::{dead_letter, rejection};
pub use request_id::RequestId;
pub use serve::{BindError, Drain, Server};
pub use settings::{HttpSettings, Origin, OriginError};
pub use token::{Bound, MAX_TOKENS, TOKEN_HEADER, Token, from_headers};
