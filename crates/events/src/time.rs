//! Points in time, to the millisecond, as events and tables carry them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC. Displayed as RFC 3339.
///
/// 0 stands for "never" in tables, which store no nulls.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// What tables hold where a time is absent.
    pub const NEVER: Self = Self(0);

    /// The latest instant that can be shown: 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The clock's time. Folds never call this: their time is that of the event.
    #[must_use]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }

    /// Its protobuf form.
    #[must_use]
    pub fn to_proto(self) -> prost_types::Timestamp {
        prost_types::Timestamp {
            seconds: self.0.div_euclid(1000),
            nanos: (self.0.rem_euclid(1000) * 1_000_000) as i32,
        }
    }

    /// From its protobuf form, cut to the millisecond; `None` outside 1970 to 9999.
    #[must_use]
    pub fn from_proto(proto: &prost_types::Timestamp) -> Option<Self> {
        let millis =
            proto.seconds.checked_mul(1000)?.checked_add(i64::from(proto.nanos) / 1_000_000)?;
        (Self::NEVER.0..=Self::MAX.0).contains(&millis).then_some(Self(millis))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            Err(_) => write!(f, "{} ms since 1970", self.0),
        }
    }
}
