//! Receipts: the string by which a client asks what became of an event.

use hubbub_events::{LogIdentity, Position, Timestamp};
use serde::{Deserialize, Serialize};

use crate::opaque::{self, OpaqueError};

const KIND: u8 = b'R';

/// What a receipt's string says: enough to look it up, and to tell an answer that is not there yet from one that was
/// kept long enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptId {
    /// Where the event lies in the log.
    pub at: Position,
    /// The log that the position is of.
    pub identity: LogIdentity,
    /// When the event was accepted.
    pub time: Timestamp,
    /// The event's id.
    pub event_id: String,
}

impl ReceiptId {
    /// As the opaque string that a client hands back.
    #[must_use]
    pub fn seal(&self) -> String {
        opaque::seal_value(KIND, self)
    }

    /// What [`ReceiptId::seal`] sealed.
    pub fn open(text: &str) -> Result<Self, OpaqueError> {
        opaque::open_value(KIND, text)
    }
}
