//! Which projections run, and how.

use std::collections::BTreeSet;

use hubbub_events::Topic;
use hubbub_projections::{Analysis, Likes, Posts, Projection};
use hubbub_worker::{BuildSpec, WorkerSettings};
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

    /// The projection of this name.
    ///
    /// # Errors
    /// Where there is none.
    pub fn find(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|known| known.as_str() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("there is no projection {name:?}: {known} are allowed")
        })
    }

    /// The topic that it follows.
    #[must_use]
    pub const fn topic(self) -> Topic {
        match self {
            Self::Posts => Posts::TOPIC,
            Self::Analysis => Analysis::TOPIC,
            Self::Likes => Likes::TOPIC,
        }
    }

    /// What its builds have in common.
    #[must_use]
    pub fn build_spec(self) -> BuildSpec {
        match self {
            Self::Posts => BuildSpec::of::<Posts>(),
            Self::Analysis => BuildSpec::of::<Analysis>(),
            Self::Likes => BuildSpec::of::<Likes>(),
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
