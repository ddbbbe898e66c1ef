//! Whether a record that failed may be in the log all the same.

use rdkafka::bindings::rd_kafka_msg_status_t::{self, RD_KAFKA_MSG_STATUS_NOT_PERSISTED};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;

use crate::AppendError;

/// What a failed delivery says to whoever appended the record.
pub(super) fn refusal(error: &KafkaError, message: &BorrowedMessage<'_>) -> AppendError {
    let code = error.rdkafka_error_code();
    let text = code.map_or_else(|| error.to_string(), |code| code.to_string());
    if code == Some(RDKafkaErrorCode::MessageSizeTooLarge) {
        return AppendError::TooLarge(text);
    }
    match status(message) {
        RD_KAFKA_MSG_STATUS_NOT_PERSISTED => AppendError::Unavailable(text),
        _ => AppendError::Unknown(text),
    }
}

/// What the client knows of it: a record that ran out of time in the queue was never
/// sent, one in flight was; their errors are the same.
#[expect(unsafe_code, reason = "rdkafka has no call of its own for it")]
fn status(message: &BorrowedMessage<'_>) -> rd_kafka_msg_status_t {
    // SAFETY: the pointer is that of a message which the borrow keeps alive, and the
    // function only reads a field of it.
    unsafe { rdkafka::bindings::rd_kafka_message_status(message.ptr()) }
}
