//! The read API: posts, their analyses, likes and histories, what an author wrote, and what became
//! of an event.
//!
//! Every answer comes from tables that projections made; an answer says by a consistency token how
//! far they were, and a request may ask by tokens that they be further. This crate knows the tables
//! and their keys. It must not know how they are made (the folds), how they are kept (the store's
//! engine) or how an event gets into the log (the write API).

mod absent;
mod analysis;
mod api;
mod author;
mod cached;
mod consistency;
mod events;
mod json;
mod likes;
mod page;
mod post;
mod problems;
mod receipts;
mod settings;

pub use api::{Query, Reader, router};
pub use cached::{Answers, Kept};
pub use settings::QuerySettings;
