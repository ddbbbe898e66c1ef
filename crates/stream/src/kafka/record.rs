//! A message of Kafka as a record.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use hubbub_events::Timestamp;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Headers as _, Message};

use crate::Record;
use crate::port::header_name;

/// What the headers that hubbub writes take, about.
const HEADER_VALUES: usize = 192;

/// Copies a message out of the client. Foreign writers may leave out the key and the
/// value: then they are empty.
pub(super) fn record(message: &BorrowedMessage<'_>) -> Record {
    let (key, value) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
    // All in one allocation: there are many small ones.
    let mut bytes = Vec::with_capacity(key.len() + value.len() + HEADER_VALUES);
    bytes.extend_from_slice(key);
    bytes.extend_from_slice(value);
    let headers = message.headers().map(|headers| copy(headers, &mut bytes)).unwrap_or_default();
    let mut bytes = Bytes::from(bytes);
    Record {
        offset: message.offset(),
        key: bytes.split_to(key.len()),
        value: bytes.split_to(value.len()),
        headers: headers.into_iter().map(|(name, len)| (name, bytes.split_to(len))).collect(),
        time: Timestamp(message.timestamp().to_millis().unwrap_or_default()),
    }
}

/// Copies the values of headers, and tells the names and how long each value is. None where
/// a foreign writer gave one a name that is not UTF-8: rdkafka panics at it, and nothing is
/// decided by headers.
fn copy(headers: &BorrowedHeaders, to: &mut Vec<u8>) -> Vec<(Cow<'static, str>, usize)> {
    let copy = || {
        let copied = headers.iter().map(|header| {
            let value = header.value.unwrap_or_default();
            to.extend_from_slice(value);
            (header_name(header.key), value.len())
        });
        copied.collect()
    };
    catch_unwind(AssertUnwindSafe(copy)).unwrap_or_default()
}
