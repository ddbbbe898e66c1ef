//! What a worker stands on: a folder, or a Kafka and a Cassandra. It outlives each process that dies on it.

use std::{collections::HashMap, env, path::PathBuf, process::Command, sync::Arc};

use bytesize::ByteSize;
use hubbub_events::{Offset, TopicPartition};
use hubbub_store::{EmbeddedSettings, Engine, StoreSettings, load_frontiers};
use hubbub_stream::{
    DataFolder, KafkaSettings, Log, LogSettings, from_config, segments::SegmentsSettings,
};
use hubbub_testkit::{
    fleet::{self, Fleet},
    stack,
};
use tempfile::TempDir;

use crate::PARTITIONS;

/// Where the log and the tables of a child are; nobody else is one.
const FOLDER: &str = "DYING_FOLDER";
/// The names of its topics begin with this, …
const TOPIC_PREFIX: &str = "DYING_TOPIC_PREFIX";
/// … and its tables are in this.
const KEYSPACE: &str = "DYING_KEYSPACE";

/// What is under a test and its children.
#[derive(Clone)]
pub enum Ground {
    Folder(PathBuf),
    Servers { topic_prefix: String, keyspace: String },
}

impl Ground {
    pub fn of_folder(folder: &TempDir) -> Self {
        Self::Folder(folder.path().to_owned())
    }

    pub fn of_fleet(fleet: &Fleet) -> Self {
        Self::Servers { topic_prefix: fleet.topic_prefix(), keyspace: fleet.keyspace() }
    }

    /// That of this process, if it is a child.
    pub fn of_child() -> Option<Self> {
        if let Some(folder) = env::var_os(FOLDER) {
            return Some(Self::Folder(folder.into()));
        }
        let (topic_prefix, keyspace) = (env::var(TOPIC_PREFIX).ok()?, env::var(KEYSPACE).ok()?);
        Some(Self::Servers { topic_prefix, keyspace })
    }

    /// Gives it to a child.
    pub fn hand_to(&self, child: &mut Command) {
        match self {
            Self::Folder(folder) => child.env(FOLDER, folder),
            Self::Servers { topic_prefix, keyspace } => {
                child.env(TOPIC_PREFIX, topic_prefix).env(KEYSPACE, keyspace)
            }
        };
    }

    pub async fn log(&self) -> Arc<dyn Log> {
        let settings = match self {
            Self::Folder(folder) => LogSettings::Segments {
                settings: SegmentsSettings {
                    partitions: PARTITIONS as u16,
                    ..SegmentsSettings::default()
                },
                data: DataFolder::open(folder).unwrap(),
                floors: HashMap::new(),
            },
            Self::Servers { topic_prefix, .. } => {
                let shared = fleet::kafka(&stack::kafka(), topic_prefix);
                let partitions = PARTITIONS as u16;
                LogSettings::Kafka(Box::new(KafkaSettings { partitions, ..shared }))
            }
        };
        from_config(settings).await.unwrap()
    }

    pub async fn store(&self) -> Engine {
        let settings = match self {
            Self::Folder(folder) => StoreSettings::Embedded {
                settings: EmbeddedSettings {
                    cache_size: ByteSize::mib(1),
                    memtable_size: ByteSize::mib(1),
                    queue_size: ByteSize::mib(1),
                },
                folder: folder.join("store"),
            },
            Self::Servers { keyspace, .. } => {
                StoreSettings::Cassandra(Box::new(fleet::cassandra(&stack::cassandra(), keyspace)))
            }
        };
        Engine::from_config(settings).await.unwrap()
    }

    /// The frontier that a dead child left; −1: none.
    pub async fn frontier(&self, of: TopicPartition) -> Offset {
        let frontiers = load_frontiers(&self.store().await, "likes", 1).await.unwrap();
        frontiers.get(&of).map_or(-1, |(frontier, _)| *frontier)
    }
}
