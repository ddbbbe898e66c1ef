//! Sealed strings: what a server gives to a client to be handed back unchanged, such as cursors, tokens and receipts.
//!
//! The form is base64url without padding (RFC 4648, section 5) of a kind byte, the payload and the CRC-32C of both, in
//! little-endian order. The checksum finds accidents and guesswork; it is no signature, so a payload must grant nothing.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};

const CHECKSUM_BYTES: usize = 4;

/// Why a sealed string was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpaqueError {
    /// It was cut, changed or made up.
    #[error("it is not a string that this server gave out, or it was changed on the way")]
    Damaged,
    /// It is whole, and was sealed for another purpose.
    #[error("it was given out for another purpose than it is used for here")]
    OtherKind,
}

/// Seals a payload for one purpose, which the kind names: a cursor's kind binds it to its route.
pub fn seal(kind: u8, payload: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(1 + payload.len() + CHECKSUM_BYTES);
    bytes.push(kind);
    bytes.extend_from_slice(payload);
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The payload of a string that was sealed for this kind.
pub fn open(kind: u8, text: &str) -> Result<Vec<u8>, OpaqueError> {
    let mut bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| OpaqueError::Damaged)?;
    let (sealed, checksum) =
        bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(OpaqueError::Damaged)?;
    if crc32c::crc32c(sealed) != u32::from_le_bytes(*checksum) {
        return Err(OpaqueError::Damaged);
    }
    let found = *sealed.first().ok_or(OpaqueError::Damaged)?;
    if found != kind {
        return Err(OpaqueError::OtherKind);
    }
    bytes.truncate(bytes.len() - CHECKSUM_BYTES);
    bytes.remove(0);
    Ok(bytes)
}

/// Seals a value, in postcard's form. The value's type must be one that postcard can write whatever it holds.
pub fn seal_value<T: Serialize>(kind: u8, value: &T) -> String {
    #[expect(
        clippy::expect_used,
        reason = "postcard fails on sequences of unknown length alone, and the types sealed here have none"
    )]
    let payload = postcard::to_allocvec(value).expect("a value that postcard writes");
    seal(kind, &payload)
}

/// The value of a string that was sealed for this kind.
pub fn open_value<T: DeserializeOwned>(kind: u8, text: &str) -> Result<T, OpaqueError> {
    let payload = open(kind, text)?;
    match postcard::take_from_bytes(&payload) {
        Ok((value, [])) => Ok(value),
        _ => Err(OpaqueError::Damaged),
    }
}
