//! What the check finds wrong: which invariant does not hold, and the shortest story that shows it.

use std::{error, fmt};

use super::Said;

/// What must hold of everything that can be read, whatever failed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invariant {
    /// I1.
    Durability,
    /// I2.
    Likes,
    /// I3.
    Analysis,
    /// I4.
    Uniqueness,
    /// I5.
    Consistency,
}

/// Whose invariant it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// That of the post of this id.
    Post(String),
    /// That of this author.
    Author(String),
}

/// Something that does not follow from what was said.
#[derive(Clone)]
pub struct Violation {
    /// What does not hold.
    pub invariant: Invariant,
    /// Of whom.
    pub subject: Subject,
    /// What follows from what was said.
    pub expected: String,
    /// What there is instead.
    pub seen: String,
    /// The requests that it follows from, and no others, in the order in which they were sent.
    pub story: Vec<Said>,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Durability => {
                "I1: every acknowledged write is queryable after healing; what was refused is not there"
            }
            Self::Likes => {
                "I2: a post's like count is the number of distinct users whose last word on it is a like"
            }
            Self::Analysis => {
                "I3: a post's analysis is the pure function of its last edit; a deleted post has none \
                 and never comes back; an author's totals are those of the live posts"
            }
            Self::Uniqueness => {
                "I4: there are no duplicate ids, and the same idempotency key gives the same id and body"
            }
            Self::Consistency => "I5: monotonic reads and read-your-writes per consistency token",
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Post(id) => write!(f, "post {id}"),
            Self::Author(name) => write!(f, "author {name}"),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { invariant, subject, expected, seen, story } = self;
        writeln!(f, "violated {invariant}")?;
        writeln!(f, "  {subject}")?;
        for said in story {
            writeln!(f, "  {said}")?;
        }
        writeln!(f, "  expected: {expected}")?;
        write!(f, "  seen:     {seen}")
    }
}

/// The story itself, so that a test that unwraps tells it.
impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl error::Error for Violation {}
