//! What a script may do to an operation of a simulated store.

use std::time::Duration;

/// Says what becomes of a process's operations, one after the other.
pub type Script = Box<dyn Fn(&Operation) -> Fate + Send + Sync>;

/// An operation that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Counts the operations of its process from 0.
    pub number: u64,
    /// What it does.
    pub kind: Kind,
    /// The name of its table.
    pub table: &'static str,
    /// How many keys it asks for, or changes it applies.
    pub items: usize,
}

/// The operations of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Reads heads.
    Heads,
    /// Reads rows.
    Rows,
    /// Reads a partition's rows in their order.
    Scan,
    /// Reads the keys of partitions.
    Partitions,
    /// Writes.
    Apply,
}

/// What becomes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// How long it is on its way to the store.
    pub before: Duration,
    /// How long the store takes from one change of an apply to the next.
    pub between: Duration,
    /// How long its answer is on the way back.
    pub after: Duration,
    /// Which changes of an apply take effect: the one at an index does where that bit,
    /// modulo 64, is set.
    pub applied: u64,
    /// What its process is told.
    pub answer: Answer,
}

/// What a process is told of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It was done.
    Done,
    /// A transient error.
    Transient,
    /// A permanent error.
    Permanent,
    /// Nothing, ever: for the process it is the end.
    Never,
}

impl Fate {
    /// Done as asked for, at once.
    #[must_use]
    pub const fn done() -> Self {
        Self {
            before: Duration::ZERO,
            between: Duration::ZERO,
            after: Duration::ZERO,
            applied: u64::MAX,
            answer: Answer::Done,
        }
    }

    /// A time-out before anything was done.
    #[must_use]
    pub const fn transient() -> Self {
        Self { applied: 0, answer: Answer::Transient, ..Self::done() }
    }

    /// A refusal for good.
    #[must_use]
    pub const fn permanent() -> Self {
        Self { applied: 0, answer: Answer::Permanent, ..Self::done() }
    }

    /// The process dies before anything was done.
    #[must_use]
    pub const fn death() -> Self {
        Self { applied: 0, answer: Answer::Never, ..Self::done() }
    }

    /// The same, with these of the changes applied.
    #[must_use]
    pub const fn applying(self, applied: u64) -> Self {
        Self { applied, ..self }
    }

    /// The same, this much later.
    #[must_use]
    pub const fn late(self, before: Duration) -> Self {
        Self { before, ..self }
    }

    pub(super) const fn applies(&self, index: usize) -> bool {
        self.applied >> (index % 64) & 1 == 1
    }
}
