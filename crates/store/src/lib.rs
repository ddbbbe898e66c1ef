//! Keeps the tables of the read model, and caches in front of them.
//!
//! [`Store`] opens a typed handle, [`Rows`], on any declared table; no backend knows
//! what a table means. An older write never hides a newer one: see [`Rows::apply`].
//! [`Engine`] is the store that the settings name, [`MemoryCache`] and [`RedisCache`] spare
//! it repeated reads, [`Watched`] tells caches of writes, and [`Progress`] tells readers how
//! far the projections are.

mod builds;
pub mod cache;
pub mod cassandra;
pub mod embedded;
mod engine;
mod frontiers;
pub mod port;
mod progress;
mod settings;
mod timing;
mod tls;
mod watched;

pub use builds::{load_builds, store_builds, store_first_builds};
pub use cache::{
    Cached, MemoryCache, Partitions, RedisCache, RedisSettings, Snapshot, Wanted, read_both,
};
pub use cassandra::{CassandraSettings, CassandraStore};
pub use embedded::EmbeddedStore;
pub use engine::Engine;
pub use frontiers::{Frontiers, frontiers_table, load_frontiers};
pub use port::{Error, Rows, Store};
pub use progress::{Need, Progress, Waited};
pub use settings::{EmbeddedSettings, MemoryCacheSettings, StoreSettings};
pub use tls::TlsSettings;
pub use watched::{Watched, Watcher};
