//! What an operator may set about writing.

use bytesize::ByteSize;
use hubbub_events::limits::BATCH_MAX_BYTES;
use serde::{Deserialize, Deserializer, Serialize, de};

/// The settings of the write API. Every field is required: the defaults live in the settings file that ships with hubbub.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct IngestSettings {
    /// The largest body of a batch; 64 KiB to 16 MiB.
    #[serde(deserialize_with = "batch_size")]
    pub max_batch_bytes: ByteSize,
}

fn batch_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    let size = ByteSize::deserialize(deserializer)?;
    if (ByteSize::kib(64)..=ByteSize::b(BATCH_MAX_BYTES as u64)).contains(&size) {
        return Ok(size);
    }
    Err(de::Error::custom(format_args!(
        "{size} is not allowed: a batch's limit is 64 KiB to 16 MiB"
    )))
}
