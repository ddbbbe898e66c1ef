//! The words of each post, and of each author's live posts.

use std::panic;

use hubbub_events::{Action, DecodeError, Position, PostEvent, Topic};
use hubbub_tables::{
    AuthorAnalysis, Life, PostAnalysis,
    analysis::{AnalysisHead, AuthorTotals},
};

use crate::{
    Interrupt, Outcome, Projection, View, Visitor,
    judge::{Verdict, judge},
    projection,
    text::{ANALYZER, Words, analyze},
};

/// The projection `analysis`.
#[derive(Debug, Clone, Copy)]
pub struct Analysis;

/// A post's event, with the words of its content.
#[derive(Debug)]
pub struct Event {
    post: PostEvent,
    words: Counted,
}

/// What analyzing an event's content came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counted {
    /// It has no content.
    Nothing,
    /// Its words.
    Words(Words),
    /// The analyzer panicked: an effect that failed, while the post itself stands.
    Failed,
}

/// The views of the projection `analysis`.
#[derive(Debug)]
pub struct Tables {
    posts: View<PostAnalysis>,
    authors: View<AuthorAnalysis>,
}

impl Default for Tables {
    fn default() -> Self {
        Self { posts: View::deciding(), authors: View::derived() }
    }
}

impl projection::Tables for Tables {
    fn visit<'a, V: Visitor<'a>>(&'a mut self, visitor: &mut V) {
        visitor.deciding(&mut self.posts);
        visitor.derived(&mut self.authors);
    }
}

impl Projection for Analysis {
    const NAME: &'static str = "analysis";
    const FOLD: i32 = 1;
    const TOPIC: Topic = Topic::Posts;
    type Event = Event;
    type Tables = Tables;

    fn decode(key: &[u8], value: &[u8]) -> Result<Event, DecodeError> {
        let post = PostEvent::decode(key, value)?;
        let content = match &post.action {
            Action::Created { content, .. } => Some(content),
            Action::Edited { content, .. } => content.as_ref(),
            _ => None,
        };
        let words = match content.map(|content| panic::catch_unwind(|| analyze(content))) {
            None => Counted::Nothing,
            Some(Ok(words)) => Counted::Words(words),
            Some(Err(_)) => Counted::Failed,
        };
        Ok(Event { post, words })
    }

    fn fold(at: Position, event: &Event, tables: &mut Tables) -> Result<Outcome, Interrupt> {
        let post_id = (event.post.post_id.clone(),);
        let old = tables.posts.head(&post_id)?.cloned();
        match judge(&event.post, old.as_ref()) {
            Verdict::Exists => return Ok(Outcome::Skipped),
            Verdict::Rejected(reason) => return Ok(Outcome::Rejected(reason)),
            Verdict::Allowed => {}
        }
        let Some(new) = analyzed(event, old.as_ref()) else {
            return Ok(Outcome::Skipped);
        };
        let change = totals(&new).minus(&old.as_ref().map(totals).unwrap_or_default());
        tables.add_to_author(at, &new.user_id, &change)?;
        tables.posts.put_head(post_id, new);
        match event.words {
            Counted::Failed => Ok(Outcome::DeadLetter(format!("{ANALYZER} panicked"))),
            _ => Ok(Outcome::Applied),
        }
    }
}

impl Tables {
    fn add_to_author(
        &mut self,
        at: Position,
        user_id: &str,
        change: &AuthorTotals,
    ) -> Result<(), Interrupt> {
        if user_id.is_empty() || *change == AuthorTotals::default() {
            return Ok(());
        }
        let (author, source) = ((user_id.to_owned(),), (at.partition,));
        let mut sum = self.authors.row(&author, &source)?.cloned().unwrap_or_default();
        sum.posts += change.posts;
        sum.words += change.words;
        sum.chars += change.chars;
        self.authors.put_row(author, source, sum);
        Ok(())
    }
}

/// The head after an allowed event; `None` where the event says nothing to it.
fn analyzed(event: &Event, old: Option<&AnalysisHead>) -> Option<AnalysisHead> {
    let new = match (&event.post.action, old) {
        (Action::Created { .. }, _) => AnalysisHead::created_by(&event.post.user_id),
        (Action::Edited { .. }, Some(old)) => {
            AnalysisHead { version: old.version + 1, ..old.clone() }
        }
        (Action::Deleted, Some(old)) => AnalysisHead { life: Life::Deleted, ..old.clone() },
        _ => return None,
    };
    let (words, failed) = match event.words {
        Counted::Nothing => return Some(new),
        Counted::Words(words) => (words, false),
        Counted::Failed => (Words::default(), true),
    };
    Some(AnalysisHead {
        word_count: words.count,
        char_sum: words.chars,
        analyzer: ANALYZER.to_owned(),
        failed,
        ..new
    })
}

/// What a post adds to its author's totals.
fn totals(post: &AnalysisHead) -> AuthorTotals {
    match post.life {
        Life::Deleted => AuthorTotals::default(),
        Life::Live => AuthorTotals { posts: 1, words: post.word_count, chars: post.char_sum },
    }
}
