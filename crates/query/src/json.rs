//! How the tables' values look in JSON.

use hubbub_events::Timestamp;

/// A user's id; null where nobody was named, which the tables hold as ''.
pub(crate) fn named(user_id: String) -> Option<String> {
    Some(user_id).filter(|user_id| !user_id.is_empty())
}

/// RFC 3339 in UTC, with milliseconds.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    time.to_string()
}

/// The mean of `count` lengths that add up to `sum`; 0 where there are none.
pub(crate) fn average(sum: i64, count: i64) -> f64 {
    match count {
        0 => 0.0,
        _ => sum as f64 / count as f64,
    }
}
