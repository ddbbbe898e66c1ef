//! What a process of a fleet does.

use std::fmt;

use super::{LogKind, ProjectionName, Settings, StoreKind};

/// What a process does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    #[default]
    AllInOne,
    /// The write API.
    Ingest,
    /// The projections.
    Worker,
    /// The read API.
    Query,
}

impl Role {
    /// Its name on the command line; none of the one that has no command.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::AllInOne => None,
            Self::Ingest => Some("ingest"),
            Self::Worker => Some("worker"),
            Self::Query => Some("query"),
        }
    }

    /// What it is called in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self.name() {
            Some(name) => name,
            None => "all",
        }
    }

    /// Whether it takes writes.
    #[must_use]
    pub const fn ingests(self) -> bool {
        matches!(self, Self::AllInOne | Self::Ingest)
    }

    /// Whether it answers reads.
    #[must_use]
    pub const fn queries(self) -> bool {
        matches!(self, Self::AllInOne | Self::Query)
    }

    /// Whether projections run in it.
    #[must_use]
    pub const fn folds(self) -> bool {
        matches!(self, Self::AllInOne | Self::Worker)
    }

    /// Where it listens unless it is told otherwise: roles side by side on one machine do
    /// not get into each other's way.
    pub(super) const fn ports(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::AllInOne => &[],
            Self::Ingest => &[("http", "127.0.0.1:8081"), ("operations", "127.0.0.1:9081")],
            Self::Query => &[("http", "127.0.0.1:8082"), ("operations", "127.0.0.1:9082")],
            Self::Worker => &[("operations", "127.0.0.1:9083")],
        }
    }

    /// Why a process of this role cannot run with these settings.
    pub(super) fn problem(self, settings: &Settings) -> Option<String> {
        let Some(name) = self.name() else {
            let shares_the_log_alone =
                settings.log.kind == LogKind::Kafka && settings.store.kind == StoreKind::Embedded;
            return shares_the_log_alone.then(|| {
                "log.kind is \"kafka\", whose partitions processes share out, and store.kind is \
                 \"embedded\", where each would see its own alone: with \"kafka\" \"cassandra\" is \
                 allowed"
                    .to_owned()
            });
        };
        if settings.log.kind == LogKind::Segments {
            return Some(format!(
                "`hubbub {name}` shares the event log with other processes, and log.kind is \
                 \"segments\", which is one process's own: \"kafka\" is allowed"
            ));
        }
        if settings.store.kind == StoreKind::Embedded {
            return Some(format!(
                "`hubbub {name}` shares the tables with other processes, and store.kind is \
                 \"embedded\", which is one process's own: \"cassandra\" is allowed"
            ));
        }
        let is_idle = self == Self::Worker && settings.worker.projections.is_empty();
        is_idle.then(|| {
            let all = ProjectionName::ALL.map(ProjectionName::as_str).join(", ");
            format!("worker.projections is empty: `hubbub worker` runs some of {all}")
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
