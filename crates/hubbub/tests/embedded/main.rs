//! One process of everything under fire: killed, with a disk that fills up, and with a log that is torn and damaged, while
//! posts, edits, likes and deletes come in. What was acknowledged is there, what was refused is not, and nothing is
//! counted twice.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

mod damage;
mod hub;
mod killing;
mod room;
