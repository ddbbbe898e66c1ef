//! What a process tells of itself: log lines and metrics.

mod json_lines;
mod metric;

use std::{
    io::{self, IsTerminal},
    panic,
};

use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

pub use metric::Metrics;

use crate::settings::{LogFormat, TelemetrySettings};
use json_lines::JsonLines;

/// The part that a process plays; `all` until there are others.
pub const ROLE: &str = "all";

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

impl LogFormat {
    /// Whether lines are for people.
    #[must_use]
    pub fn is_text(self) -> bool {
        match self {
            Self::Auto => io::stderr().is_terminal(),
            Self::Text => true,
            Self::Json => false,
        }
    }
}

/// Sends the process's log, panics included, to standard error. Once for a process.
///
/// # Errors
/// Where it was done before.
pub fn start_logging(settings: &TelemetrySettings) -> anyhow::Result<()> {
    let levels = settings.log_level.0.clone();
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = if settings.log_format.is_text() {
        lines.with_ansi(io::stderr().is_terminal()).with_target(false).boxed()
    } else {
        lines.event_format(JsonLines).boxed()
    };
    tracing_subscriber::registry().with(lines.with_filter(levels)).try_init()?;
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("without a message");
        tracing::error!(place, panic = message, "a task panicked");
    }));
    Ok(())
}
