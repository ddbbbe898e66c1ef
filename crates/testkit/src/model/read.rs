//! The model's state, as a store holds it.

use std::collections::BTreeMap;

use hubbub_events::{Position, Topic};
use hubbub_tables::{
    AuthorAnalysis, Build, Life, PostAnalysis, PostEvents, PostLikes, Posts, PostsByAuthor,
    Receipts, posts::ReceiptOutcome,
};

use super::{Model, Post, Sums};
use crate::memory_store::MemoryStore;

/// What the projection `analysis` says of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analyzed {
    /// Whether the post was deleted.
    pub is_deleted: bool,
    /// The author.
    pub author: String,
    /// Counts from 1.
    pub version: i64,
    /// Words, and their length.
    pub words: (i64, i64),
}

/// What the projection `likes` says of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Liked {
    /// Whether the post was deleted.
    pub is_deleted: bool,
    /// The author.
    pub author: String,
    /// Counts from 1.
    pub version: i64,
    /// How many like it.
    pub count: i64,
    /// Who does, in order.
    pub likers: Vec<String>,
}

impl Model {
    /// What the projection `analysis` must hold.
    #[must_use]
    pub fn analyzed(&self) -> BTreeMap<String, Analyzed> {
        let posts = self.posts.iter().map(|(id, post)| {
            let version = post.versions.len() as i64;
            let (is_deleted, author) = (post.is_deleted, post.author.clone());
            (id.clone(), Analyzed { is_deleted, author, version, words: post.words() })
        });
        posts.collect()
    }

    /// What the projection `likes` must hold.
    #[must_use]
    pub fn liked(&self) -> BTreeMap<String, Liked> {
        let posts = self.posts.iter().map(|(id, post)| {
            let liked = Liked {
                is_deleted: post.is_deleted,
                author: post.author.clone(),
                version: post.versions.len() as i64,
                count: post.likers.len() as i64,
                likers: post.likers.iter().cloned().collect(),
            };
            (id.clone(), liked)
        });
        posts.collect()
    }

    /// Asserts that the tables of the projection `posts` hold this.
    ///
    /// # Panics
    /// Where they do not.
    pub fn assert_posts(&self, store: &MemoryStore, build: Build) {
        let found = read_posts(store, build);
        let posts = self
            .posts
            .iter()
            .map(|(id, post)| (id.clone(), Post { likers: Default::default(), ..post.clone() }));
        assert_eq!(found.posts, posts.collect(), "posts");
        assert_eq!(found.receipts, self.receipts, "receipts");
        assert_eq!(found.events, self.events, "events");

        let authored = store.rows_of::<PostsByAuthor>(build).into_iter();
        let authored =
            authored.map(|((author,), (time, id), row)| (id, (author, time.0, row.record.gone)));
        let named =
            self.posts.iter().filter(|(_, post)| !post.author.is_empty()).map(|(id, post)| {
                (id.clone(), (post.author.clone(), post.created_at, post.is_deleted))
            });
        assert_eq!(authored.collect::<BTreeMap<_, _>>(), named.collect(), "posts by author");
    }

    /// Asserts that the tables of the projection `analysis` hold this.
    ///
    /// # Panics
    /// Where they do not.
    pub fn assert_analysis(&self, store: &MemoryStore, build: Build) {
        let heads = store.heads_of::<PostAnalysis>(build).into_iter();
        let found = heads.map(|((id,), head)| {
            let head = head.record;
            let analyzed = Analyzed {
                is_deleted: head.life == Life::Deleted,
                author: head.user_id,
                version: head.version,
                words: (head.word_count, head.char_sum),
            };
            (id, analyzed)
        });
        assert_eq!(found.collect::<BTreeMap<_, _>>(), self.analyzed(), "analysis");

        let mut totals = BTreeMap::<String, Sums>::new();
        for ((author,), _, row) in store.rows_of::<AuthorAnalysis>(build) {
            let sum = totals.entry(author).or_default();
            let row = row.record;
            *sum = (sum.0 + row.posts, sum.1 + row.words, sum.2 + row.chars);
        }
        assert_eq!(totals, self.totals(), "totals");
    }

    /// Asserts that the table of the projection `likes` holds this.
    ///
    /// # Panics
    /// Where it does not.
    pub fn assert_likes(&self, store: &MemoryStore, build: Build) {
        let heads = store.heads_of::<PostLikes>(build).into_iter();
        let mut found: BTreeMap<_, _> = heads
            .map(|((id,), head)| {
                let head = head.record;
                let liked = Liked {
                    is_deleted: head.life == Life::Deleted,
                    author: head.user_id,
                    version: head.version,
                    count: head.like_count,
                    likers: Vec::new(),
                };
                (id, liked)
            })
            .collect();
        for ((id,), (user,), row) in store.rows_of::<PostLikes>(build) {
            if let Some(post) = found.get_mut(&id)
                && row.record.liked
            {
                post.likers.push(user);
            }
        }
        assert_eq!(found, self.liked(), "likes");
    }
}

fn read_posts(store: &MemoryStore, build: Build) -> Model {
    let mut found = Model::default();
    for ((id,), head) in store.heads_of::<Posts>(build) {
        let head = head.record;
        let post = Post {
            is_deleted: head.life == Life::Deleted,
            author: head.user_id,
            created_at: head.created_at.0,
            edited_at: head.edited_at.0,
            ..Post::default()
        };
        let rows = store.rows_of::<Posts>(build).into_iter().filter(|(of, ..)| of.0 == id);
        let versions: Vec<_> = rows
            .map(|(_, (version,), row)| (version, row.record))
            .inspect(|(version, _)| assert!(*version <= head.version, "{id} has version {version}"))
            .map(|(_, row)| (row.content, row.hashtags, row.at.0))
            .collect();
        assert_eq!(versions.len() as i64, head.version, "the versions of {id}");
        found.posts.insert(id, Post { versions, ..post });
    }
    for ((id,), (offset,), row) in store.rows_of::<PostEvents>(build) {
        found.events.insert((id, offset), (row.record.event_type, row.record.user_id));
    }
    for ((_, _, partition, offset), receipt) in store.heads_of::<Receipts>(build) {
        let receipt = receipt.record;
        let text = match receipt.outcome {
            ReceiptOutcome::Applied => "applied".to_owned(),
            ReceiptOutcome::Rejected => kebab(&format!("{:?}", receipt.reason)),
        };
        found.receipts.insert(Position { topic: Topic::Posts, partition, offset }, text);
    }
    found
}

/// `VersionMoved` as `version-moved`.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(c.to_lowercase());
    }
    text
}
