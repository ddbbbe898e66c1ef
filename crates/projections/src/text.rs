//! The text analyzer: what counts as a word of a post, and how long it is.
//!
//! The text is normalized to NFC and cut at the word boundaries of
//! [UAX #29](https://www.unicode.org/reports/tr29/); a word is a segment with at least one
//! alphanumeric character, and its length is counted in Unicode scalar values. So `can't`,
//! `3.14` and `foo_bar` are one word each, canonically equivalent texts have the same numbers,
//! and in scripts that UAX #29 does not segment (Han, Thai) every character or cluster is a word.

mod ascii;

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use unicode_segmentation::UnicodeSegmentation;

/// The name of these rules, stored beside every number they made.
///
/// Whatever changes a number for any text, newer Unicode tables included, needs a new name.
pub const ANALYZER: &str = "uax29-nfc/1";

/// What the analyzer counts in a text.
///
/// Sums, not averages, so that texts can be added up exactly: the average word length is
/// `chars / count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Words {
    /// The number of words.
    pub count: i64,
    /// The length of all words together, in Unicode scalar values of the NFC text.
    pub chars: i64,
}

/// Counts the words of `content` by the rules of [`ANALYZER`], in time linear in its length.
pub fn analyze(content: &str) -> Words {
    // ASCII is always NFC, and its boundaries need no look beyond the neighbouring byte.
    if content.is_ascii() {
        return ascii::analyze(content.as_bytes());
    }
    let mut words = Words::default();
    for segment in nfc(content).split_word_bounds() {
        if segment.contains(char::is_alphanumeric) {
            words.count += 1;
            words.chars += segment.chars().count() as i64;
        }
    }
    words
}

/// Most text is NFC already and is not copied.
fn nfc(text: &str) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    }
}
