//! Which projections run, and how.

use std::collections::BTreeSet;

use hubbub_projections::{Analysis, Likes, Posts, Projection};
use hubbub_worker::WorkerSettings;
use serde::Deserialize;

/// A projection, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProjectionName {
    /// Posts, their events, receipts.
    Posts,
    /// Words and lengths.
    Analysis,
    /// Who likes what.
    Likes,
}

impl ProjectionName {
    /// Every projection of this build.
    pub const ALL: [Self; 3] = [Self::Posts, Self::Analysis, Self::Likes];

    /// The name in settings, frontiers and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Posts => Posts::NAME,
            Self::Analysis => Analysis::NAME,
            Self::Likes => Likes::NAME,
        }
    }
}

/// `[worker]`: which projections run, beside the worker's own settings.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "toml::Table")]
pub struct WorkerSection {
    /// Those that run in this process.
    pub projections: BTreeSet<ProjectionName>,
    /// How each of them runs.
    pub runner: WorkerSettings,
}

/// By hand, as serde's `flatten` would let unknown keys pass.
impl TryFrom<toml::Table> for WorkerSection {
    type Error = String;

    fn try_from(mut section: toml::Table) -> Result<Self, String> {
        let told = |error: toml::de::Error| error.message().to_owned();
        let projections = section.remove("projections").ok_or("missing field `projections`")?;
        Ok(Self {
            projections: projections.try_into().map_err(told)?,
            runner: section.try_into().map_err(told)?,
        })
    }
}
