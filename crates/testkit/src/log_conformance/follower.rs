//! A consumer that a test follows a topic with.

use std::collections::{BTreeMap, HashMap, HashSet};

use hubbub_events::{Offset, Topic, TopicPartition};
use hubbub_stream::{Consumer, Log, Polled, Record};
use tokio::time::timeout;

use super::DEADLINE;

/// A consumer with what it has delivered.
pub struct Follower {
    consumer: Box<dyn Consumer>,
    from: HashMap<TopicPartition, Offset>,
    assigned: HashSet<TopicPartition>,
    /// What was delivered, by partition.
    pub seen: BTreeMap<TopicPartition, Vec<Record>>,
}

impl Follower {
    /// Joins a group, and will start every partition at 0, or where `from` says.
    pub async fn join(
        log: &dyn Log,
        group: &str,
        topic: Topic,
        from: impl IntoIterator<Item = (TopicPartition, Offset)>,
    ) -> Self {
        Self {
            consumer: log.consume(group, topic).await.expect("a consumer"),
            from: from.into_iter().collect(),
            assigned: HashSet::new(),
            seen: BTreeMap::new(),
        }
    }

    /// Polls once.
    pub async fn poll(&mut self) {
        let polled = timeout(DEADLINE, self.consumer.poll()).await;
        self.take(polled.expect("a poll ends").expect("a consumer goes on"));
    }

    /// Takes what a poll answered.
    pub fn take(&mut self, polled: Polled) {
        match polled {
            Polled::Assigned(partitions) => {
                for of in partitions {
                    self.assigned.insert(of);
                    let from = self.from.get(&of).copied().unwrap_or(0);
                    self.consumer.start(of, from).expect("a start");
                }
            }
            Polled::Revoked(partitions) => {
                self.assigned.retain(|of| !partitions.contains(of));
                self.consumer.release(&partitions);
            }
            Polled::Records(of, records) => {
                assert!(self.assigned.contains(&of), "{of} is not assigned");
                assert!(!records.is_empty(), "an empty delivery");
                self.seen.entry(of).or_default().extend(records);
            }
            Polled::Unreadable(position, why) => panic!("{position} is unreadable: {why}"),
        }
    }

    /// Polls until a partition is assigned.
    pub async fn until_assigned(&mut self, of: TopicPartition) {
        while !self.assigned.contains(&of) {
            self.poll().await;
        }
    }

    /// Polls until so many records of a partition were delivered.
    pub async fn until(&mut self, of: TopicPartition, count: usize) {
        while self.of(of).len() < count {
            self.poll().await;
        }
    }

    /// What was delivered of a partition.
    #[must_use]
    pub fn of(&self, of: TopicPartition) -> &[Record] {
        self.seen.get(&of).map_or(&[], Vec::as_slice)
    }

    /// The consumer itself.
    pub fn consumer(&mut self) -> &mut dyn Consumer {
        &mut *self.consumer
    }
}
