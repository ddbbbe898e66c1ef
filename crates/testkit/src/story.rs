//! Stories: lists of events over a few posts and users, for tests and simulations.

use hubbub_events::{Action, Position, PostEvent, Timestamp, Topic, TopicPartition, partition_of};
use hubbub_stream::NewRecord;
use proptest::prelude::*;

use crate::{memory_log::MemoryLog, model::Model};

/// When stories begin, in milliseconds since 1970.
pub const BEGIN: i64 = 1_700_000_000_000;

const POSTS: [&str; 4] = ["p", "q", "r", "~0123456789012345678901234567890123456789012"];
const USERS: [&str; 4] = ["", "ann", "bob", "cy"];
const CONTENTS: [&str; 3] = ["one", "two words", "a few more words"];

/// One event of a story, by the numbers of its post and user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// Which post.
    pub post: usize,
    /// Who; 0 is nobody.
    pub user: usize,
    /// What.
    pub what: What,
}

/// What happens, with contents and hashtags by their number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A create.
    Create(usize),
    /// An edit: content, hashtags, the version that is expected.
    Edit(Option<usize>, Option<usize>, Option<i64>),
    /// A delete.
    Delete,
    /// A like.
    Like,
    /// Its withdrawal.
    Unlike,
    /// Bytes that are no event.
    Garbage,
}

impl Deed {
    /// The event; `None` where its bytes are none.
    #[must_use]
    pub fn event(&self, number: usize) -> Option<PostEvent> {
        let hashtags = |number: usize| vec![format!("tag{number}")];
        let content = |number: usize| CONTENTS[number % CONTENTS.len()].to_owned();
        let action = match &self.what {
            What::Create(number) => {
                Action::Created { content: content(*number), hashtags: hashtags(*number) }
            }
            What::Edit(text, tags, expected_version) => Action::Edited {
                content: text.map(content),
                hashtags: tags.map(hashtags),
                expected_version: *expected_version,
            },
            What::Delete => Action::Deleted,
            What::Like => Action::Liked,
            What::Unlike => Action::Unliked,
            What::Garbage => return None,
        };
        Some(event(number, USERS[self.user], POSTS[self.post], action))
    }

    /// The record, for a topic of so many partitions.
    #[must_use]
    pub fn record(&self, number: usize, partitions: i32) -> NewRecord {
        match self.event(number) {
            Some(event) => record(&event, partitions),
            None => raw(POSTS[self.post].as_bytes(), b"garbage", partitions),
        }
    }
}

/// An event; its id and time follow from its number.
#[must_use]
pub fn event(number: usize, user_id: &str, post_id: &str, action: Action) -> PostEvent {
    PostEvent {
        event_id: format!("event-{number}"),
        time: Timestamp(BEGIN + number as i64),
        user_id: user_id.to_owned(),
        post_id: post_id.to_owned(),
        action,
    }
}

/// An event's record, for a topic of so many partitions.
#[must_use]
pub fn record(event: &PostEvent, partitions: i32) -> NewRecord {
    let headers = event.headers().into_iter().map(|(name, value)| (name.into(), value));
    NewRecord {
        headers: headers.collect(),
        ..raw(event.post_id.as_bytes(), &event.encode(), partitions)
    }
}

/// A record of any bytes, in the partition of its key.
#[must_use]
pub fn raw(key: &[u8], value: &[u8], partitions: i32) -> NewRecord {
    NewRecord {
        topic_partition: TopicPartition {
            topic: Topic::Posts,
            partition: partition_of(key, partitions),
        },
        key: key.to_vec().into(),
        value: value.to_vec().into(),
        headers: Vec::new(),
        time: Timestamp(BEGIN),
    }
}

/// Puts a story into a log, and says what must come of it.
pub fn tell(deeds: &[Deed], log: &MemoryLog, partitions: i32) -> Model {
    let mut model = Model::default();
    for (number, deed) in deeds.iter().enumerate() {
        let record = deed.record(number, partitions);
        let TopicPartition { topic, partition } = record.topic_partition;
        let offset = log.put(record);
        if let Some(event) = deed.event(number) {
            model.happened(Position { topic, partition, offset }, &event);
        }
    }
    model
}

/// Stories in which much happens to few.
pub fn any_story(most: usize) -> impl Strategy<Value = Vec<Deed>> {
    prop::collection::vec(any_deed(), 1..=most)
}

fn any_deed() -> impl Strategy<Value = Deed> {
    let some = |most: usize| prop::option::weighted(0.6, 0..most);
    let expected = prop::option::weighted(0.2, 1..3_i64);
    let anybody = prop_oneof![
        6 => (0..3_usize).prop_map(What::Create),
        5 => (some(3), some(3), expected).prop_map(|(content, tags, seen)| What::Edit(content, tags, seen)),
        2 => Just(What::Delete),
        1 => Just(What::Garbage),
    ];
    let somebody = prop_oneof![3 => Just(What::Like), 2 => Just(What::Unlike)];
    let users = prop_oneof![1 => Just(0_usize), 5 => Just(1), 2 => Just(2)];
    prop_oneof![
        6 => (0..POSTS.len(), users, anybody).prop_map(|(post, user, what)| Deed { post, user, what }),
        5 => (0..POSTS.len(), 1..USERS.len(), somebody).prop_map(|(post, user, what)| Deed { post, user, what }),
    ]
}
