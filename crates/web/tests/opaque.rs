//! Sealed strings.

use hubbub_web::{OpaqueError, open, seal};
use proptest::{collection::vec, prelude::*};

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ ";

proptest! {
    #[test]
    fn what_is_sealed_opens(kind: u8, payload in vec(any::<u8>(), 0..200)) {
        let text = seal(kind, &payload);
        prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        prop_assert_eq!(open(kind, &text), Ok(payload));
    }

    #[test]
    fn another_kind_does_not_open(kind: u8, other: u8, payload in vec(any::<u8>(), 0..50)) {
        prop_assume!(kind != other);
        prop_assert_eq!(open(other, &seal(kind, &payload)), Err(OpaqueError::OtherKind));
    }

    #[test]
    fn one_changed_character_is_found(
        kind: u8,
        payload in vec(any::<u8>(), 0..100),
        at: prop::sample::Index,
        to in prop::sample::select(ALPHABET),
    ) {
        let text = seal(kind, &payload);
        let mut changed = text.clone().into_bytes();
        let at = at.index(changed.len());
        prop_assume!(changed[at] != to);
        changed[at] = to;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert_eq!(open(kind, &changed), Err(OpaqueError::Damaged));
    }

    #[test]
    fn a_cut_or_made_up_string_is_found(kind: u8, payload in vec(any::<u8>(), 0..100), cut: prop::sample::Index, noise: String) {
        let text = seal(kind, &payload);
        prop_assert_eq!(open(kind, &text[..cut.index(text.len())]), Err(OpaqueError::Damaged));
        prop_assert!(open(kind, &noise).is_err());
    }
}
