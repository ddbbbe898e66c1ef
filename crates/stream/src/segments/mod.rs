//! The embedded event log: segment files in the data folder of one process.
//!
//! All topics and partitions share one sequence of files, so that one thread writes
//! and syncs for all who append at the same time: whatever waits becomes one unit,
//! written at once. What is acknowledged is never changed, and only what is
//! acknowledged is read.

mod catalog;
mod committer;
mod consumer;
mod disk;
mod index;
mod queue;
mod reader;
mod recent;
mod record;
mod recovery;
mod room;
mod scan;
mod segment;
mod settings;
mod tail;
mod topics;
mod unit;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use async_trait::async_trait;
use hubbub_events::{LogIdentity, Offset, Topic, TopicPartition};

pub use self::disk::{Disk, DiskFile, StdDisk};
pub use self::settings::SegmentsSettings;

use self::catalog::Catalog;
use self::consumer::SegmentsConsumer;
use self::queue::Queue;
use self::reader::Reader;
use self::recovery::{Recovered, Recovery};
use self::room::Room;
use self::topics::Slot;
use crate::{AppendError, Consumer, DataFolder, Error, Log, NewRecord, Record};

/// The embedded event log. Dropping it finishes what was taken.
pub struct Segments {
    identity: LogIdentity,
    reader: Arc<Reader>,
    queue: Arc<Queue>,
    room: Room,
    committer: Option<JoinHandle<()>>,
}

impl Segments {
    /// Opens the log in a data folder, making it where there is none. `floors` are the
    /// highest frontiers known, inclusive: offsets that the log must still hold. It
    /// blocks.
    ///
    /// A last write that is not whole is cut. A damaged log opens too: what is left of
    /// it is read, and appends are refused.
    ///
    /// # Errors
    /// Where the settings do not fit the log, its files are of another log or a newer
    /// build, or the disk fails.
    pub fn open(
        settings: &SegmentsSettings,
        data: &DataFolder,
        floors: &HashMap<TopicPartition, Offset>,
        disk: Arc<dyn Disk>,
    ) -> Result<Self, Error> {
        settings.check()?;
        let identity = data.identity();
        let recovery = Recovery {
            settings,
            folder: data.log(),
            identity: identity.0.clone(),
            floors,
            disk: Arc::clone(&disk),
        };
        let Recovered { topics, segments, ends, lost_to, writer } = recovery.run()?;
        let room = Room::new(Arc::clone(&disk), data.log(), settings.reserve);
        let catalog = Catalog::new(disk, data.log(), topics, segments);
        let reader = Arc::new(Reader::new(catalog, ends, lost_to, data.clone()));
        let queue = Arc::new(Queue::new(settings.queue_size.as_u64() as usize));
        let committer = match writer {
            Ok(writer) => {
                let (queue, reader, room) = (Arc::clone(&queue), Arc::clone(&reader), room.clone());
                let thread = std::thread::Builder::new()
                    .name("log-committer".to_owned())
                    .spawn(move || committer::run(writer, &room, &queue, &reader));
                Some(thread.map_err(|error| {
                    Error::Permanent(format!("starting the log's thread failed: {error}"))
                })?)
            }
            Err(damage) => {
                queue.close(AppendError::Storage(damage));
                queue.finish();
                None
            }
        };
        Ok(Self { identity, reader, queue, room, committer })
    }

    fn stop(&self) {
        self.queue.close(AppendError::Unavailable("it is closing".to_owned()));
    }

    fn slot(&self, of: TopicPartition) -> Result<Slot, Error> {
        let topics = self.reader.topics();
        topics.slot(of).ok_or_else(|| {
            Error::Permanent(format!(
                "there is no {of}: the topic has {} partitions",
                topics.partitions(of.topic)
            ))
        })
    }
}

impl Drop for Segments {
    fn drop(&mut self) {
        self.stop();
        if let Some(committer) = self.committer.take() {
            // A panic of the thread was caught and said inside it.
            let _ = committer.join();
        }
    }
}

#[async_trait]
impl Log for Segments {
    fn identity(&self) -> LogIdentity {
        self.identity.clone()
    }

    fn partitions(&self, topic: Topic) -> i32 {
        self.reader.topics().partitions(topic).into()
    }

    async fn append(&self, records: Vec<NewRecord>) -> Vec<Result<Offset, AppendError>> {
        let begun = Instant::now();
        let enqueued = self.queue.enqueue(&records, self.reader.topics());
        let count = records.len();
        drop(records);
        let results = enqueued.results(count).await;
        metrics::histogram!("hubbub_append_duration_seconds").record(begun.elapsed());
        results
    }

    async fn consume(&self, _group: &str, topic: Topic) -> Result<Box<dyn Consumer>, Error> {
        Ok(Box::new(SegmentsConsumer::new(Arc::clone(&self.reader), topic)))
    }

    async fn bounds(&self, of: TopicPartition) -> Result<Range<Offset>, Error> {
        Ok(0..self.reader.end(self.slot(of)?))
    }

    async fn read(
        &self,
        of: TopicPartition,
        from: Offset,
        max_bytes: usize,
    ) -> Result<Vec<Record>, Error> {
        let slot = self.slot(of)?;
        if from < 0 {
            return Err(Error::Permanent(format!("{of} begins at offset 0, not at {from}")));
        }
        if !self.reader.has(slot, from) {
            return Ok(Vec::new());
        }
        // At least one record is asked for.
        let max_bytes = max_bytes.max(1);
        let records = match self.reader.recent(slot, from, max_bytes) {
            Some(records) => records,
            None => {
                let reader = Arc::clone(&self.reader);
                tokio::task::spawn_blocking(move || reader.read(slot, from, max_bytes))
                    .await
                    .unwrap_or_else(|failed| Err(format!("reading failed: {failed}")))
            }
        };
        records.map_err(|why| Error::Permanent(format!("{}: {why}", of.at(from))))
    }

    async fn ready(&self) -> Result<(), AppendError> {
        self.room.check(0).map_err(AppendError::NoRoom)?;
        self.queue.stopped().map_or(Ok(()), Err)
    }

    async fn close(&self) {
        self.stop();
        self.queue.finished().await;
    }
}
