//! The bytes of one record.
//!
//! Little-endian: length of what follows u32, time i64, length of the key u32, of the
//! value u32, number of headers u32; then key, value, and per header the lengths of
//! name and value u32 and both.

use bytes::{Buf, BufMut, Bytes};
use hubbub_events::{Offset, Timestamp};

use crate::{Headers, NewRecord, Record, port::header_name};

const LENGTH: usize = 4;
const FIXED: usize = 8 + 4 + 4 + 4;
const HEADER: usize = 4 + 4;

/// How many bytes a record takes.
pub(super) fn encoded_len(record: &NewRecord) -> usize {
    let headers = record.headers.iter().map(|(name, value)| HEADER + name.len() + value.len());
    LENGTH + FIXED + record.key.len() + record.value.len() + headers.sum::<usize>()
}

/// Appends the bytes of a record, `encoded` of them, to a buffer.
pub(super) fn encode(record: &NewRecord, encoded: usize, into: &mut Vec<u8>) {
    into.reserve(encoded);
    into.put_u32_le((encoded - LENGTH) as u32);
    into.put_i64_le(record.time.0);
    into.put_u32_le(record.key.len() as u32);
    into.put_u32_le(record.value.len() as u32);
    into.put_u32_le(record.headers.len() as u32);
    into.put_slice(&record.key);
    into.put_slice(&record.value);
    for (name, value) in &record.headers {
        into.put_u32_le(name.len() as u32);
        into.put_u32_le(value.len() as u32);
        into.put_slice(name.as_bytes());
        into.put_slice(value);
    }
}

/// The bytes of the next record alone; none where they do not hold one.
pub(super) fn split(bytes: &mut Bytes) -> Option<Bytes> {
    let length = bytes.try_get_u32_le().ok()?;
    take(bytes, length)
}

/// The record of the bytes that [`split`] gave.
pub(super) fn decode(mut bytes: Bytes, offset: Offset) -> Option<Record> {
    let time = Timestamp(bytes.try_get_i64_le().ok()?);
    let key_length = bytes.try_get_u32_le().ok()?;
    let value_length = bytes.try_get_u32_le().ok()?;
    let count = bytes.try_get_u32_le().ok()? as usize;
    let key = take(&mut bytes, key_length)?;
    let value = take(&mut bytes, value_length)?;
    if count > bytes.len() / HEADER {
        return None;
    }
    let mut headers = Headers::with_capacity(count);
    for _ in 0..count {
        let name_length = bytes.try_get_u32_le().ok()?;
        let value_length = bytes.try_get_u32_le().ok()?;
        let name = take(&mut bytes, name_length)?;
        let name = header_name(std::str::from_utf8(&name).ok()?);
        headers.push((name, take(&mut bytes, value_length)?));
    }
    bytes.is_empty().then_some(Record { offset, key, value, headers, time })
}

fn take(bytes: &mut Bytes, length: u32) -> Option<Bytes> {
    let length = length as usize;
    (length <= bytes.len()).then(|| bytes.split_to(length))
}
