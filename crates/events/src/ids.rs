//! Ids of posts, users and events: a client's own, minted, or derived from an
//! idempotency key.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::limits::ID_MAX_BYTES;

/// The first character of a derived id; no client can choose it.
const DERIVED: char = '~';
/// `.` and `..` are eaten by URL normalisation; `batch` is a route of its own.
const RESERVED: [&str; 3] = [".", "..", "batch"];

/// The id of a post or of a user: 1 to 128 of `A–Z a–z 0–9 . _ : -`, or derived.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(String);

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// No characters.
    #[error("an id is empty; allowed are 1 to 128 of A–Z a–z 0–9 . _ : -")]
    Empty,
    /// More than 128 bytes.
    #[error("an id has {0} bytes; allowed are 1 to 128 of A–Z a–z 0–9 . _ : -")]
    TooLong(usize),
    /// A character outside the alphabet.
    #[error("{character:?} in the id {id:?}; allowed are 1 to 128 of A–Z a–z 0–9 . _ : -")]
    Character {
        /// The id as it was given.
        id: String,
        /// The first character that is not allowed.
        character: char,
    },
    /// One of the ids that would hide a route.
    #[error("the id {0:?} is reserved, as are \".\", \"..\" and \"batch\"")]
    Reserved(String),
}

impl Id {
    /// An id as a client may choose it.
    ///
    /// # Errors
    /// Where the text is empty, too long, reserved, or has another character.
    pub fn client(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        match text.len() {
            0 => return Err(IdError::Empty),
            1..=ID_MAX_BYTES => {}
            length => return Err(IdError::TooLong(length)),
        }
        if let Some(character) = text.chars().find(|c| !is_allowed(*c)) {
            return Err(IdError::Character { id: text, character });
        }
        if RESERVED.contains(&text.as_str()) {
            return Err(IdError::Reserved(text));
        }
        Ok(Self(text))
    }

    /// An id of either form, as paths and records hold them.
    ///
    /// # Errors
    /// As [`Id::client`].
    pub fn any(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        if is_derived(&text) {
            return Ok(Self(text));
        }
        Self::client(text)
    }

    /// A new id: UUID v7, so that ids made later sort later.
    #[must_use]
    pub fn mint() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    /// The id that every retry of the same user's same key gets: `~` and the SHA-256
    /// of both. `index` tells the items of one batch apart.
    #[must_use]
    pub fn derived(user_id: &str, key: &str, index: Option<usize>) -> Self {
        let mut hash = Sha256::new();
        for part in [user_id, key] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        if let Some(index) = index {
            hash.update((index as u64).to_le_bytes());
        }
        Self(format!("{DERIVED}{}", URL_SAFE_NO_PAD.encode(hash.finalize())))
    }

    /// Whether it was derived from an idempotency key.
    #[must_use]
    pub fn is_derived(&self) -> bool {
        self.0.starts_with(DERIVED)
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As owned text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A new event id: UUID v7.
#[must_use]
pub fn mint_event_id() -> String {
    Uuid::now_v7().to_string()
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-')
}

/// `~` and 43 characters of base64url: 256 bits.
pub(crate) fn is_derived(text: &str) -> bool {
    text.strip_prefix(DERIVED).is_some_and(|hash| {
        hash.len() == 43
            && hash.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_may_choose() {
        for good in ["123", "a", "A.b_c:d-e", "...", &"x".repeat(128)] {
            assert_eq!(Id::client(good).map(Id::into_string), Ok(good.to_owned()));
        }
        for bad in ["", ".", "..", "batch", "a b", "a/b", "é", "~x", "a\0", &"x".repeat(129)] {
            assert!(Id::client(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn derived_ids_are_stable_distinct_and_not_a_clients() {
        let id = Id::derived("u", "k", None);
        assert_eq!(id, Id::derived("u", "k", None));
        assert!(id.is_derived());
        assert_eq!(Id::any(id.as_str()), Ok(id.clone()));
        assert!(Id::client(id.as_str()).is_err());
        for other in [
            Id::derived("u", "k", Some(0)),
            Id::derived("uk", "", None),
            Id::derived("", "uk", None),
        ] {
            assert_ne!(id, other);
        }
    }
}
