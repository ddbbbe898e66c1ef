//! The cache in Redis, on a real one: what it serves, what it never puts in the place of
//! what, and that whatever happens to Redis is a miss and no more.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod faults;
mod fencing;
mod oddities;
mod refreshing;
mod security;
mod serving;
mod support;
