//! The tables of the projection `posts`.

use std::time::Duration;

use hubbub_events::{Offset, Position, Timestamp};
use serde::{Deserialize, Serialize};

use crate::Table;

/// Whether a post lives. A post that never was has no head at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// It can be read, edited and liked.
    Live,
    /// It was deleted; its id stays taken for ever.
    Deleted,
}

/// Posts by id: the head says how a post stands, a row holds one version of it.
/// Deciding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Posts;

impl Table for Posts {
    const NAME: &'static str = "posts";
    const PARTITION: &'static [&'static str] = &["post_id"];
    const CLUSTERING: &'static [&'static str] = &["post_version"];
    const DESCENDING: bool = true;
    const IS_CACHED: bool = true;
    type Partition = (String,);
    type Clustering = (i64,);
    type Head = PostHead;
    type Row = PostVersion;

    /// What a live post says now.
    fn row_of(head: &PostHead) -> Option<(i64,)> {
        (head.life == Life::Live).then_some((head.version,))
    }
}

/// How a post stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostHead {
    /// Live or deleted.
    pub life: Life,
    /// The author; empty where nobody was named.
    pub user_id: String,
    /// Counts from 1, and moves with every applied edit.
    pub version: i64,
    /// The time of the create.
    pub created_at: Timestamp,
    /// The time of the last applied edit.
    pub edited_at: Timestamp,
    /// Of what the create said: tells a retry from another post under the same id.
    pub fingerprint: String,
}

/// What a post said at one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostVersion {
    /// The text.
    pub content: String,
    /// Those of the request's field, folded; those in the text are found when reading.
    pub hashtags: Vec<String>,
    /// The time of the create or edit.
    pub at: Timestamp,
}

/// An author's posts, newest first. Derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostsByAuthor;

impl Table for PostsByAuthor {
    const NAME: &'static str = "posts_by_author";
    const PARTITION: &'static [&'static str] = &["user_id"];
    const CLUSTERING: &'static [&'static str] = &["created_at", "post_id"];
    const DESCENDING: bool = true;
    type Partition = (String,);
    type Clustering = (Timestamp, String);
    type Head = ();
    type Row = AuthoredPost;
}

/// A post in its author's list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthoredPost {
    /// Whether it was deleted since.
    pub gone: bool,
}

/// What happened to a post, oldest first. Derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostEvents;

impl Table for PostEvents {
    const NAME: &'static str = "post_events";
    const PARTITION: &'static [&'static str] = &["post_id"];
    const CLUSTERING: &'static [&'static str] = &["log_offset"];
    type Partition = (String,);
    type Clustering = (Offset,);
    type Head = ();
    type Row = PostEventRow;
}

/// One thing that happened to a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostEventRow {
    /// `created`, `edited`, `deleted`, `liked` or `unliked`.
    pub event_type: String,
    /// Who acted; empty where nobody was named.
    pub user_id: String,
    /// When.
    pub at: Timestamp,
}

/// What became of each event, by its position. Derived, kept for seven days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipts;

impl Receipts {
    /// How long a receipt is kept.
    pub const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

    /// The partition key of a position's receipt.
    #[must_use]
    pub fn key(at: Position) -> <Self as Table>::Partition {
        (at.topic.stem().to_owned(), at.topic.generation(), at.partition, at.offset)
    }
}

impl Table for Receipts {
    const NAME: &'static str = "receipts";
    const PARTITION: &'static [&'static str] =
        &["topic", "generation", "log_partition", "log_offset"];
    const TIME_TO_LIVE: Option<Duration> = Some(Self::KEPT);
    type Partition = (String, i32, i32, Offset);
    type Clustering = ();
    type Head = Receipt;
    type Row = ();
}

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The event's.
    pub event_id: String,
    /// Applied or rejected.
    pub outcome: ReceiptOutcome,
    /// Why it was rejected.
    pub reason: Reason,
}

/// The outcome that a receipt names. A repeat is applied: what it asked for holds. An
/// event that cannot be folded has no receipt: it is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiptOutcome {
    /// What it asked for holds.
    Applied,
    /// It was not allowed.
    Rejected,
}

/// Why an event was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It was not.
    None,
    /// No such post.
    NotFound,
    /// The post was deleted.
    Gone,
    /// The id belongs to another post, or did.
    IdTaken,
    /// The idempotency key was used with another payload.
    KeyReused,
    /// Somebody else's post.
    NotAuthor,
    /// The post has another version than the author saw.
    VersionMoved,
}
