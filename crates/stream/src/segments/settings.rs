//! The settings of the embedded log.

use std::{fmt::Display, ops::RangeInclusive};

use bytesize::ByteSize;
use serde::{Deserialize, Deserializer, de};

use crate::Error;

/// The settings of the embedded log.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentsSettings {
    /// How many partitions every topic has, 1 to 1024; fixed when the log is made.
    #[serde(deserialize_with = "partitions")]
    pub partitions: u16,
    /// From what size on a segment file is left for the next, 64 KiB to 1 GiB.
    #[serde(deserialize_with = "size")]
    pub segment_size: ByteSize,
    /// How much may wait to be written before appends are refused, 64 KiB to 1 GiB.
    #[serde(deserialize_with = "size")]
    pub queue_size: ByteSize,
    /// What must stay free on the disk, 1 MiB to 1 TiB: appends that would leave less are refused.
    #[serde(deserialize_with = "reserve")]
    pub reserve: ByteSize,
}

impl Default for SegmentsSettings {
    fn default() -> Self {
        Self {
            partitions: 12,
            segment_size: ByteSize::mib(64),
            queue_size: ByteSize::mib(32),
            reserve: ByteSize::mib(128),
        }
    }
}

const PARTITIONS: RangeInclusive<u16> = 1..=1024;
const SIZES: RangeInclusive<ByteSize> = ByteSize::kib(64)..=ByteSize::gib(1);
const RESERVES: RangeInclusive<ByteSize> = ByteSize::mib(1)..=ByteSize::tib(1);

impl SegmentsSettings {
    /// Refuses what is out of range.
    pub(super) fn check(&self) -> Result<(), Error> {
        if !PARTITIONS.contains(&self.partitions) {
            return Err(Error::Permanent(format!(
                "segments.partitions is {}: {} to {} are allowed",
                self.partitions,
                PARTITIONS.start(),
                PARTITIONS.end(),
            )));
        }
        for (name, size, allowed) in [
            ("segment_size", self.segment_size, SIZES),
            ("queue_size", self.queue_size, SIZES),
            ("reserve", self.reserve, RESERVES),
        ] {
            if !allowed.contains(&size) {
                return Err(Error::Permanent(format!(
                    "segments.{name} is {size}: {} to {} are allowed",
                    allowed.start(),
                    allowed.end(),
                )));
            }
        }
        Ok(())
    }
}

fn partitions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    within(u16::deserialize(deserializer)?, &PARTITIONS, "1 to 1024")
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    within(ByteSize::deserialize(deserializer)?, &SIZES, "64 KiB to 1 GiB")
}

fn reserve<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
    within(ByteSize::deserialize(deserializer)?, &RESERVES, "1 MiB to 1 TiB")
}

fn within<T: PartialOrd + Display, E: de::Error>(
    value: T,
    allowed: &RangeInclusive<T>,
    named: &str,
) -> Result<T, E> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    Err(E::custom(format_args!("{value} is not within the allowed {named}")))
}
