//! Whether an event is allowed, judged alike by every projection.

use hubbub_events::{Action, PostEvent};
use hubbub_tables::{Life, Reason, analysis::AnalysisHead, likes::LikesHead, posts::PostHead};

/// How a post stands before an event: the part of a head that judges.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Standing<'a> {
    pub life: Life,
    pub user_id: &'a str,
    pub version: i64,
}

impl<'a> From<&'a PostHead> for Standing<'a> {
    fn from(head: &'a PostHead) -> Self {
        Self { life: head.life, user_id: &head.user_id, version: head.version }
    }
}

impl<'a> From<&'a AnalysisHead> for Standing<'a> {
    fn from(head: &'a AnalysisHead) -> Self {
        Self { life: head.life, user_id: &head.user_id, version: head.version }
    }
}

impl<'a> From<&'a LikesHead> for Standing<'a> {
    fn from(head: &'a LikesHead) -> Self {
        Self { life: head.life, user_id: &head.user_id, version: head.version }
    }
}

/// What an event may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// What it asks for.
    Allowed,
    /// Nothing: a create of an id that a live post has. A retry, or another post.
    Exists,
    /// Nothing.
    Rejected(Reason),
}

pub(crate) fn judge<'a>(event: &PostEvent, head: Option<impl Into<Standing<'a>>>) -> Verdict {
    let is_create = matches!(event.action, Action::Created { .. });
    let post: Standing<'_> = match head {
        None if is_create => return Verdict::Allowed,
        None => return Verdict::Rejected(Reason::NotFound),
        Some(head) => head.into(),
    };
    match (post.life, is_create) {
        (Life::Deleted, true) => return Verdict::Rejected(Reason::IdTaken),
        (Life::Deleted, false) => return Verdict::Rejected(Reason::Gone),
        (Life::Live, true) => return Verdict::Exists,
        (Life::Live, false) => {}
    }
    match &event.action {
        Action::Liked | Action::Unliked => Verdict::Allowed,
        // A post of nobody's has an empty author, so only a request of nobody's passes.
        _ if event.user_id != post.user_id => Verdict::Rejected(Reason::NotAuthor),
        Action::Edited { expected_version: Some(seen), .. } if *seen != post.version => {
            Verdict::Rejected(Reason::VersionMoved)
        }
        _ => Verdict::Allowed,
    }
}
