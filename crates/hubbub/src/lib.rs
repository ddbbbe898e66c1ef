//! hubbub as a process: its command line, its settings, and the wiring of its parts.
//!
//! [`Services::spawn`] is the only place that knows all of them; whatever the process
//! does lies in the crates below this one. This crate must not know how an event is
//! stored, folded or answered.

mod apis;
pub mod cli;
pub mod client;
pub mod demo;
mod disk_watch;
pub mod fleet;
mod open_files;
pub mod operations;
pub mod process;
pub mod reading;
pub mod services;
pub mod settings;
mod spawner;
pub mod telemetry;

pub use services::{Services, StartError};
pub use settings::{Settings, SettingsError, Sources};
