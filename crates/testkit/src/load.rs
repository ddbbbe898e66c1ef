//! Clients that write whatever is killed meanwhile, remember what they said and what they were told, and the check of
//! all that can be read afterwards.

mod check;
mod clients;
mod door;
mod history;
mod judge;
mod listing;
mod pump;
mod tell;
#[cfg(test)]
mod tests;
mod violation;
mod writer;

pub use check::{ANALYZER, Reader};
pub use clients::{HEALED, Load, Spoken, Total, outage};
pub use door::Door;
pub use history::{Action, Event, History, Live, Post, Said, Text};
pub use pump::Pump;
pub use tell::{Told, tell};
pub use violation::{Invariant, Subject, Violation};
pub use writer::Writer;
