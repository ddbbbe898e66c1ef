//! The sizes that a request, and so an event, may have.

/// A post's content, in bytes of UTF-8.
pub const CONTENT_MAX_BYTES: usize = 64 * 1024;
/// The body of one request, in bytes.
pub const BODY_MAX_BYTES: usize = 512 * 1024;
/// The body of a batch, in bytes.
pub const BATCH_MAX_BYTES: usize = 16 * 1024 * 1024;
/// The posts of a batch.
pub const BATCH_MAX_ITEMS: usize = 10_000;
/// An id chosen by a client, and an idempotency key, in bytes.
pub const ID_MAX_BYTES: usize = 128;
