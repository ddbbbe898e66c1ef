//! The tables of the projection `analysis`.

use serde::{Deserialize, Serialize};

use crate::{Life, Table};

/// The analysis of each post. Deciding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostAnalysis;

impl Table for PostAnalysis {
    const NAME: &'static str = "post_analysis";
    const PARTITION: &'static [&'static str] = &["post_id"];
    const IS_CACHED: bool = true;
    type Partition = (String,);
    type Clustering = ();
    type Head = AnalysisHead;
    type Row = ();
}

/// How a post stands, and what its words amount to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnalysisHead {
    /// Live or deleted.
    pub life: Life,
    /// The author; empty where nobody was named.
    pub user_id: String,
    /// Counts from 1, and moves with every applied edit.
    pub version: i64,
    /// The number of words.
    pub word_count: i64,
    /// The sum of their lengths, in Unicode scalar values.
    pub char_sum: i64,
    /// The definition of a word that was counted by.
    pub analyzer: String,
    /// Whether the analyzer failed on this version; then the numbers are 0.
    pub failed: bool,
}

impl AnalysisHead {
    /// That of a post just created, before its words are counted.
    #[must_use]
    pub fn created_by(user_id: &str) -> Self {
        Self {
            life: Life::Live,
            user_id: user_id.to_owned(),
            version: 1,
            word_count: 0,
            char_sum: 0,
            analyzer: String::new(),
            failed: false,
        }
    }
}

/// An author's totals, in partial sums: one row for each partition of the log that
/// holds posts of theirs, added up when reading. Derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthorAnalysis;

impl Table for AuthorAnalysis {
    const NAME: &'static str = "author_analysis";
    const PARTITION: &'static [&'static str] = &["user_id"];
    const CLUSTERING: &'static [&'static str] = &["source_partition"];
    type Partition = (String,);
    type Clustering = (i32,);
    type Head = ();
    type Row = AuthorTotals;
}

/// Totals over an author's live posts in one partition of the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorTotals {
    /// The number of live posts.
    pub posts: i64,
    /// The words in them.
    pub words: i64,
    /// The sum of the words' lengths, in Unicode scalar values.
    pub chars: i64,
}

impl AuthorTotals {
    /// The difference of two totals.
    #[must_use]
    pub const fn minus(&self, other: &Self) -> Self {
        Self {
            posts: self.posts - other.posts,
            words: self.words - other.words,
            chars: self.chars - other.chars,
        }
    }
}
