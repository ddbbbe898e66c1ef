//! The words of ASCII text in one pass over its bytes.
//!
//! Within ASCII the rules of UAX #29 are local. Letters, digits and `_` stay together (WB5, WB8
//! to WB10, WB13a, WB13b); `:`, `.` and `'` stay with a letter on both sides (WB6, WB7), and
//! `,`, `;`, `.` and `'` with a digit on both sides (WB11, WB12); everything else ends a word.
//! The characters that WB4 looks through (Extend, Format, ZWJ) are all outside ASCII.

use super::Words;

const LETTER: u8 = 1;
const DIGIT: u8 = 1 << 1;
const UNDERSCORE: u8 = 1 << 2;
/// `:`, `.` and `'`: MidLetter and MidNumLetQ.
const JOINS_LETTERS: u8 = LETTER << JOIN_SHIFT;
/// `,`, `;`, `.` and `'`: MidNum and MidNumLetQ.
const JOINS_DIGITS: u8 = DIGIT << JOIN_SHIFT;
/// Moves what a byte joins onto the bits of what its neighbours must both be.
const JOIN_SHIFT: u32 = 3;

const ALPHANUMERIC: u8 = LETTER | DIGIT;
const CORE: u8 = ALPHANUMERIC | UNDERSCORE;

/// Anything else: a segment of its own, or the end of the text.
const NOTHING: u8 = 0;

/// What each byte is. Bytes beyond ASCII are nothing, and do not occur.
const CLASS: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [NOTHING; 256];
    let mut byte = 0;
    while byte < 128 {
        classes[byte] = match byte as u8 {
            b'A'..=b'Z' | b'a'..=b'z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'_' => UNDERSCORE,
            b':' => JOINS_LETTERS,
            b',' | b';' => JOINS_DIGITS,
            b'.' | b'\'' => JOINS_LETTERS | JOINS_DIGITS,
            _ => NOTHING,
        };
        byte += 1;
    }
    classes
}

/// Counts the words of ASCII text.
pub(super) fn analyze(text: &[u8]) -> Words {
    let mut scan = Scan::default();
    for &byte in text {
        scan.push(CLASS[usize::from(byte)]);
    }
    scan.push(NOTHING);
    scan.words
}

/// A byte is judged when the one after it is known. Free of branches, for in real text the end
/// of a word is what a processor cannot predict.
#[derive(Default)]
struct Scan {
    words: Words,
    /// Of the segment up to `previous`, 0 outside of one.
    length: i64,
    /// Whether that segment has an alphanumeric, as underscores alone are no word.
    in_word: bool,
    previous: u8,
    current: u8,
}

impl Scan {
    #[inline]
    fn push(&mut self, next: u8) {
        let joins = (self.current >> JOIN_SHIFT) & self.previous & next;
        let in_segment = (self.current & CORE) | joins != 0;
        let word_starts = !self.in_word & (self.current & ALPHANUMERIC != 0);
        self.in_word = in_segment & (self.in_word | word_starts);
        self.length = if in_segment { self.length + 1 } else { 0 };
        self.words.count += i64::from(word_starts);
        // A word that starts brings the underscores before its first alphanumeric.
        self.words.chars += if word_starts { self.length } else { i64::from(self.in_word) };
        self.previous = self.current;
        self.current = next;
    }
}
