//! Which event log a process uses.

use std::collections::HashMap;
use std::sync::Arc;

use hubbub_events::{Offset, TopicPartition};

use crate::kafka::{KafkaLog, KafkaSettings};
use crate::segments::{Segments, SegmentsSettings, StdDisk};
use crate::{DataFolder, Error, Log};

/// An event log, and what it takes to open it.
#[derive(Debug, Clone)]
pub enum LogSettings {
    /// Segment files in the data folder of this one process.
    Segments {
        /// What the operator set.
        settings: SegmentsSettings,
        /// Where the files are.
        data: DataFolder,
        /// The highest frontiers known, inclusive: offsets that the log must still hold.
        floors: HashMap<TopicPartition, Offset>,
    },
    /// Topics in Apache Kafka, for any number of processes.
    Kafka(Box<KafkaSettings>),
}

/// Opens the log that the settings name.
///
/// # Errors
/// Where it cannot be opened, is another log than before, or the settings do not fit it.
pub async fn from_config(settings: LogSettings) -> Result<Arc<dyn Log>, Error> {
    match settings {
        LogSettings::Segments { settings, data, floors } => {
            // Opening reads files: it has no place on a thread that serves others.
            let opening = tokio::task::spawn_blocking(move || {
                Segments::open(&settings, &data, &floors, Arc::new(StdDisk))
            });
            let log = opening
                .await
                .map_err(|failed| Error::Permanent(format!("opening it: {failed}")))??;
            Ok(Arc::new(log))
        }
        LogSettings::Kafka(settings) => Ok(Arc::new(KafkaLog::open(&settings).await?)),
    }
}
