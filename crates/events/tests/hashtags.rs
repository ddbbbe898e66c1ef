//! The rules of hashtags, seen from outside.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use hubbub_events::hashtags::{
    Fault, HashtagError, MAX_HASHTAG_CHARS, MAX_HASHTAGS, in_text, normalize_field, of_post,
};
use proptest::prelude::*;
use unicode_ident::is_xid_continue;
use unicode_normalization::UnicodeNormalization;

fn strings<S: AsRef<str>>(tags: &[S]) -> Vec<String> {
    tags.iter().map(|tag| tag.as_ref().to_owned()).collect()
}

fn field(tags: &[&str]) -> Result<Vec<String>, HashtagError> {
    normalize_field(&strings(tags))
}

fn fault(tag: &str) -> Fault {
    match field(&["fine", tag]) {
        Err(HashtagError::NotAHashtag { index: 1, fault, .. }) => fault,
        other => panic!("{tag:?} gave {other:?}"),
    }
}

/// `count` different hashtags, `t0` first.
fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("t{n}")).collect()
}

fn written(tags: &[String]) -> String {
    tags.iter().fold(String::new(), |mut text, tag| {
        let _ = write!(text, "#{tag} ");
        text
    })
}

#[test]
fn a_field_is_folded_and_keeps_its_order() {
    assert_eq!(field(&[]), Ok(vec![]));
    assert_eq!(field(&["#Rust", "b_2", "RUST", "#rust", "A"]), Ok(strings(&["rust", "b_2", "a"])));
}

#[test]
fn folding_is_full_canonical_and_of_no_language() {
    for (tag, kept) in [
        ("Straße", "strasse"),
        ("STRASSE", "strasse"),
        ("STRAẞE", "strasse"),
        ("ΟΔΟΣ", "οδοσ"),
        ("οδος", "οδοσ"),
        ("ŒUVRE", "œuvre"),
        ("Cafe\u{301}", "caf\u{e9}"),
        ("CAFÉ", "caf\u{e9}"),
        ("ISTANBUL", "istanbul"),
        ("İstanbul", "i\u{307}stanbul"),
        ("ısı", "ısı"),
        ("ᾳ", "αι"),
        ("ᾴ", "\u{3ac}ι"),
        ("α\u{345}\u{301}", "\u{3ac}ι"),
        ("ПРИВЕТ", "привет"),
        ("東京", "東京"),
        ("한국", "한국"),
        ("हिन्दी", "हिन्दी"),
        ("عربي", "عربي"),
    ] {
        assert_eq!(field(&[tag]), Ok(strings(&[kept])), "{tag}");
    }
}

#[test]
fn what_is_no_hashtag_is_refused_with_its_place_and_reason() {
    assert_eq!(fault(""), Fault::Empty);
    assert_eq!(fault("#"), Fault::Empty);
    assert_eq!(fault("##a"), Fault::Character('#'));
    assert_eq!(fault(" a"), Fault::Character(' '));
    assert_eq!(fault("#a-b"), Fault::Character('-'));
    assert_eq!(fault("a\0"), Fault::Character('\0'));
    assert_eq!(fault("love❤"), Fault::Character('❤'));
    assert_eq!(fault("2024"), Fault::Digits);
    assert_eq!(fault("#٢٠٢٤"), Fault::Digits);
    assert_eq!(fault("\u{301}a"), Fault::LeadingMark);
    assert_eq!(fault(&"a".repeat(MAX_HASHTAG_CHARS + 1)), Fault::TooLong);
    assert_eq!(
        field(&["a", "so-so"]).unwrap_err().to_string(),
        "hashtags[1] is \"so-so\": '-' is not allowed in a hashtag, \
         only letters, digits, marks and underscores"
    );
    let long = field(&[&"é".repeat(200)]).unwrap_err().to_string();
    assert_eq!(
        long,
        format!(
            "hashtags[0] is \"{}…\": \
             a hashtag has at most 100 characters, case-folded and without its #",
            "é".repeat(40)
        )
    );
}

