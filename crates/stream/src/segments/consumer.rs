//! A consumer of a topic: in one process, it has all partitions from the first poll on.

use std::sync::Arc;

use async_trait::async_trait;
use hubbub_events::{Offset, Topic, TopicPartition};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::reader::{Reader, Unreadable};
use super::topics::Slot;
use crate::{Consumer, Error, Polled, Record};

/// About how much one poll delivers, in bytes.
const CHUNK: usize = 1024 * 1024;

pub(super) struct SegmentsConsumer {
    reader: Arc<Reader>,
    appended: watch::Receiver<()>,
    assigned: bool,
    partitions: Vec<Partition>,
    /// Whose turn is next: partitions are delivered in a circle.
    turn: usize,
    /// A read of a file that was begun, and is kept when a poll is dropped.
    reading: Option<Reading>,
}

struct Partition {
    of: TopicPartition,
    slot: Slot,
    /// The next offset to deliver; none where it is not started or cannot be read on.
    next: Option<Offset>,
    paused: bool,
}

struct Reading {
    partition: usize,
    from: Offset,
    records: JoinHandle<Result<Vec<Record>, Unreadable>>,
}

impl SegmentsConsumer {
    pub fn new(reader: Arc<Reader>, topic: Topic) -> Self {
        let topics = reader.topics();
        let partitions = (0..i32::from(topics.partitions(topic)))
            .map(|partition| TopicPartition { topic, partition })
            .filter_map(|of| {
                Some(Partition { of, slot: topics.slot(of)?, next: None, paused: false })
            })
            .collect();
        Self {
            appended: reader.appended(),
            reader,
            assigned: false,
            partitions,
            turn: 0,
            reading: None,
        }
    }

    /// What the next partition in the circle that has something has; a read of a file
    /// is begun for it where that is what it takes.
    fn next(&mut self) -> Option<Polled> {
        for _ in 0..self.partitions.len() {
            let index = self.turn;
            self.turn = (index + 1) % self.partitions.len();
            let Some((slot, from)) = self.wanted(index) else {
                continue;
            };
            if let Some(records) = self.reader.recent(slot, from, CHUNK) {
                return Some(self.deliver(index, from, records));
            }
            let reader = Arc::clone(&self.reader);
            self.reading = Some(Reading {
                partition: index,
                from,
                records: tokio::task::spawn_blocking(move || reader.read(slot, from, CHUNK)),
            });
            return None;
        }
        None
    }

    /// What a partition would deliver now.
    fn wanted(&self, index: usize) -> Option<(Slot, Offset)> {
        let Partition { slot, next, paused, .. } = self.partitions[index];
        let from = next.filter(|_| !paused)?;
        self.reader.has(slot, from).then_some((slot, from))
    }

    fn deliver(
        &mut self,
        index: usize,
        from: Offset,
        records: Result<Vec<Record>, Unreadable>,
    ) -> Polled {
        let partition = &mut self.partitions[index];
        match records {
            Ok(records) => {
                partition.next = Some(from + records.len() as i64);
                Polled::Records(partition.of, records)
            }
            Err(why) => {
                partition.next = None;
                Polled::Unreadable(partition.of.at(from), why)
            }
        }
    }

    /// Waits for the read that was begun; nothing where its partition was paused or
    /// started elsewhere since.
    async fn finish_reading(&mut self) -> Option<Polled> {
        let reading = self.reading.as_mut()?;
        let records = (&mut reading.records).await;
        let Reading { partition, from, .. } = self.reading.take()?;
        let (_, wanted) = self.wanted(partition)?;
        if wanted != from {
            return None;
        }
        let records = records.unwrap_or_else(|failed| Err(format!("reading failed: {failed}")));
        Some(self.deliver(partition, from, records))
    }

    fn partition(&mut self, of: TopicPartition) -> Option<&mut Partition> {
        if !self.assigned {
            return None;
        }
        self.partitions.iter_mut().find(|partition| partition.of == of)
    }
}

#[async_trait]
impl Consumer for SegmentsConsumer {
    async fn poll(&mut self) -> Result<Polled, Error> {
        // Records may be there for ever: others on this thread need their turn too.
        tokio::task::consume_budget().await;
        if !self.assigned {
            self.assigned = true;
            let all = self.partitions.iter().map(|partition| partition.of).collect();
            return Ok(Polled::Assigned(all));
        }
        loop {
            if let Some(polled) = self.finish_reading().await {
                return Ok(polled);
            }
            // Marked before looking: an append after it ends the wait below.
            self.appended.mark_unchanged();
            if let Some(polled) = self.next() {
                return Ok(polled);
            }
            if self.reading.is_some() {
                continue;
            }
            if self.appended.changed().await.is_err() {
                return Err(Error::Permanent("the event log is gone".to_owned()));
            }
        }
    }

    fn start(&mut self, of: TopicPartition, from: Offset) -> Result<(), Error> {
        let reader = Arc::clone(&self.reader);
        let partition = self
            .partition(of)
            .ok_or_else(|| Error::Permanent(format!("{of} is not assigned to this consumer")))?;
        let end = reader.end(partition.slot);
        if from < 0 {
            return Err(Error::Permanent(format!("{of} begins at offset 0, not at {from}")));
        }
        if from > end {
            return Err(Error::Recreated(format!(
                "{of} ends before offset {end}, and is to be read from offset {from} on"
            )));
        }
        partition.next = Some(from);
        Ok(())
    }

    fn pause(&mut self, of: TopicPartition) {
        if let Some(partition) = self.partition(of) {
            partition.paused = true;
        }
    }

    fn resume(&mut self, of: TopicPartition) {
        if let Some(partition) = self.partition(of) {
            partition.paused = false;
        }
    }

    fn commit(&mut self, _of: TopicPartition, _next: Offset) {}

    fn release(&mut self, of: &[TopicPartition]) {
        for released in of {
            if let Some(partition) = self.partition(*released) {
                partition.next = None;
            }
        }
    }

    async fn close(self: Box<Self>) {}
}
