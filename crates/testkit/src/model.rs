//! What the tables must hold after a list of events, said as plainly as possible.
//!
//! Written from the rules and not from the folds: [`Model::happened`] knows no
//! positions that rows reflect, no views and no order of writes. [`Model::assert_posts`]
//! and its like find the same in a store, as a reader would.

mod read;

pub use read::{Analyzed, Liked};

use std::collections::{BTreeMap, BTreeSet};

use hubbub_events::{Action, Offset, Position, PostEvent};

/// The state of the world.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// Every post that ever was, by its id.
    pub posts: BTreeMap<String, Post>,
    /// What became of each event: `applied`, or why it was rejected.
    pub receipts: BTreeMap<Position, String>,
    /// What happened to each post: what, and who did it.
    pub events: BTreeMap<(String, Offset), (String, String)>,
}

/// A post.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Post {
    /// Whether it was deleted.
    pub is_deleted: bool,
    /// Empty where nobody was named.
    pub author: String,
    /// When it was created.
    pub created_at: i64,
    /// When it was last edited, 0 for never.
    pub edited_at: i64,
    /// Its versions: content, hashtags and time.
    pub versions: Vec<(String, Vec<String>, i64)>,
    /// Who likes it.
    pub likers: BTreeSet<String>,
}

/// Posts, words and characters.
pub type Sums = (i64, i64, i64);

impl Model {
    /// One event happens.
    pub fn happened(&mut self, at: Position, event: &PostEvent) {
        let verdict = self.judge(event);
        let is_new = !matches!(event.action, Action::Created { .. })
            || !self.posts.contains_key(&event.post_id);
        if verdict == "applied" && is_new {
            self.apply(at, event);
        }
        self.receipts.insert(at, verdict.to_owned());
    }

    fn judge(&self, event: &PostEvent) -> &'static str {
        let post = self.posts.get(&event.post_id);
        match (&event.action, post) {
            (Action::Created { .. }, None) => "applied",
            (Action::Created { .. }, Some(post)) if post.is_deleted => "id-taken",
            (Action::Created { content, hashtags }, Some(post)) => {
                let (first, first_hashtags, _) = &post.versions[0];
                let is_same =
                    (first, first_hashtags) == (content, hashtags) && post.author == event.user_id;
                match (is_same, event.post_id.starts_with('~')) {
                    (true, _) => "applied",
                    (false, true) => "key-reused",
                    (false, false) => "id-taken",
                }
            }
            (_, None) => "not-found",
            (_, Some(post)) if post.is_deleted => "gone",
            (Action::Liked | Action::Unliked, _) => "applied",
            (_, Some(post)) if post.author != event.user_id => "not-author",
            (Action::Edited { expected_version: Some(seen), .. }, Some(post))
                if *seen != post.versions.len() as i64 =>
            {
                "version-moved"
            }
            _ => "applied",
        }
    }

    fn apply(&mut self, at: Position, event: &PostEvent) {
        let time = event.time.0;
        let post = self.posts.entry(event.post_id.clone()).or_default();
        let what = match &event.action {
            Action::Created { content, hashtags } => {
                post.author.clone_from(&event.user_id);
                post.created_at = time;
                post.versions.push((content.clone(), hashtags.clone(), time));
                "created"
            }
            Action::Edited { content, hashtags, .. } => {
                let (old_content, old_hashtags, _) = post.versions[post.versions.len() - 1].clone();
                let content = content.clone().unwrap_or(old_content);
                let hashtags = hashtags.clone().unwrap_or(old_hashtags);
                post.versions.push((content, hashtags, time));
                post.edited_at = time;
                "edited"
            }
            Action::Deleted => {
                post.is_deleted = true;
                "deleted"
            }
            Action::Liked => {
                post.likers.insert(event.user_id.clone());
                "liked"
            }
            Action::Unliked => {
                post.likers.remove(&event.user_id);
                "unliked"
            }
        };
        let key = (event.post_id.clone(), at.offset);
        self.events.insert(key, (what.to_owned(), event.user_id.clone()));
    }

    /// Each author's live posts added up; those of nobody are nobody's.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<String, Sums> {
        let mut totals = BTreeMap::<_, Sums>::new();
        for post in self.posts.values().filter(|post| !post.author.is_empty()) {
            let sum = totals.entry(post.author.clone()).or_default();
            if !post.is_deleted {
                let (words, chars) = post.words();
                *sum = (sum.0 + 1, sum.1 + words, sum.2 + chars);
            }
        }
        totals
    }
}

impl Post {
    /// The words of its last version and their length: simulated contents are plain
    /// words with spaces between them.
    #[must_use]
    pub fn words(&self) -> (i64, i64) {
        let content = self.versions.last().map_or("", |(content, ..)| content);
        let words = content.split_whitespace();
        words.fold((0, 0), |(words, chars), word| (words + 1, chars + word.chars().count() as i64))
    }
}
