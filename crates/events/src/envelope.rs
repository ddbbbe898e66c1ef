//! An event and its bytes: what a record's value and headers hold.

use bytes::Bytes;
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint, int64, message, uint32},
};

use crate::{
    Timestamp,
    hashtags::{MAX_HASHTAG_CHARS, MAX_HASHTAGS},
    ids::{self, Id, IdError},
    limits::CONTENT_MAX_BYTES,
    v1::{self, event::Body},
};

/// The version of the contract that this build writes, and the newest that it reads.
pub const SCHEMA: u32 = 1;

/// Something that happened to a post. Whoever only encodes it may borrow its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostEvent<S = String> {
    /// Unique.
    pub event_id: S,
    /// When ingest accepted it.
    pub time: Timestamp,
    /// Who acted; empty where nobody was named.
    pub user_id: S,
    /// The post that it happened to.
    pub post_id: S,
    /// What happened.
    pub action: Action<S>,
}

/// What can happen to a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<S = String> {
    /// The first one of a post's id wins.
    Created {
        /// 1 to 65,536 bytes of UTF-8.
        content: S,
        /// Folded, without `#`.
        hashtags: Vec<String>,
    },
    /// What is `None` stays as it was.
    Edited {
        /// The new content.
        content: Option<S>,
        /// The new hashtags of the field.
        hashtags: Option<Vec<String>>,
        /// The version that the author saw.
        expected_version: Option<i64>,
    },
    /// The post is gone for ever, and its id with it.
    Deleted,
    /// The user who acts likes it.
    Liked,
    /// The user who acts likes it no more.
    Unliked,
}

impl<S> Action<S> {
    /// The protobuf message's full name; `ce_type` in the headers.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "hubbub.v1.PostCreated",
            Self::Edited { .. } => "hubbub.v1.PostEdited",
            Self::Deleted => "hubbub.v1.PostDeleted",
            Self::Liked => "hubbub.v1.PostLiked",
            Self::Unliked => "hubbub.v1.PostUnliked",
        }
    }

    /// The field of `Event.body` that holds it.
    const fn tag(&self) -> u32 {
        match self {
            Self::Created { .. } => 16,
            Self::Edited { .. } => 17,
            Self::Deleted => 18,
            Self::Liked => 19,
            Self::Unliked => 20,
        }
    }
}

impl<S: AsRef<str>> Action<S> {
    /// About what its texts take, so that a buffer is made once.
    fn text_bytes(&self) -> usize {
        let (content, hashtags) = match self {
            Self::Created { content, hashtags } => (Some(content), Some(hashtags)),
            Self::Edited { content, hashtags, .. } => (content.as_ref(), hashtags.as_ref()),
            Self::Deleted | Self::Liked | Self::Unliked => (None, None),
        };
        let hashtags = hashtags.into_iter().flatten().map(|tag| tag.len() + 3);
        content.map_or(0, |content| content.as_ref().len()) + hashtags.sum::<usize>()
    }
}

/// Why a record's value is no event that can be folded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by a newer build: the reader must be upgraded, not the event skipped.
    #[error("the event has schema {schema} or a body that schema {SCHEMA} does not know")]
    Newer {
        /// The writer's schema.
        schema: u32,
    },
    /// No event, or one that breaks the contract.
    #[error("not a valid event: {0}")]
    Invalid(String),
}

impl<S: AsRef<str>> PostEvent<S> {
    /// The bytes of a record's value: a `hubbub.v1.Event`. Written field by field, as the
    /// generated types would have every text copied first.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let body = self.encode_body();
        let texts = self.event_id.as_ref().len() + self.user_id.as_ref().len();
        let mut to = Vec::with_capacity(body.len() + texts + 40);
        put_text(&mut to, 1, self.event_id.as_ref());
        uint32::encode(2, &SCHEMA, &mut to);
        message::encode(3, &self.time.to_proto(), &mut to);
        if !self.user_id.as_ref().is_empty() {
            put_text(&mut to, 4, self.user_id.as_ref());
        }
        put_bytes(&mut to, self.action.tag(), &body);
        to
    }

    fn encode_body(&self) -> Vec<u8> {
        let post_id = self.post_id.as_ref();
        let mut to = Vec::with_capacity(post_id.len() + self.action.text_bytes() + 24);
        put_text(&mut to, 1, post_id);
        match &self.action {
            Action::Created { content, hashtags } => {
                put_text(&mut to, 2, content.as_ref());
                put_texts(&mut to, 3, hashtags);
            }
            Action::Edited { content, hashtags, expected_version } => {
                if let Some(content) = content {
                    put_text(&mut to, 2, content.as_ref());
                }
                if let Some(hashtags) = hashtags {
                    let mut values = Vec::new();
                    put_texts(&mut values, 1, hashtags);
                    put_bytes(&mut to, 3, &values);
                }
                if let Some(version) = expected_version {
                    int64::encode(4, version, &mut to);
                }
            }
            Action::Deleted | Action::Liked | Action::Unliked => {}
        }
        to
    }

    /// The headers of its record: CloudEvents 1.0, Kafka protocol binding, binary mode.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, Bytes); 5] {
        let event_id = Bytes::copy_from_slice(self.event_id.as_ref().as_bytes());
        [
            ("ce_specversion", Bytes::from_static(b"1.0")),
            ("ce_id", event_id),
            ("ce_type", Bytes::from_static(self.action.type_name().as_bytes())),
            ("ce_source", Bytes::from_static(b"/hubbub/ingest")),
            ("content-type", Bytes::from_static(b"application/protobuf")),
        ]
    }
}

