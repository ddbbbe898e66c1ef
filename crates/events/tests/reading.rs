//! Bytes that are no event say as much as they can.
#![allow(clippy::unwrap_used, reason = "a helper fails its test by a panic")]

use hubbub_events::{Action, PostEvent, Reading, Timestamp};
use proptest::prelude::*;

fn edited() -> PostEvent {
    PostEvent {
        event_id: "e1".to_owned(),
        time: Timestamp(1_700_000_000_123),
        user_id: "ada".to_owned(),
        post_id: "p1".to_owned(),
        action: Action::Edited {
            content: Some("Grüße".to_owned()),
            hashtags: Some(vec!["a".to_owned(), "b".to_owned()]),
            expected_version: Some(-3),
        },
    }
}

fn said(reading: &Reading) -> Vec<(&str, &str)> {
    reading.fields.iter().map(|field| (&*field.name, &*field.value)).collect()
}

const WHOLE: [(&str, &str); 9] = [
    ("id", "e1"),
    ("schema", "1"),
    ("time", "2023-11-14T22:13:20.123Z"),
    ("user_id", "ada"),
    ("post_edited.post_id", "p1"),
    ("post_edited.content", "Grüße"),
    ("post_edited.hashtags.values", "a"),
    ("post_edited.hashtags.values", "b"),
    ("post_edited.expected_version", "-3"),
];

#[test]
fn an_event_is_read_by_the_names_of_the_contract() {
    let reading = Reading::of(&edited().encode());
    assert_eq!(said(&reading), WHOLE);
    assert_eq!(reading.broken, None);
}

#[test]
fn a_cut_event_is_read_up_to_the_cut() {
    let bytes = edited().encode();
    let content = bytes.windows(7).position(|bytes| bytes == "Grüße".as_bytes()).unwrap();
    let reading = Reading::of(&bytes[..content + 2]);
    assert_eq!(said(&reading)[..5], WHOLE[..5]);
    assert_eq!(said(&reading)[5], ("post_edited.content", "Gr"));
    let broken = reading.broken.unwrap();
    assert!(broken.contains("post_edited should have 32 bytes, and 8 are left"), "{broken}");
}

#[test]
fn what_is_no_text_no_time_and_no_field_is_told_and_the_rest_read() {
    for (bytes, name, value, why) in [
        (&b"\x0a\x02\xff\xfe"[..], "id", "\u{fffd}\u{fffd}", "byte 0: id is not UTF-8"),
        (b"\x1a\x02\xff\xfe", "time", "0xfffe", "byte 0: time is no time"),
        (b"\x08\x05", "id", "5", "byte 0: id is a number here"),
        (b"\x12\x01\x07", "schema", "0x07", "byte 0: schema has another type here"),
    ] {
        let reading = Reading::of(&[bytes, b"\x22\x01u"].concat());
        assert_eq!(said(&reading), [(name, value), ("user_id", "u")]);
        let broken = reading.broken.unwrap();
        assert!(broken.contains(why), "{broken}");
    }
    let reading = Reading::of(b"\xfa\x07\x02\x01\x02");
    assert_eq!(said(&reading), [("127", "0x0102")]);
    assert_eq!(reading.broken, None, "a later contract may have it");
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_some_end(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let reading = Reading::of(&bytes);
        prop_assert!(reading.fields.len() <= 201);
    }
}
