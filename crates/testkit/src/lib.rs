//! The tests' own: conformance suites that any implementation of a port must pass, a log in memory,
//! and what end-to-end suites are made of: a client of the HTTP contract, and real processes.

pub mod answer;
pub mod authority;
pub mod client;
pub mod collector;
pub mod counters;
pub mod faulty_disk;
pub mod fleet;
pub mod load;
pub mod log_conformance;
pub mod memory_log;
pub mod memory_store;
pub mod model;
pub mod nginx;
pub mod operations;
pub mod process;
pub mod proxy;
pub mod server;
pub mod small_disk;
pub mod stack;
pub mod stale_cache;
pub mod store_conformance;
pub mod story;
