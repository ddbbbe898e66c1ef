//! The production runner in a simulated world: every seed is a story, some workers, and
//! what becomes of each; the same seed is the same run, step by step.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broken;
mod judge;
mod plan;
mod process;
mod seeds;
mod truth;
mod world;