#[test]
fn the_length_is_of_the_folded_hashtag_without_its_sign() {
    let longest = "é".repeat(MAX_HASHTAG_CHARS);
    assert_eq!(field(&[&longest]), Ok(strings(&[&longest])));
    assert_eq!(field(&[&format!("#{longest}")]), Ok(strings(&[&longest])));
    // A letter and its accent are one character in NFC.
    assert_eq!(field(&[&"e\u{301}".repeat(MAX_HASHTAG_CHARS)]), Ok(strings(&[&longest])));
    assert!(field(&[&"ß".repeat(MAX_HASHTAG_CHARS / 2)]).is_ok());
    assert_eq!(fault(&"ß".repeat(MAX_HASHTAG_CHARS / 2 + 1)), Fault::TooLong);
}

#[test]
fn a_field_holds_thirty_different_hashtags() {
    let most = numbered(MAX_HASHTAGS);
    let mut repeated = most.clone();
    repeated.extend(most.iter().map(|tag| format!("#{}", tag.to_uppercase())));
    assert_eq!(normalize_field(&repeated), Ok(most));

    repeated.push("more".to_owned());
    let error = normalize_field(&repeated).unwrap_err();
    assert_eq!(error, HashtagError::TooMany { index: 60, value: "more".to_owned() });
    assert_eq!(
        error.to_string(),
        "hashtags[60] is \"more\", one more than the 30 different hashtags allowed"
    );
}

#[test]
fn hashtags_are_found_in_text() {
    for (text, tags) in [
        ("", &[][..]),
        ("no tags # here, C# neither", &[]),
        ("#Rust, #rust and #RUST!", &["rust"]),
        ("(#a) \"#b\" .#c\n#d", &["a", "b", "c", "d"]),
        ("#z then #a", &["z", "a"]),
        ("#snake_case #kebab-case #it's", &["snake_case", "kebab", "it"]),
        ("we are #1 of #2024, in #3d and #1_000", &["3d", "1_000"]),
        ("#東京は #Ünïcode #привет", &["東京は", "ünïcode", "привет"]),
        ("東京#東京 東京 #東京", &["東京"]),
    ] {
        assert_eq!(in_text(text), tags, "{text:?}");
    }
}

#[test]
fn a_sign_within_something_else_starts_no_hashtag() {
    for (text, tags) in [
        ("https://example.com/page#part", &[][..]),
        ("https://example.com/#part", &[]),
        ("it&#39;s, it&#x27;s", &[]),
        ("C#major _#a 1#b e\u{301}#c", &[]),
        ("#a#b", &["a"]),
        ("##a ###b", &["a", "b"]),
        // An emoji in its own style, the key with a `#`, and one that follows an emoji.
        ("#\u{FE0F}\u{20E3} #\u{FE0F}", &[]),
        ("☀\u{FE0F}#summer 👍🏽#ok", &["summer", "ok"]),
    ] {
        assert_eq!(in_text(text), tags, "{text:?}");
    }
}

#[test]
fn text_beyond_the_limits_is_ordinary_text() {
    let text = format!("#{} #a", "x".repeat(MAX_HASHTAG_CHARS + 1));
    assert_eq!(in_text(&text), ["a"]);
    assert_eq!(in_text(&written(&numbered(40))), numbered(MAX_HASHTAGS));
}

#[test]
fn a_post_has_those_of_its_field_then_those_of_its_text() {
    assert_eq!(of_post(&strings(&["b", "a"]), "#C #A #d"), ["b", "a", "c", "d"]);
    assert_eq!(of_post(&[], "#x"), ["x"]);
    assert_eq!(of_post(&strings(&["x"]), ""), ["x"]);
    let field = strings(&["first", "t3"]);
    let tags = of_post(&field, &written(&numbered(40)));
    assert_eq!(tags.len(), MAX_HASHTAGS);
    assert_eq!(&tags[..3], ["first", "t3", "t0"]);
    assert_eq!(tags[MAX_HASHTAGS - 1], "t28");
}

