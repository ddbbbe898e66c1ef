//! A consumer as its owner sees it: what is delivered is only of partitions that are
//! assigned, of their last start, and not paused.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hubbub_events::{Offset, Topic, TopicPartition};
use rdkafka::config::ClientConfig;
use tokio::sync::watch;

use super::channel::{Channel, Command, Delivery, Event};
use super::client;
use super::member::Member;
use super::reader::Readers;
use crate::{Consumer, Error, Polled};

/// How long leaving a group may take: a broker that is away must not hold up an end.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

/// A consumer of a topic.
pub(super) struct KafkaConsumer {
    topic: Topic,
    channel: Arc<Channel>,
    assigned: BTreeMap<i32, Assigned>,
    revoked: BTreeSet<i32>,
    /// How often any partition was started.
    starts: u64,
    /// Closed when the member's thread ends.
    left: watch::Receiver<()>,
}

/// A partition that is assigned to this consumer.
#[derive(Default)]
struct Assigned {
    /// Its last start, by number; 0 before the first.
    start: u64,
    is_paused: bool,
    /// Whether the member was told not to fetch it.
    is_stopped: bool,
    /// What came after it was paused.
    held: VecDeque<Delivery>,
}

impl KafkaConsumer {
    /// Joins a group; it takes a while until the first partitions are assigned.
    pub fn join(
        config: &ClientConfig,
        topic: Topic,
        name: &str,
        readers: Arc<Readers>,
    ) -> Result<Self, Error> {
        let channel = Arc::new(Channel::default());
        let (leaving, left) = watch::channel(());
        let member =
            Member::join(config.clone(), Arc::clone(&channel), readers, topic, name.to_owned())
                .map_err(|error| client::error("joining the group", &error))?;
        let thread = move || {
            member.run();
            drop(leaving);
        };
        std::thread::Builder::new()
            .name("log-consumer".to_owned())
            .spawn(thread)
            .map_err(|error| Error::Permanent(format!("starting its thread failed: {error}")))?;
        Ok(Self {
            topic,
            channel,
            assigned: BTreeMap::new(),
            revoked: BTreeSet::new(),
            starts: 0,
            left,
        })
    }

    fn of(&self, partition: i32) -> TopicPartition {
        TopicPartition { topic: self.topic, partition }
    }

    fn all_of(&self, partitions: &[i32]) -> Vec<TopicPartition> {
        partitions.iter().map(|partition| self.of(*partition)).collect()
    }

    /// What an event is to the owner, if it is still of interest.
    fn interpret(&mut self, event: Event) -> Option<Result<Polled, Error>> {
        match event {
            Event::Assigned(partitions) => {
                for partition in &partitions {
                    self.assigned.insert(*partition, Assigned::default());
                }
                Some(Ok(Polled::Assigned(self.all_of(&partitions))))
            }
            Event::Revoked(partitions) => {
                for partition in &partitions {
                    self.assigned.remove(partition);
                    self.revoked.insert(*partition);
                }
                Some(Ok(Polled::Revoked(self.all_of(&partitions))))
            }
            Event::Delivery { partition, start, delivery } => {
                let of = self.of(partition);
                let assigned = self.assigned.get_mut(&partition)?;
                if assigned.start != start {
                    return None;
                }
                if assigned.is_paused {
                    assigned.held.push_back(delivery);
                    return None;
                }
                Some(Ok(delivered(of, delivery)))
            }
            Event::Ended(error) => Some(Err(error)),
        }
    }

    /// Waits until there may be an event.
    async fn wait(&mut self) -> Result<(), Error> {
        tokio::select! {
            biased;
            () = self.channel.arrived() => Ok(()),
            // What it told last may have arrived just now.
            _ = self.left.changed() => match self.channel.is_empty() {
                true => Err(Error::Permanent("the consumer has ended".to_owned())),
                false => Ok(()),
            },
        }
    }

    /// What was held of a partition that is no longer paused. Only when all of it is
    /// taken is more fetched, so that no more is held than was under way.
    fn take_held(&mut self) -> Option<Polled> {
        let resumed = self.assigned.iter_mut().filter(|(_, assigned)| !assigned.is_paused);
        let (partition, assigned) = resumed.into_iter().find(|(_, it)| !it.held.is_empty())?;
        let delivery = assigned.held.pop_front()?;
        let of = TopicPartition { topic: self.topic, partition: *partition };
        if assigned.held.is_empty() {
            assigned.is_stopped = false;
            self.channel.send(Command::Resume(*partition));
        }
        Some(delivered(of, delivery))
    }
}

fn delivered(of: TopicPartition, delivery: Delivery) -> Polled {
    match delivery {
        Delivery::Records(records) => Polled::Records(of, records),
        Delivery::Unreadable(offset, why) => Polled::Unreadable(of.at(offset), why),
    }
}

#[async_trait]
impl Consumer for KafkaConsumer {
    async fn poll(&mut self) -> Result<Polled, Error> {
        // Records may be there for ever: others on this thread need their turn too.
        tokio::task::consume_budget().await;
        loop {
            if let Some(held) = self.take_held() {
                return Ok(held);
            }
            match self.channel.take() {
                Some(event) => {
                    if let Some(polled) = self.interpret(event) {
                        return polled;
                    }
                }
                None => self.wait().await?,
            }
        }
    }

    fn start(&mut self, of: TopicPartition, from: Offset) -> Result<(), Error> {
        let partition = of.partition;
        if of.topic == self.topic && self.revoked.contains(&partition) {
            return Ok(());
        }
        let assigned = self.assigned.get_mut(&partition).filter(|_| of.topic == self.topic);
        let assigned = assigned
            .ok_or_else(|| Error::Permanent(format!("{of} is not assigned to this consumer")))?;
        if from < 0 {
            return Err(Error::Permanent(format!("{of} begins at offset 0, not at {from}")));
        }
        self.starts += 1;
        assigned.start = self.starts;
        assigned.held.clear();
        self.channel.send(Command::Start { partition, from, start: self.starts });
        if assigned.is_stopped && !assigned.is_paused {
            assigned.is_stopped = false;
            self.channel.send(Command::Resume(partition));
        }
        Ok(())
    }

    fn pause(&mut self, of: TopicPartition) {
        let Some(assigned) = self.assigned.get_mut(&of.partition) else {
            return;
        };
        assigned.is_paused = true;
        if !assigned.is_stopped {
            assigned.is_stopped = true;
            self.channel.send(Command::Pause(of.partition));
        }
    }

    fn resume(&mut self, of: TopicPartition) {
        let Some(assigned) = self.assigned.get_mut(&of.partition) else {
            return;
        };
        assigned.is_paused = false;
        if assigned.is_stopped && assigned.held.is_empty() {
            assigned.is_stopped = false;
            self.channel.send(Command::Resume(of.partition));
        }
    }

    fn commit(&mut self, of: TopicPartition, next: Offset) {
        self.channel.send(Command::Commit { partition: of.partition, next });
    }

    fn release(&mut self, of: &[TopicPartition]) {
        let partitions: Vec<_> = of.iter().map(|of| of.partition).collect();
        for partition in &partitions {
            self.revoked.remove(partition);
        }
        self.channel.send(Command::Release(partitions));
    }

    async fn close(mut self: Box<Self>) {
        self.channel.close();
        if tokio::time::timeout(LEAVE_TIMEOUT, self.left.changed()).await.is_err() {
            tracing::warn!(topic = %self.topic, "the group was not left in time");
        }
    }
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        self.channel.close();
    }
}
