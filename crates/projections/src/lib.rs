//! What events mean: pure folds of the log into tables, one file each.
//!
//! A fold is given the records of one log partition in order, and a [`View`] of its
//! own tables. It reads no clock, makes no random choice and does no input or output,
//! so whoever folds the same records gets the same tables. This crate knows neither
//! a log nor a store.

pub mod analysis;
mod judge;
pub mod likes;
pub mod posts;
pub mod projection;
pub mod text;
pub mod view;

pub use analysis::Analysis;
pub use likes::Likes;
pub use posts::Posts;
pub use projection::{Outcome, Projection, Tables, Visitor};
pub use view::{Interrupt, Mode, View};
