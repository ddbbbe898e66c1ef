//! The hashtags of a post: what one is, and how it is written.
//!
//! A hashtag is a run of XID_Continue characters ([UAX #31]: letters, digits, marks and `_` of
//! every script), not digits alone. It is kept without its `#` and case-folded, so `#Straße` and
//! `STRASSE` are one hashtag. The folding is Unicode's canonical one (section 3.13, D145), put
//! into NFC: full folding, which lowercasing is not, and without any language's own rules.
//!
//! [UAX #31]: https://www.unicode.org/reports/tr31/

use caseless::Caseless;
use unicode_ident::is_xid_continue;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The different hashtags that a post has at most.
pub const MAX_HASHTAGS: usize = 30;

/// The length of a case-folded hashtag at most, in Unicode scalar values, its `#` not counted.
pub const MAX_HASHTAG_CHARS: usize = 100;

/// Of a value that is not allowed, the characters that its error repeats.
const SHOWN_CHARS: usize = 40;

/// Why a list of hashtags is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashtagError {
    /// An element is no hashtag.
    #[error("hashtags[{index}] is {value:?}: {fault}")]
    NotAHashtag {
        /// Its place in the list, from 0.
        index: usize,
        /// The element, shortened.
        value: String,
        /// What is wrong with it.
        fault: Fault,
    },
    /// There are more than [`MAX_HASHTAGS`] different ones.
    #[error(
        "hashtags[{index}] is {value:?}, one more than the {max} different hashtags allowed",
        max = MAX_HASHTAGS
    )]
    TooMany {
        /// The place in the list of the first one too many, from 0.
        index: usize,
        /// That element, shortened.
        value: String,
    },
}

/// What keeps a text from being a hashtag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing but perhaps a `#`.
    #[error("a hashtag has at least one character after its optional #")]
    Empty,
    /// More than [`MAX_HASHTAG_CHARS`] characters.
    #[error(
        "a hashtag has at most {max} characters, case-folded and without its #",
        max = MAX_HASHTAG_CHARS
    )]
    TooLong,
    /// A character that is not XID_Continue.
    #[error("{0:?} is not allowed in a hashtag, only letters, digits, marks and underscores")]
    Character(char),
    /// The first character combines with what stands before it, the `#`.
    #[error("a hashtag begins with a letter, a digit or an underscore, not with a combining mark")]
    LeadingMark,
    /// Digits alone, as in `#1`.
    #[error("a hashtag is not made of digits alone")]
    Digits,
}

/// The hashtags that a request names in a field, each with or without its `#`, as they are kept:
/// case-folded, in their order, each once.
pub fn normalize_field(tags: &[String]) -> Result<Vec<String>, HashtagError> {
    let mut kept = Vec::new();
    for (index, tag) in tags.iter().enumerate() {
        let name = tag.strip_prefix('#').unwrap_or(tag);
        let folded = normalize(name).map_err(|fault| HashtagError::NotAHashtag {
            index,
            value: shorten(tag),
            fault,
        })?;
        if kept.contains(&folded) {
            continue;
        }
        if kept.len() == MAX_HASHTAGS {
            return Err(HashtagError::TooMany { index, value: shorten(tag) });
        }
        kept.push(folded);
    }
    Ok(kept)
}

/// The first [`MAX_HASHTAGS`] hashtags in a text, case-folded, by first appearance, each once.
///
/// A `#` right after a word, `&` or `/` is part of that word, entity or address, as in `C#major`,
/// `&#39;` and `/page#part`, and starts no hashtag. Of several `#` the last one counts: `##a` has
/// the hashtag `a`. What is too long, or digits alone, is ordinary text.
pub fn in_text(content: &str) -> Vec<String> {
    let mut tags = Vec::new();
    for (at, sign) in content.match_indices('#') {
        if tags.len() == MAX_HASHTAGS {
            break;
        }
        if content[..at].ends_with(claims_sign) {
            continue;
        }
        let after = &content[at + sign.len()..];
        let name = after.split(|c| !is_xid_continue(c)).next().unwrap_or(after);
        if let Ok(tag) = normalize(name) {
            push_new(&mut tags, tag);
        }
    }
    tags
}

/// The hashtags of a post: those of its field, as [`normalize_field`] answers them, then those in
/// its text, each once, the first [`MAX_HASHTAGS`].
pub fn of_post(field: &[String], content: &str) -> Vec<String> {
    let mut tags = Vec::new();
    for tag in field.iter().cloned().chain(in_text(content)) {
        push_new(&mut tags, tag);
    }
    tags.truncate(MAX_HASHTAGS);
    tags
}

fn push_new(tags: &mut Vec<String>, tag: String) {
    if !tags.contains(&tag) {
        tags.push(tag);
    }
}

/// Whether a `#` right after this character belongs to it.
fn claims_sign(before: char) -> bool {
    // The selectors of text and emoji style are XID_Continue, but end a symbol and not a word.
    let style = matches!(before, '\u{FE0E}' | '\u{FE0F}');
    matches!(before, '&' | '/') || (is_xid_continue(before) && !style)
}

/// A hashtag as it is kept, from its name without `#`.
fn normalize(name: &str) -> Result<String, Fault> {
    let Some(first) = name.chars().next() else {
        return Err(Fault::Empty);
    };
    if let Some(other) = name.chars().find(|&c| !is_xid_continue(c)) {
        return Err(Fault::Character(other));
    }
    // The emoji of a `#` key is a `#` with marks: it must not be a hashtag of those marks.
    if is_combining_mark(first) {
        return Err(Fault::LeadingMark);
    }
    if name.chars().all(char::is_numeric) {
        return Err(Fault::Digits);
    }
    let folded = fold(name);
    // Folding can lengthen. What is kept must be allowed again when it is sent again.
    if folded.chars().count() > MAX_HASHTAG_CHARS {
        return Err(Fault::TooLong);
    }
    Ok(folded)
}

fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.nfd().default_case_fold().nfc().collect()
}

fn shorten(value: &str) -> String {
    match value.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}
