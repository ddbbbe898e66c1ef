//! Which event log a process uses.

use std::collections::HashMap;
use std::sync::Arc;

use hubbub_events::{Offset, TopicPartition};
use serde::Deserialize;

use crate::segments::{Segments, SegmentsSettings, StdDisk};
use crate::{DataFolder, Error, Log};

/// The event log and its settings, chosen by `kind`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum LogSettings {
    /// Segment files in the data folder of this one process.
    Segments(SegmentsSettings),
}

/// Opens the log that the settings name. `floors` are the highest frontiers known,
/// inclusive: offsets that the log must still hold.
///
/// # Errors
/// Where it cannot be opened, is another log than before, or the settings do not fit it.
pub async fn from_config(
    settings: &LogSettings,
    data: &DataFolder,
    floors: HashMap<TopicPartition, Offset>,
) -> Result<Arc<dyn Log>, Error> {
    match settings {
        LogSettings::Segments(settings) => {
            let (settings, data) = (settings.clone(), data.clone());
            // Opening reads files: it has no place on a thread that serves others.
            let opening = tokio::task::spawn_blocking(move || {
                Segments::open(&settings, &data, &floors, Arc::new(StdDisk))
            });
            let log = opening
                .await
                .map_err(|failed| Error::Permanent(format!("opening it: {failed}")))??;
            Ok(Arc::new(log))
        }
    }
}
