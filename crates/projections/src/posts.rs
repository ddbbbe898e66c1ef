//! Posts by id and by author, what happened to each, and what became of each event.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hubbub_events::{Action, DecodeError, Position, PostEvent, Timestamp, Topic};
use hubbub_tables::{
    Life, Reason, Receipts, posts as tables,
    posts::{AuthoredPost, PostEventRow, PostHead, PostVersion, Receipt, ReceiptOutcome},
};
use sha2::{Digest, Sha256};

use crate::{
    Interrupt, Outcome, Projection, View, Visitor,
    judge::{Verdict, judge},
    projection,
};

/// The projection `posts`.
#[derive(Debug, Clone, Copy)]
pub struct Posts;

/// A post's event, and of a create what tells it from another one.
#[derive(Debug)]
pub struct Event {
    post: PostEvent,
    fingerprint: String,
}

/// The views of the projection `posts`.
#[derive(Debug)]
pub struct Tables {
    posts: View<tables::Posts>,
    by_author: View<tables::PostsByAuthor>,
    events: View<tables::PostEvents>,
    receipts: View<Receipts>,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            posts: View::deciding(),
            by_author: View::derived(),
            events: View::derived(),
            receipts: View::derived(),
        }
    }
}

impl projection::Tables for Tables {
    fn visit<'a, V: Visitor<'a>>(&'a mut self, visitor: &mut V) {
        visitor.deciding(&mut self.posts);
        visitor.derived(&mut self.by_author);
        visitor.derived(&mut self.events);
        visitor.derived(&mut self.receipts);
    }
}

impl Projection for Posts {
    const NAME: &'static str = "posts";
    const FOLD: i32 = 1;
    const TOPIC: Topic = Topic::Posts;
    type Event = Event;
    type Tables = Tables;

    fn decode(key: &[u8], value: &[u8]) -> Result<Event, DecodeError> {
        let post = PostEvent::decode(key, value)?;
        let fingerprint = match &post.action {
            Action::Created { content, hashtags } => fingerprint(&post.user_id, content, hashtags),
            _ => String::new(),
        };
        Ok(Event { post, fingerprint })
    }

    fn fold(at: Position, event: &Event, tables: &mut Tables) -> Result<Outcome, Interrupt> {
        let head = tables.posts.head(&(event.post.post_id.clone(),))?.cloned();
        let (verdict, reason) = verdict(event, head.as_ref());
        if verdict == Verdict::Allowed {
            tables.apply(at, &event.post, head, &event.fingerprint)?;
        }
        tables.leave_receipt(at, &event.post, reason);
        Ok(match (verdict, reason) {
            (_, Reason::None) if verdict == Verdict::Exists => Outcome::Skipped,
            (_, Reason::None) => Outcome::Applied,
            (_, reason) => Outcome::Rejected(reason),
        })
    }
}

/// The verdict, with the reason that the receipt gives.
fn verdict(event: &Event, head: Option<&PostHead>) -> (Verdict, Reason) {
    let verdict = judge(&event.post, head);
    let is_same = head.is_some_and(|head| head.fingerprint == event.fingerprint);
    let reason = match &verdict {
        Verdict::Exists if is_same => Reason::None,
        Verdict::Exists if event.post.has_derived_id() => Reason::KeyReused,
        Verdict::Exists => Reason::IdTaken,
        Verdict::Rejected(reason) => *reason,
        Verdict::Allowed => Reason::None,
    };
    (verdict, reason)
}

impl Tables {
    fn apply(
        &mut self,
        at: Position,
        event: &PostEvent,
        head: Option<PostHead>,
        fingerprint: &str,
    ) -> Result<(), Interrupt> {
        match (&event.action, head) {
            (Action::Created { content, hashtags }, _) => {
                let head = PostHead {
                    life: Life::Live,
                    user_id: event.user_id.clone(),
                    version: 1,
                    created_at: event.time,
                    edited_at: Timestamp::NEVER,
                    fingerprint: fingerprint.to_owned(),
                };
                let version = PostVersion {
                    content: content.clone(),
                    hashtags: hashtags.clone(),
                    at: event.time,
                };
                self.put_authored(event, &head, false);
                self.put_post(event, head, Some(version));
            }
            (Action::Edited { content, hashtags, .. }, Some(head)) => {
                let version = self.edited(event, &head, content.as_ref(), hashtags.as_ref())?;
                let head = PostHead { version: head.version + 1, edited_at: event.time, ..head };
                self.put_post(event, head, Some(version));
            }
            (Action::Deleted, Some(head)) => {
                let head = PostHead { life: Life::Deleted, ..head };
                self.put_authored(event, &head, true);
                self.put_post(event, head, None);
            }
            _ => {}
        }
        let row = PostEventRow {
            event_type: event_type(&event.action).to_owned(),
            user_id: event.user_id.clone(),
            at: event.time,
        };
        self.events.put_row((event.post_id.clone(),), (at.offset,), row);
        Ok(())
    }

    /// The new version. Only an edit that leaves something as it was reads the old one.
    fn edited(
        &self,
        event: &PostEvent,
        head: &PostHead,
        content: Option<&String>,
        hashtags: Option<&Vec<String>>,
    ) -> Result<PostVersion, Interrupt> {
        let old = match (content, hashtags) {
            (Some(_), Some(_)) => None,
            _ => self.posts.row(&(event.post_id.clone(),), &(head.version,))?,
        };
        let content = content.or(old.map(|old| &old.content)).cloned();
        let hashtags = hashtags.or(old.map(|old| &old.hashtags)).cloned();
        Ok(PostVersion {
            content: content.unwrap_or_default(),
            hashtags: hashtags.unwrap_or_default(),
            at: event.time,
        })
    }

    fn put_post(&mut self, event: &PostEvent, head: PostHead, version: Option<PostVersion>) {
        let partition = (event.post_id.clone(),);
        if let Some(version) = version {
            self.posts.put_row(partition.clone(), (head.version,), version);
        }
        self.posts.put_head(partition, head);
    }

    fn put_authored(&mut self, event: &PostEvent, head: &PostHead, gone: bool) {
        if head.user_id.is_empty() {
            return;
        }
        let key = (head.created_at, event.post_id.clone());
        self.by_author.put_row((head.user_id.clone(),), key, AuthoredPost { gone });
    }

    fn leave_receipt(&mut self, at: Position, event: &PostEvent, reason: Reason) {
        let outcome = match reason {
            Reason::None => ReceiptOutcome::Applied,
            _ => ReceiptOutcome::Rejected,
        };
        let receipt = Receipt { event_id: event.event_id.clone(), outcome, reason };
        self.receipts.put_head(Receipts::key(at), receipt);
    }
}

const fn event_type(action: &Action) -> &'static str {
    match action {
        Action::Created { .. } => "created",
        Action::Edited { .. } => "edited",
        Action::Deleted => "deleted",
        Action::Liked => "liked",
        Action::Unliked => "unliked",
    }
}

/// SHA-256 over what a create says, each part preceded by its length.
fn fingerprint(user_id: &str, content: &str, hashtags: &[String]) -> String {
    let mut hash = Sha256::new();
    let parts = [user_id, content].into_iter().chain(hashtags.iter().map(String::as_str));
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    URL_SAFE_NO_PAD.encode(hash.finalize())
}
