//! What events mean: each fold's rules, and the view that folds work on.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod analysis;
mod likes;
mod posts;
mod support;
mod view;
