//! The store on a real Cassandra: it does what every store must do, and what only this
//! one does.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod conformance;
mod keyspace;
mod proxy;
mod requests;
mod schema;
mod security;
