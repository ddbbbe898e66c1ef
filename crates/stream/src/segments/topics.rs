//! Which topics a log has, and the numbers that stand for them in its files.

use hubbub_events::{Topic, TopicPartition};

use crate::Error;

/// A partition of any topic, as one number: an index into dense tables.
pub(super) type Slot = usize;

/// The topics of a log in the order in which they came into it; that order is their
/// number in the files, and never changes. A topic that this build does not know (a
/// newer one has written it) keeps its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Topics {
    topics: Vec<TopicEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct TopicEntry {
    name: String,
    partitions: u16,
    first_slot: Slot,
    known: Option<Topic>,
}

impl Topics {
    /// The table of these names and numbers of partitions.
    pub fn new(topics: impl IntoIterator<Item = (String, u16)>) -> Self {
        let mut table = Self { topics: Vec::new() };
        for (name, partitions) in topics {
            let known = Topic::ALL.into_iter().find(|topic| topic.to_string() == name);
            table.topics.push(TopicEntry { name, partitions, first_slot: table.slots(), known });
        }
        table
    }

    /// The table of a new log.
    pub fn with_partitions(partitions: u16) -> Self {
        Self::new(Topic::ALL.map(|topic| (topic.to_string(), partitions)))
    }

    /// This table with every topic that this build knows, or the refusal of another
    /// number of partitions than a topic was made with.
    pub fn completed(&self, partitions: u16) -> Result<Self, Error> {
        let changed = self
            .topics
            .iter()
            .find(|topic| topic.known.is_some() && topic.partitions != partitions);
        if let Some(topic) = changed {
            return Err(Error::Permanent(format!(
                "log.partitions is {partitions}, but {} was made with {}: the number is fixed \
                 when a topic is made",
                topic.name, topic.partitions
            )));
        }
        let missing = Topic::ALL
            .into_iter()
            .filter(|topic| self.topics.iter().all(|entry| entry.known != Some(*topic)))
            .map(|topic| (topic.to_string(), partitions));
        let present = self.iter().map(|(name, partitions)| (name.to_owned(), partitions));
        Ok(Self::new(present.chain(missing)))
    }

    /// Names and numbers of partitions, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, u16)> {
        self.topics.iter().map(|topic| (topic.name.as_str(), topic.partitions))
    }

    /// How many partitions all topics have together.
    pub fn slots(&self) -> usize {
        self.topics.last().map_or(0, |last| last.first_slot + usize::from(last.partitions))
    }

    /// How many partitions a topic has.
    pub fn partitions(&self, topic: Topic) -> u16 {
        self.entry(topic).map_or(0, |entry| entry.partitions)
    }

    /// The slot of a partition, if there is such a partition.
    pub fn slot(&self, of: TopicPartition) -> Option<Slot> {
        let entry = self.entry(of.topic)?;
        let partition = u16::try_from(of.partition).ok()?;
        (partition < entry.partitions).then(|| entry.first_slot + usize::from(partition))
    }

    /// The slot of a partition by its numbers in the files.
    pub fn slot_of(&self, topic: u16, partition: u16) -> Option<Slot> {
        let entry = self.topics.get(usize::from(topic))?;
        (partition < entry.partitions).then(|| entry.first_slot + usize::from(partition))
    }

    /// The numbers of a slot in the files: of the topic, and of the partition.
    pub fn numbers(&self, slot: Slot) -> (u16, u16) {
        let after = self.topics.partition_point(|topic| topic.first_slot <= slot);
        let topic = after.saturating_sub(1);
        let first_slot = self.topics.get(topic).map_or(0, |entry| entry.first_slot);
        (topic as u16, (slot - first_slot) as u16)
    }

    /// A slot's name for people: `hubbub.posts.v1/3`.
    pub fn name(&self, slot: Slot) -> String {
        let (topic, partition) = self.numbers(slot);
        let name = self.topics.get(usize::from(topic)).map_or("?", |entry| &entry.name);
        format!("{name}/{partition}")
    }

    fn entry(&self, topic: Topic) -> Option<&TopicEntry> {
        self.topics.iter().find(|entry| entry.known == Some(topic))
    }
}
