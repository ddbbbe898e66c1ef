//! The production runner over simulated ports, under a paused clock.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod builds;
mod crashes;
mod dead_letters;
mod folding;
mod fragile;
mod groups;
mod halts;
mod mended;
mod overtaken;
mod refreshes;
mod retries;
mod stories;
mod support;
mod verifying;
