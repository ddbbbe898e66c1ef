//! How long the operations of a store take.

use std::time::Instant;

/// Records how long an operation took, also one that failed or was dropped.
pub(crate) struct Timer {
    operation: &'static str,
    table: &'static str,
    started: Instant,
}

impl Timer {
    /// Starts at an operation on a table.
    pub(crate) fn start(operation: &'static str, table: &'static str) -> Self {
        Self { operation, table, started: Instant::now() }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        metrics::histogram!(
            "hubbub_store_duration_seconds",
            "operation" => self.operation,
            "table" => self.table
        )
        .record(self.started.elapsed());
    }
}
