//! From what a request says to a record of the log.

use bytes::Bytes;
use hubbub_events::{
    Action, Id, Offset, Position, PostEvent, Timestamp, Topic, TopicPartition, ids::mint_event_id,
    partition_of,
};
use hubbub_stream::{Log, NewRecord};

use crate::actor::Actor;

/// What all events of one request have in common.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    pub(crate) time: Timestamp,
    partitions: i32,
}

/// An event that was checked whole: what its answer needs, and what the log gets.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) ticket: Ticket,
    pub(crate) record: NewRecord,
}

/// What is known of an event before the log has it.
#[derive(Debug)]
pub(crate) struct Ticket {
    pub(crate) post_id: Id,
    pub(crate) event_id: String,
    pub(crate) time: Timestamp,
    of: TopicPartition,
}

impl Ticket {
    /// Where the event lies, once the log has said its offset.
    pub(crate) const fn at(&self, offset: Offset) -> Position {
        self.of.at(offset)
    }
}

impl Arrival {
    /// Of a request that came now.
    pub(crate) fn now(log: &dyn Log) -> Self {
        Self { time: Timestamp::now(), partitions: log.partitions(Topic::Posts) }
    }

    /// The event that something happened to a post.
    pub(crate) fn event(&self, post_id: Id, actor: &Actor, action: Action<&str>) -> Event {
        let event_id = mint_event_id();
        let event = PostEvent {
            event_id: event_id.as_str(),
            time: self.time,
            user_id: actor.user_id().unwrap_or_default(),
            post_id: post_id.as_str(),
            action,
        };
        let key = Bytes::copy_from_slice(post_id.as_str().as_bytes());
        let of =
            TopicPartition { topic: Topic::Posts, partition: partition_of(&key, self.partitions) };
        let headers = event.headers().into_iter().map(|(name, value)| (name.into(), value));
        let record = NewRecord {
            topic_partition: of,
            key,
            value: event.encode().into(),
            headers: headers.collect(),
            time: self.time,
        };
        let ticket = Ticket { post_id, event_id, time: self.time, of };
        Event { ticket, record }
    }
}