#[test]
fn the_worst_texts_take_no_longer_than_their_length() {
    // Linear, all of it takes a fraction of a second; with a look back or ahead from every sign,
    // each text alone takes minutes.
    const SIZE: usize = 16 * 64 * 1024;
    let started = Instant::now();
    for part in ["#", "#a", "#a ", "# ", "#\u{301}", "\u{301}#", "&#", "##1"] {
        let tags = in_text(&part.repeat(SIZE / part.len()));
        assert!(tags.len() <= 1, "{part:?} gave {tags:?}");
    }
    let long = format!("#{}", "ß".repeat(SIZE / 2));
    assert_eq!(in_text(&long), Vec::<String>::new());
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}

/// The kept form is allowed, and itself, for every character that there is. The checksum changes
/// with the Unicode tables: then posts that are kept get other hashtags, which takes a rebuild.
#[test]
fn every_character_has_one_kept_form() {
    let mut checksum = 0;
    for c in '\0'..=char::MAX {
        let kept = normalize_field(&[format!("x{c}")]);
        assert_eq!(kept.is_ok(), is_xid_continue(c), "{c:?}");
        let Ok(kept) = kept else { continue };
        assert_eq!(normalize_field(&kept).as_ref(), Ok(&kept), "{c:?}");
        checksum = crc32c::crc32c_append(checksum, kept[0].as_bytes());
    }
    assert_eq!(
        checksum, 0x70d4_4184,
        "the Unicode tables are not those that hashtags were kept by"
    );
}

/// Text in which most of what matters to hashtags happens often.
fn tagged_text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => Just("#".to_owned()),
        2 => "[a-cA-C0-9_]{1,3}",
        1 => "[ &/.\\-\n]",
        1 => proptest::sample::select(&["ß", "İ", "é", "e\u{301}", "\u{345}", "ᾳ", "Σ", "ς", "☀\u{FE0F}", "ﬃ", "각", "ǰ"][..])
            .prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(part, 0..120).prop_map(|parts| parts.concat())
}

fn repeats(tags: &[String]) -> bool {
    tags.iter().enumerate().any(|(at, tag)| tags[..at].contains(tag))
}

proptest! {
    #[test]
    fn what_is_kept_is_kept_again(text in tagged_text()) {
        let tags = in_text(&text);
        prop_assert_eq!(normalize_field(&tags), Ok(tags.clone()));
        prop_assert_eq!(in_text(&written(&tags)), tags);
    }

    #[test]
    fn field_and_text_agree_on_what_a_hashtag_is(name in "#?[ßİéᾳ\u{301}\u{345}\u{FE0F}a-cA-C0-9_.# ]{0,5}|\\PC{1,4}") {
        let name = name.strip_prefix('#').unwrap_or(&name);
        let found = in_text(&format!("#{name}"));
        match normalize_field(&[name.to_owned()]) {
            Ok(kept) => prop_assert_eq!(found, kept),
            // A field is refused where a text goes on behind the hashtag.
            Err(_) if name.contains(|c| !is_xid_continue(c)) => {}
            Err(_) => prop_assert_eq!(found, Vec::<String>::new()),
        }
    }

    #[test]
    fn equivalent_texts_have_the_same_hashtags(text in tagged_text()) {
        let composed: String = text.nfc().collect();
        let decomposed: String = text.nfd().collect();
        prop_assert_eq!(in_text(&composed), in_text(&text));
        prop_assert_eq!(in_text(&decomposed), in_text(&text));
    }

    #[test]
    fn a_post_never_repeats_nor_has_too_many(
        field in proptest::collection::vec("[a-f]{1,2}", 0..40),
        text in tagged_text(),
    ) {
        let tags = of_post(&field, &text);
        prop_assert!(!repeats(&tags) && tags.len() <= MAX_HASHTAGS, "{:?}", tags);
        let all: Vec<String> = field.iter().cloned().chain(in_text(&text)).collect();
        prop_assert!(tags.iter().all(|tag| all.contains(tag)));
        prop_assert!(tags.len() == MAX_HASHTAGS || all.iter().all(|tag| tags.contains(tag)));
    }
}
