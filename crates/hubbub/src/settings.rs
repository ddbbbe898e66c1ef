//! The settings of a process: the defaults of `hubbub.toml`, what a file, the
//! environment and flags say otherwise, and what is wrong with it.

mod engines;
mod fault;
mod layers;
mod projection;
mod role;

use std::{ffi::OsString, path::PathBuf, str::FromStr, time::Duration};

use hubbub_ingest::IngestSettings;
use hubbub_query::QuerySettings;
use hubbub_store::{CassandraSettings, EmbeddedSettings, RedisSettings};
use hubbub_stream::{KafkaSettings, segments::SegmentsSettings};
use hubbub_web::HttpSettings;
use serde::Deserialize;
use tracing_subscriber::filter::{LevelFilter, Targets};

pub use engines::{CacheKind, CacheSection, LogKind, LogSection, StoreKind, StoreSection};
pub use fault::{Fault, Origin, SettingsError};
pub use layers::Layers;
pub use projection::{ProjectionName, WorkerSection};
pub use role::Role;

/// The defaults, as they are documented.
pub const DEFAULTS: &str = include_str!("../hubbub.toml");

/// Everything that an operator may set, with a value for all of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// What the process does; not a setting, but what it was started as.
    #[serde(skip)]
    pub role: Role,
    /// The port of the API.
    pub http: HttpSettings,
    /// The port for operators.
    pub operations: HttpSettings,
    /// Where the files are.
    pub data: DataSettings,
    /// Which event log.
    pub log: LogSection,
    /// The log in segment files.
    pub segments: SegmentsSettings,
    /// The log in Apache Kafka.
    pub kafka: KafkaSettings,
    /// Which store keeps the tables.
    pub store: StoreSection,
    /// The tables in this process.
    pub embedded: EmbeddedSettings,
    /// The tables in Apache Cassandra.
    pub cassandra: CassandraSettings,
    /// Which cache readers share.
    pub cache: CacheSection,
    /// The cache in Redis.
    pub redis: RedisSettings,
    /// The write API.
    pub ingest: IngestSettings,
    /// The read API.
    pub query: QuerySettings,
    /// The projections.
    pub worker: WorkerSection,
    /// How the process ends.
    pub shutdown: ShutdownSettings,
    /// What it tells of itself.
    pub telemetry: TelemetrySettings,
}

/// Where an embedded log and store keep their files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSettings {
    /// The folder, which one process has at a time.
    pub path: PathBuf,
}

/// What the process does on SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShutdownSettings {
    /// How long it still serves after it says that it is not ready.
    #[serde(with = "humantime_serde")]
    pub unready_wait: Duration,
    /// How long what is in flight may take after that.
    #[serde(with = "humantime_serde")]
    pub finish_timeout: Duration,
}

impl ShutdownSettings {
    /// For a process that a person waits for, or that cannot go on.
    pub const AT_ONCE: Self =
        Self { unready_wait: Duration::ZERO, finish_timeout: Duration::from_secs(4) };
}

/// What a process tells of itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TelemetrySettings {
    /// What is logged.
    pub log_level: LogLevel,
    /// How it is written.
    pub log_format: LogFormat,
}

/// A level for hubbub, and others for parts: `info,hubbub_web=debug`. Of what the
/// libraries below it have to say, no more than warnings, unless they are named.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct LogLevel(pub Targets);

/// What the names of all crates of hubbub begin with.
const OURS: &str = "hubbub";

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Where settings are read from, beside the defaults.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The value of `--config`.
    pub file: Option<PathBuf>,
    /// The process's environment.
    pub variables: Vec<(OsString, OsString)>,
    /// The value of `--data`.
    pub data: Option<PathBuf>,
    /// The value of `--projections`.
    pub projections: Option<Vec<ProjectionName>>,
    /// What the process is to be: the defaults of its ports are the role's own.
    pub role: Role,
}

impl Settings {
    /// Reads the settings and checks them.
    ///
    /// # Errors
    /// All that is wrong at once, each with its name, origin, value and what is allowed.
    pub fn load(sources: &Sources) -> Result<Self, SettingsError> {
        Layers::read(sources)?.settings()
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
        let refused = || {
            format!(
                "{text:?} is no log level: {}, and for a part of hubbub `part=level`, are allowed, \
                 separated by commas",
                LEVELS.join(", ")
            )
        };
        // Alone, `Targets` would take a misspelt level for the name of a part.
        let are_levels = text.split(',').all(|directive| {
            let level = directive.rsplit('=').next().unwrap_or_default();
            LEVELS.contains(&level.trim().to_ascii_lowercase().as_str())
        });
        let targets: Targets = text.parse().ok().filter(|_| are_levels).ok_or_else(refused)?;
        let Some(level) = targets.default_level() else {
            return Ok(Self(targets));
        };
        let has_own = targets.iter().any(|(part, _)| part == OURS);
        let targets = targets.with_default(level.min(LevelFilter::WARN));
        Ok(Self(if has_own { targets } else { targets.with_target(OURS, level) }))
    }
}

impl TryFrom<String> for LogLevel {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
