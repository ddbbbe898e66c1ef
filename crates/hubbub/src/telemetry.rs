//! What a process tells of itself: log lines, metrics and traces.

mod dead_letters;
mod json_lines;
mod metric;
mod traces;

use std::{
    io::{self, IsTerminal},
    panic,
};

use hubbub_trace::SPANS;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};

pub use dead_letters::watch_dead_letters;
pub use metric::Metrics;
pub use traces::Traces;

use crate::settings::{LogFormat, Settings};
use json_lines::JsonLines;

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
pub fn start_logging(settings: &Settings) -> anyhow::Result<()> {
    subscribe(settings, &Traces::OFF)
}

/// Sends the log too, and spans where the environment says so. Not from within a runtime.
///
/// # Errors
/// Where it was done before, or the environment says something that is not allowed.
pub fn start(settings: &Settings) -> anyhow::Result<Traces> {
    let traces = Traces::from_env(settings.role)?;
    subscribe(settings, &traces)?;
    Ok(traces)
}

fn subscribe(settings: &Settings, traces: &Traces) -> anyhow::Result<()> {
    let Settings { role, telemetry: settings, .. } = settings;
    // What the log shows has no say in what is traced.
    let spans = if traces.are_on() { LevelFilter::INFO } else { LevelFilter::OFF };
    let levels = settings.log_level.0.clone().with_target(SPANS, spans);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = if settings.log_format.is_text() {
        lines.with_ansi(io::stderr().is_terminal()).with_target(false).boxed()
    } else {
        lines.event_format(JsonLines { role: role.as_str() }).boxed()
    };
    // The filter is of the whole, not of the layer: a library that asks `enabled!` makes a
    // filtered layer lose the next line of its thread.
    tracing_subscriber::registry().with(levels).with(traces.layer()).with(lines).try_init()?;
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("without a message");
        tracing::error!(place, panic = message, "a task panicked");
    }));
    Ok(())
}