impl PostEvent {
    /// Whether its post's id was derived from an idempotency key.
    #[must_use]
    pub fn has_derived_id(&self) -> bool {
        ids::is_derived(&self.post_id)
    }

    /// Reads a record's key and value. Whoever can write to the topic may have written it, so
    /// everything that ingest checks is checked again.
    ///
    /// # Errors
    /// [`DecodeError::Newer`] halts a reader; [`DecodeError::Invalid`] is a dead letter.
    pub fn decode(key: &[u8], value: &[u8]) -> Result<Self, DecodeError> {
        let event = v1::Event::decode(value).map_err(invalid)?;
        match (event.schema, event.body) {
            (0, _) => Err(invalid("schema is 0 or missing; the first one is 1")),
            (1..=SCHEMA, Some(body)) => {
                let event = Self::checked(event.id, event.time, event.user_id, body)?;
                match event.post_id.as_bytes() == key {
                    true => Ok(event),
                    false => Err(invalid("the record's key is not the post_id of its event")),
                }
            }
            (schema, _) => Err(DecodeError::Newer { schema }),
        }
    }

    fn checked(
        event_id: String,
        time: Option<prost_types::Timestamp>,
        user_id: Option<String>,
        body: Body,
    ) -> Result<Self, DecodeError> {
        let time = time
            .and_then(|time| Timestamp::from_proto(&time))
            .ok_or_else(|| invalid("time is missing, or outside 1970 to 9999"))?;
        if event_id.is_empty() || event_id.len() > 128 {
            return Err(invalid(format!(
                "an event id of {} bytes; allowed are 1 to 128",
                event_id.len()
            )));
        }
        let user_id = match user_id {
            Some(user_id) => Id::client(user_id).map_err(|e| named("user_id", &e))?.into_string(),
            None => String::new(),
        };
        let (post_id, action) = match body {
            Body::PostCreated(post) => (
                post.post_id,
                Action::Created {
                    content: check_content(post.content)?,
                    hashtags: check_hashtags(post.hashtags)?,
                },
            ),
            Body::PostEdited(edit) => (
                edit.post_id,
                Action::Edited {
                    content: edit.content.map(check_content).transpose()?,
                    hashtags: edit.hashtags.map(|tags| check_hashtags(tags.values)).transpose()?,
                    expected_version: edit.expected_version,
                },
            ),
            Body::PostDeleted(post) => (post.post_id, Action::Deleted),
            Body::PostLiked(post) => (post.post_id, Action::Liked),
            Body::PostUnliked(post) => (post.post_id, Action::Unliked),
        };
        if user_id.is_empty() && matches!(action, Action::Liked | Action::Unliked) {
            return Err(invalid("a like without a user_id"));
        }
        let post_id = Id::any(post_id).map_err(|e| named("post_id", &e))?.into_string();
        Ok(Self { event_id, time, user_id, post_id, action })
    }
}

fn put_texts(to: &mut Vec<u8>, tag: u32, texts: &[String]) {
    for text in texts {
        put_text(to, tag, text);
    }
}

fn put_text(to: &mut Vec<u8>, tag: u32, text: &str) {
    put_bytes(to, tag, text.as_bytes());
}

fn put_bytes(to: &mut Vec<u8>, tag: u32, bytes: &[u8]) {
    encode_key(tag, WireType::LengthDelimited, to);
    encode_varint(bytes.len() as u64, to);
    to.extend_from_slice(bytes);
}

fn check_content(content: String) -> Result<String, DecodeError> {
    if content.is_empty() || content.len() > CONTENT_MAX_BYTES {
        return Err(invalid(format!(
            "content of {} bytes; allowed are 1 to {CONTENT_MAX_BYTES}",
            content.len()
        )));
    }
    if content.contains('\0') {
        return Err(invalid("a NUL in content"));
    }
    Ok(content)
}

/// Only what bounds a row: how hashtags are folded may change with Unicode's version,
/// and what is in the log must stay what it was.
fn check_hashtags(tags: Vec<String>) -> Result<Vec<String>, DecodeError> {
    if tags.len() > MAX_HASHTAGS {
        return Err(invalid(format!("{} hashtags; allowed are {MAX_HASHTAGS}", tags.len())));
    }
    let is_short = |tag: &String| (1..=MAX_HASHTAG_CHARS).contains(&tag.chars().count());
    if !tags.iter().all(is_short) {
        return Err(invalid(format!(
            "a hashtag with other than 1 to {MAX_HASHTAG_CHARS} characters"
        )));
    }
    Ok(tags)
}

fn named(field: &str, error: &IdError) -> DecodeError {
    DecodeError::Invalid(format!("{field}: {error}"))
}

fn invalid(reason: impl ToString) -> DecodeError {
    DecodeError::Invalid(reason.to_string())
}
