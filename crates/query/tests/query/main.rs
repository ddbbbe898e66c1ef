//! The read API by its routes, over a real store whose tables the tests write.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

mod absences;
mod analyses;
mod builds;
mod lists;
mod posts;
mod probe;
mod receipts;
mod redis;
mod tokens;
mod world;
