//! How long the operations of a store take.

use std::time::Instant;

use hubbub_trace::SPANS;
use tracing::Span;

/// Records how long an operation took, also one that failed or was dropped, as a measurement
/// and as a span.
pub(crate) struct Timer {
    operation: &'static str,
    table: &'static str,
    started: Instant,
    /// Ends with this.
    _span: Span,
}

impl Timer {
    /// Starts at an operation on a table.
    pub(crate) fn start(operation: &'static str, table: &'static str) -> Self {
        let span = tracing::info_span!(
            target: SPANS,
            "store",
            otel.name = format!("{operation} {table}"),
            otel.kind = "client",
            db.operation.name = operation,
            db.collection.name = table,
        );
        Self { operation, table, started: Instant::now(), _span: span }
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
