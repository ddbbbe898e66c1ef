//! The log in Apache Kafka, on a real one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

mod conformance;
mod contract;
mod faults;
mod groups;
mod security;
mod support;
mod topics;
