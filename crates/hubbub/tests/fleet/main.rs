//! Fleets under fire: workers come and go, orderly and not, and servers are killed, frozen, emptied
//! and cut off, while posts, edits,
//! likes and deletes come in. Nothing acknowledged is lost, nothing is counted twice, and once all is back no lag is left
//! within 30 seconds, with nothing restarted by hand.
//!
//! A server is away for some seconds; `make chaos` has it away for a minute.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

mod apis;
mod broker;
mod builds;
mod cache;
mod judge;
mod killing;
mod network;
mod poison;
mod rolling;
mod scaling;
mod soak;
mod tables;
mod versions;
mod world;
