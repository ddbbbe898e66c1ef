//! The table of the projection `likes`.

use serde::{Deserialize, Serialize};

use crate::{Life, Table};

/// The likes of each post: the head counts them, a row is one user's last word.
/// Deciding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostLikes;

impl Table for PostLikes {
    const NAME: &'static str = "post_likes";
    const PARTITION: &'static [&'static str] = &["post_id"];
    const CLUSTERING: &'static [&'static str] = &["liked_by"];
    const IS_CACHED: bool = true;
    type Partition = (String,);
    type Clustering = (String,);
    type Head = LikesHead;
    type Row = Like;
}

/// How a post stands, and how many users like it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LikesHead {
    /// Live or deleted.
    pub life: Life,
    /// The author; empty where nobody was named.
    pub user_id: String,
    /// Counts from 1, and moves with every applied edit.
    pub version: i64,
    /// The number of users whose last word is a like.
    pub like_count: i64,
}

impl LikesHead {
    /// That of a post just created.
    #[must_use]
    pub fn created_by(user_id: &str) -> Self {
        Self { life: Life::Live, user_id: user_id.to_owned(), version: 1, like_count: 0 }
    }
}

/// A user's last word on a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Like {
    /// A like, or its withdrawal.
    pub liked: bool,
}
