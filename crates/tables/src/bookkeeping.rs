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

/// Which build of each projection is read. Written by one writer, at wall-clock time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builds;

impl Table for Builds {
    const NAME: &'static str = "builds";
    const PARTITION: &'static [&'static str] = &["projection"];
    type Partition = (String,);
    type Clustering = ();
    type Head = LiveBuild;
    type Row = ();
}

/// The live build of a projection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveBuild {
    /// Its number, from 1.
    pub live_build: Build,
    /// The version of schema.cql that it was made under.
    pub schema_version: i32,
}
