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
