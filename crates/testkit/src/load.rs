//! Clients that write whatever is killed meanwhile, remember what they said and what they were told, and the check of
//! all that can be read afterwards.

mod check;
mod door;
mod history;
mod pump;
mod report;
mod writer;

pub use check::Reader;
pub use door::Door;
pub use history::{Action, History, Live, Post, Said, Text};
pub use pump::Pump;
pub use report::report;
pub use writer::{Told, Writer, tell};
