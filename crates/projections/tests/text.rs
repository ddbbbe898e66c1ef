//! The analyzer held against Unicode's own data, and against a model of a few lines.

use std::time::{Duration, Instant};

use hubbub_projections::text::{ANALYZER, Words, analyze};
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// Unicode's word boundary tests, of the version that the analyzer segments by.
const WORD_BREAK_TEST: &str = include_str!("data/WordBreakTest-17.0.0.txt");

fn words(count: i64, chars: i64) -> Words {
    Words { count, chars }
}

/// What segments count for, wherever they come from.
fn counted<'a>(segments: impl Iterator<Item = &'a str>) -> Words {
    segments
        .filter(|segment| segment.chars().any(char::is_alphanumeric))
        .fold(Words::default(), |sum, word| {
            words(sum.count + 1, sum.chars + word.chars().count() as i64)
        })
}

/// The definition as it reads, without a way that is quicker for ASCII or NFC.
fn by_definition(text: &str) -> Words {
    let text: String = text.nfc().collect();
    counted(text.split_word_bounds())
}

/// The segments of one line of the data, as in `÷ 0061 × 0308 ÷ 0020 ÷`.
#[expect(clippy::unwrap_used, reason = "data that is no scalar value fails the test")]
fn segments(line: &str) -> Vec<String> {
    let (samples, _comment) = line.split_once('#').unwrap_or((line, ""));
    let mut segments = Vec::new();
    for sample in samples.split_whitespace() {
        match (sample, segments.last_mut()) {
            ("÷", _) => segments.push(String::new()),
            ("×", _) => {}
            (hex, Some(segment)) => {
                let scalar = u32::from_str_radix(hex, 16).unwrap();
                segment.push(char::from_u32(scalar).unwrap());
            }
            (hex, None) => panic!("{hex} before the first boundary: {line}"),
        }
    }
    // The data ends each line with a boundary.
    assert_eq!(segments.pop().as_deref(), Some(""), "{line}");
    segments
}

#[test]
fn the_words_are_those_of_unicodes_own_tests() {
    let mut lines = 0;
    for line in WORD_BREAK_TEST.lines().filter(|line| line.starts_with('÷')) {
        let segments = segments(line);
        // No composition reaches over a word boundary, so each segment has its own NFC.
        let composed: Vec<String> = segments.iter().map(|s| s.nfc().collect()).collect();
        let expected = counted(composed.iter().map(String::as_str));
        assert_eq!(analyze(&segments.concat()), expected, "{line}");
        lines += 1;
    }
    assert!(WORD_BREAK_TEST.contains(&format!("# Lines: {lines}\n")), "{lines} lines read");
}

/// Newer tables change the numbers of some texts: a new version here is a new analyzer's name.
#[test]
fn the_analyzer_names_one_version_of_unicode() {
    assert_eq!(ANALYZER, "uax29-nfc/1");
    assert_eq!(unicode_segmentation::UNICODE_VERSION, (17, 0, 0), "word boundaries");
    assert_eq!(char::UNICODE_VERSION, (17, 0, 0), "alphanumerics");
    assert_eq!(unicode_normalization::UNICODE_VERSION, (18, 0, 0), "normalization");
}

#[test]
fn text_without_words() {
    for text in
        ["", " ", "\r\n\t", "...", "_", "__ _", "-,;:'\"!?", "👍", "👩‍👩‍👧 🇫🇷", "\u{301}", "\0", "。、"]
    {
        assert_eq!(analyze(text), words(0, 0), "{text:?}");
    }
}

#[test]
fn ascii_words() {
    for (text, count, chars) in [
        ("This is a sample post.", 5, 17),
        ("can't won't 'tis dogs'", 4, 17),
        ("3.14 1,000 1;2 1:2 1'000 .5", 7, 20),
        ("a.b a:b a,b a;b a'b a..b a.1 1.a", 13, 19),
        ("foo_bar _x_ __ 1_000 a_.b", 5, 18),
        ("e.g. 127.0.0.1:9090 example.com", 4, 27),
        ("well-known\r\nline", 3, 13),
        ("a\0b\u{1}c\u{7f}d", 4, 4),
        ("x", 1, 1),
        ("x.", 1, 1),
        ("'x'", 1, 1),
    ] {
        assert_eq!(analyze(text), words(count, chars), "{text:?}");
    }
}

