//! What is said in the log, and how: the protobuf contract, the topics and their
//! keys, ids and limits.
//!
//! Pure: this crate knows neither a broker nor a table, and reads no clock.

pub mod envelope;
pub mod hashtags;
pub mod ids;
pub mod limits;
pub mod position;
pub mod reading;
pub mod time;
pub mod topics;

/// The generated protobuf types of package `hubbub.v1`.
#[expect(missing_docs, reason = "the documentation of each field is in the .proto file")]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/hubbub.v1.rs"));
}

pub use envelope::{Action, DecodeError, PostEvent};
pub use ids::Id;
pub use position::{LogIdentity, Offset, Position, Stamp, TopicPartition};
pub use reading::Reading;
pub use time::Timestamp;
pub use topics::{Topic, partition_of};
