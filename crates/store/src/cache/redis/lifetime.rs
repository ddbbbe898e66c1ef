//! How long entries live, and so how old they are.

use std::time::Duration;

/// How long entries live, give or take 10 %, so that what was filled together does not end
/// together. How much that is for an entry its key decides: the time that it has left then
/// tells its age, to every process of the same settings.
#[derive(Clone, Copy)]
pub(super) struct Lifetime(pub(super) Duration);

impl Lifetime {
    /// How long the entry of a key lives.
    pub(super) fn of(self, key: &str) -> Duration {
        let share = f64::from(crc32c::crc32c(key.as_bytes())) / f64::from(u32::MAX);
        self.0.mul_f64(0.9 + 0.2 * share)
    }

    /// The age of an entry that has so many milliseconds left; `None` where it is not to end.
    pub(super) fn age(self, key: &str, left: i64) -> Option<Duration> {
        let left = Duration::from_millis(left.try_into().ok()?);
        Some(self.of(key).saturating_sub(left))
    }
}