#[test]
fn words_of_many_scripts() {
    for (text, count, chars) in [
        ("Ça va déjà être l'été", 5, 17),
        ("Привет, мир!", 2, 9),
        ("Καλημέρα κόσμε", 2, 13),
        ("مرحبا بالعالم", 2, 12),
        ("שלום ד\"ר צ'כיה", 3, 12),
        ("नमस्ते दुनिया", 2, 12),
        ("안녕하세요 세계", 2, 7),
        ("東京は晴れ", 5, 5),
        ("カタカナ と ひらがな", 6, 9),
        ("สวัสดี", 4, 6),
        ("٣٫١٤ ١٬٠٠٠", 2, 9),
        ("１２３ ａｂｃ", 2, 6),
        ("½ Ⅳ x²", 4, 4),
        ("日本語 and English", 5, 13),
        ("go👍go 👨‍💻code 🇫🇷fr", 4, 10),
        ("a\u{ad}b a\u{200d}b c\u{2060}d", 3, 9),
        ("it’s l’eau", 2, 9),
    ] {
        assert_eq!(analyze(text), words(count, chars), "{text:?}");
    }
}

#[test]
fn composed_and_decomposed_text_count_alike() {
    for text in ["Ça va déjà", "Ångström Å Å", "안녕하세요", "Việt Nam", "ṩ s\u{307}\u{323}", "ΐ"]
    {
        let composed: String = text.nfc().collect();
        let decomposed: String = text.nfd().collect();
        assert_ne!(composed, decomposed, "{text:?} tests nothing");
        assert_eq!(analyze(&composed), analyze(&decomposed), "{text:?}");
    }
}

#[test]
fn the_longest_texts_take_no_longer_than_their_length() {
    const SIZE: usize = 64 * 1024;
    let longest = analyze(&"a".repeat(SIZE));
    assert_eq!(longest, words(1, SIZE as i64));
    assert_eq!(analyze(&"é".repeat(SIZE / 2)), words(1, SIZE as i64 / 2));
    assert_eq!(analyze(&"字".repeat(SIZE / 3)), words(SIZE as i64 / 3, SIZE as i64 / 3));

    // What makes a segmenter look ahead, or a normalizer sort. Linear, all of it takes a second;
    // with a step for every pair of characters, each text alone takes minutes.
    let started = Instant::now();
    for part in [
        "_",
        "a.",
        "1,",
        "\u{301}",
        "\u{301}\u{323}",
        "a\u{301}\u{323}",
        "a.\u{301}",
        "א\"",
        "\u{ad}",
        "\u{1f1e6}",
        "👨\u{200d}",
        "\r\u{301}",
        "ᄀ",
        "각\u{11a8}",
        " \u{301}",
    ] {
        let text = format!("a'{}", part.repeat(16 * SIZE / part.len()));
        assert!(analyze(&text).chars <= text.len() as i64, "{part:?}");
    }
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

/// One character of every class that the rules tell apart within ASCII.
const ASCII_CLASSES: &[u8] = b"aZ09_.:,;' \r\n\x0b\"-\0";

#[test]
fn every_short_ascii_text_counts_as_defined() {
    let classes = ASCII_CLASSES.len();
    for length in 0..=4 {
        for number in 0..classes.pow(length) {
            let text: String = (0..length)
                .map(|place| char::from(ASCII_CLASSES[number / classes.pow(place) % classes]))
                .collect();
            assert_eq!(analyze(&text), by_definition(&text), "{text:?}");
        }
    }
}

/// ASCII text in which the characters that join words are as frequent as letters.
fn joining_ascii() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        3 => proptest::sample::select(ASCII_CLASSES).prop_map(char::from),
        2 => proptest::char::range('a', 'z'),
        1 => proptest::char::range('\0', '\x7f'),
    ];
    proptest::collection::vec(character, 0..200).prop_map(String::from_iter)
}

/// Text of what normalization and segmentation find hard.
fn hard_text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        2 => proptest::sample::select(ASCII_CLASSES).prop_map(char::from),
        2 => proptest::sample::select(
            &['é', '\u{301}', '\u{323}', '\u{345}', 'Å', '각', 'ᄀ', 'ᅡ', 'ᆨ', 'א', '״', 'カ', '字', 'ก',
              'ا', '٣', '٫', '’', '\u{ad}', '\u{200d}', '\u{fe0f}', '👩', '🏽', '🇫', '\u{2028}', 'न', '\u{94d}'][..],
        ),
        1 => any::<char>(),
    ];
    proptest::collection::vec(character, 0..60).prop_map(String::from_iter)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn ascii_text_counts_as_defined(text in joining_ascii()) {
        prop_assert_eq!(analyze(&text), by_definition(&text));
    }

    #[test]
    fn any_text_counts_as_defined(text in hard_text()) {
        prop_assert_eq!(analyze(&text), by_definition(&text));
    }

    #[test]
    fn equivalent_texts_count_alike(text in hard_text()) {
        let decomposed: String = text.nfd().collect();
        prop_assert_eq!(analyze(&decomposed), analyze(&text));
    }

    #[test]
    fn texts_on_lines_of_their_own_add_up(first in hard_text(), second in hard_text()) {
        let (a, b) = (analyze(&first), analyze(&second));
        let both = analyze(&format!("{first}\n{second}"));
        prop_assert_eq!(both, words(a.count + b.count, a.chars + b.chars));
    }
}
