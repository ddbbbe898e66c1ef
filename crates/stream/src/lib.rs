//! The event log: records are appended to the partitions of topics, and consumed
//! from them in order.
//!
//! [`Log`] is the port, [`from_config`] opens the implementation that the settings
//! name. This crate carries bytes; it knows neither what an event means nor what a
//! projection is.

pub mod data_folder;
pub mod kafka;
pub mod port;
pub mod segments;
pub mod settings;
mod sync;

pub use data_folder::{DataFolder, DataFolderError};
pub use kafka::{KafkaLog, KafkaSettings};
pub use port::{AppendError, Consumer, Error, Headers, Log, NewRecord, Polled, Record};
pub use settings::{LogSettings, from_config};
