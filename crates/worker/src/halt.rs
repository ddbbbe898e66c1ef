//! Why a partition stands still until somebody looks.

use std::fmt;

use hubbub_events::Offset;

/// A partition's halt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halt {
    /// Why, as a word for metrics and readiness.
    pub reason: HaltReason,
    /// The record that it stands before.
    pub at: Offset,
    /// Why, as a sentence.
    pub detail: String,
}

/// The reasons for a halt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HaltReason {
    /// The event was written by a newer build: upgrade this worker.
    NewerEvent,
    /// What lies at the offset cannot be read.
    Unreadable,
    /// The fold panicked while it judged: a defect of this build.
    Panic,
    /// The store refused for good.
    Store,
    /// Too many dead letters among the last records.
    DeadLetterRatio,
    /// The process died of the record, again and again.
    Crash,
}

/// As in problem details, logs and readiness: `newer-event`.
impl fmt::Display for HaltReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NewerEvent => "newer-event",
            Self::Unreadable => "unreadable",
            Self::Panic => "panic",
            Self::Store => "store",
            Self::DeadLetterRatio => "dead-letter-ratio",
            Self::Crash => "crash",
        })
    }
}
