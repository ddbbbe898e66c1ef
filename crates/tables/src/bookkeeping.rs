//! How far each projection is, and which of its builds is read.

use hubbub_events::{Offset, TopicPartition};
use serde::{Deserialize, Serialize};

use crate::{Build, Table};

/// How far each build of a projection is, by partition of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frontiers;

impl Frontiers {
    /// Its own build: the table serves all projections and builds.
    pub const BUILD: Build = 1;

    /// The clustering key of a partition of the log.
    #[must_use]
    pub fn key(of: TopicPartition) -> <Self as Table>::Clustering {
        (of.topic.stem().to_owned(), of.topic.generation(), of.partition)
    }
}

impl Table for Frontiers {
    const NAME: &'static str = "frontiers";
    const PARTITION: &'static [&'static str] = &["projection", "build"];
    const CLUSTERING: &'static [&'static str] = &["topic", "generation", "log_partition"];
    type Partition = (String, Build);
    type Clustering = (String, i32, i32);
    type Head = ();
    type Row = Frontier;
}

/// The last offset that is folded and durable, inclusive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frontier {
    /// The offset.
    pub log_offset: Offset,
    /// The log that it was read from.
    pub log_identity: String,
}

/// Which records were about to be folded when nothing was yet written behind a frontier: what is left of a process that
/// died of one. Its positions count the writes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts;

impl Attempts {
    /// Its own build: the table serves all projections and builds.
    pub const BUILD: Build = 1;
}

impl Table for Attempts {
    const NAME: &'static str = "attempts";
    const PARTITION: &'static [&'static str] = Frontiers::PARTITION;
    const CLUSTERING: &'static [&'static str] = Frontiers::CLUSTERING;
    type Partition = <Frontiers as Table>::Partition;
    type Clustering = <Frontiers as Table>::Clustering;
    type Head = ();
    type Row = Attempt;
}

/// Records that a process began to fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The frontier that they lie behind.
    pub log_offset: Offset,
    /// The log that it belongs to.
    pub log_identity: String,
    /// The last of them.
    pub last_offset: Offset,
    /// How often they were begun.
    pub tries: i32,
    /// The version of the program that began them last.
    pub program: String,
}

/// Which builds each projection has. Written at wall-clock time, by the operator's commands
/// and at a projection's first start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builds;

impl Builds {
    /// Its own build: the table serves all projections.
    pub const BUILD: Build = 1;
}

impl Table for Builds {
    const NAME: &'static str = "builds";
    const PARTITION: &'static [&'static str] = &["projection"];
    type Partition = (String,);
    type Clustering = ();
    type Head = ProjectionBuilds;
    type Row = ();
}

impl ProjectionBuilds {
    /// Those of a projection that was never rebuilt.
    #[must_use]
    pub const fn first(fold: i32) -> Self {
        Self {
            live_build: 1,
            live_fold: fold,
            next_build: 0,
            next_fold: 0,
            previous_build: 0,
            previous_fold: 0,
            last_build: 1,
            schema_version: 0,
        }
    }

    /// Those that there are, each with the version of its fold: the live one, the next, the
    /// previous.
    pub fn all(&self) -> impl Iterator<Item = (Build, i32)> + use<> {
        let places = [
            (self.live_build, self.live_fold),
            (self.next_build, self.next_fold),
            (self.previous_build, self.previous_fold),
        ];
        places.into_iter().filter(|(build, _)| *build != 0)
    }

    /// Those that are of a version of the fold.
    pub fn of_fold(&self, fold: i32) -> impl Iterator<Item = Build> + use<> {
        self.all().filter(move |(_, of)| *of == fold).map(|(build, _)| build)
    }
}

/// The builds of a projection, each with the version of the fold that it is of. All of them
/// are folded; one is read. 0: there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectionBuilds {
    /// The one that is read.
    pub live_build: Build,
    /// Its fold's version.
    pub live_fold: i32,
    /// The one that is to be read next.
    pub next_build: Build,
    /// Its fold's version.
    pub next_fold: i32,
    /// The one that was read before, kept to go back to.
    pub previous_build: Build,
    /// Its fold's version.
    pub previous_fold: i32,
    /// The greatest number that was ever given: none is given twice.
    pub last_build: Build,
    /// The version of schema.cql, in the row that keeps it.
    pub schema_version: i32,
}
