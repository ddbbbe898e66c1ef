//! Keys as bytes that order as the keys themselves do.
//!
//! Every part ends by itself, so none is a prefix of another: `("a", "b")` and
//! `("ab", "")` differ, and inverting all bytes turns the order around.

use std::borrow::Cow;

use hubbub_events::Timestamp;
use hubbub_tables::{ColumnType, Key, Part};

/// Follows a zero byte that belongs to the text. It is above [`END`], so that a text
/// orders behind its own prefix.
const ESCAPED: u8 = 0xff;
/// Follows the zero byte that ends the text.
const END: u8 = 0x00;

/// Which way the bytes order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Ascending,
    Descending,
}

/// Appends a key.
pub(super) fn encode<K: Key>(key: &K, order: Order, out: &mut Vec<u8>) {
    let start = out.len();
    for part in key.parts() {
        match part {
            Part::Text(text) => encode_text(&text, out),
            Part::Int(number) => out.extend((number.cast_unsigned() ^ 1 << 31).to_be_bytes()),
            Part::BigInt(number) | Part::Timestamp(Timestamp(number)) => {
                out.extend((number.cast_unsigned() ^ 1 << 63).to_be_bytes());
            }
        }
    }
    if order == Order::Descending {
        invert(&mut out[start..]);
    }
}

/// The key that `bytes` are the whole of; `None` where they are no such key.
pub(super) fn decode<K: Key>(bytes: &[u8], order: Order) -> Option<K> {
    let mut bytes = Cow::Borrowed(bytes);
    if order == Order::Descending {
        invert(bytes.to_mut());
    }
    let (key, rest) = decode_first(&bytes)?;
    rest.is_empty().then_some(key)
}

/// The ascending key that `bytes` begin with, and the bytes behind it.
pub(super) fn decode_first<K: Key>(bytes: &[u8]) -> Option<(K, &[u8])> {
    let mut rest = bytes;
    let parts = K::TYPES.iter().map(|column_type| decode_part(*column_type, &mut rest));
    let parts = parts.collect::<Option<Vec<_>>>()?;
    Some((K::from_parts(parts)?, rest))
}

fn invert(bytes: &mut [u8]) {
    bytes.iter_mut().for_each(|byte| *byte = !*byte);
}

fn encode_text(text: &str, out: &mut Vec<u8>) {
    for (i, piece) in text.as_bytes().split(|byte| *byte == 0).enumerate() {
        if i > 0 {
            out.extend([0, ESCAPED]);
        }
        out.extend(piece);
    }
    out.extend([0, END]);
}

fn decode_part(column_type: ColumnType, rest: &mut &[u8]) -> Option<Part<'static>> {
    Some(match column_type {
        ColumnType::Text => Part::Text(decode_text(rest)?.into()),
        ColumnType::Int => Part::Int((u32::from_be_bytes(take(rest)?) ^ 1 << 31).cast_signed()),
        ColumnType::BigInt => Part::BigInt(decode_i64(rest)?),
        ColumnType::Timestamp => Part::Timestamp(Timestamp(decode_i64(rest)?)),
        // No key has such a column.
        ColumnType::Boolean | ColumnType::TextList => return None,
    })
}

fn decode_i64(rest: &mut &[u8]) -> Option<i64> {
    Some((u64::from_be_bytes(take(rest)?) ^ 1 << 63).cast_signed())
}

fn decode_text(rest: &mut &[u8]) -> Option<String> {
    let mut text = Vec::new();
    loop {
        let zero = rest.iter().position(|byte| *byte == 0)?;
        text.extend(&rest[..zero]);
        let mark = *rest.get(zero + 1)?;
        *rest = &rest[zero + 2..];
        match mark {
            END => return String::from_utf8(text).ok(),
            ESCAPED => text.push(0),
            _ => return None,
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Composite = (String, i32, Timestamp, String);

    fn encoded<K: Key>(key: &K, order: Order) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(key, order, &mut bytes);
        bytes
    }

    /// Short texts of few characters, the smallest and largest among them, so that
    /// prefixes and equal parts are met.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![3 => "[\u{0}\u{1}ab\u{ff}\u{10ffff}]{0,3}", 1 => ".{0,8}"]
    }

    fn key() -> impl Strategy<Value = Composite> {
        let int = prop_oneof![-1..=1, any::<i32>()];
        let time = prop_oneof![-1_i64..=1, any::<i64>()].prop_map(Timestamp);
        (text(), int, time, text())
    }

    proptest! {
        #[test]
        fn encodings_order_as_keys_do(a in key(), b in key()) {
            let [up, down] = [Order::Ascending, Order::Descending];
            prop_assert_eq!(encoded(&a, up).cmp(&encoded(&b, up)), a.cmp(&b));
            prop_assert_eq!(encoded(&a, down).cmp(&encoded(&b, down)), b.cmp(&a));
        }

        #[test]
        fn decoding_returns_the_key(key in key()) {
            for order in [Order::Ascending, Order::Descending] {
                prop_assert_eq!(decode::<Composite>(&encoded(&key, order), order), Some(key.clone()));
            }
        }

        #[test]
        fn no_key_is_a_prefix_of_another(a in (text(), text()), b in (text(), text())) {
            prop_assume!(a != b);
            let [a, b] = [a, b].map(|key| encoded(&key, Order::Ascending));
            prop_assert!(!a.starts_with(&b) && !b.starts_with(&a));
        }

        #[test]
        fn any_bytes_are_a_key_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            if let Some(key) = decode::<(String, i64)>(&bytes, Order::Ascending) {
                prop_assert_eq!(encoded(&key, Order::Ascending), bytes);
            }
        }
    }
}
