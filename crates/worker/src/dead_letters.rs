//! Dead letters: what a record that cannot be folded leaves, and how many are too many.

use std::collections::VecDeque;

use bytes::Bytes;
use hubbub_events::{Timestamp, Topic, TopicPartition, partition_of};
use hubbub_stream::{NewRecord, Record};

/// What the names of the headers that describe a dead letter begin with:
/// `hubbub-source-topic`, `-partition`, `-offset`, `hubbub-projection`,
/// `hubbub-reason`, `hubbub-attempts`, `hubbub-version`, and `hubbub-cut-from` where the
/// log did not take all of the record.
pub const HEADER_PREFIX: &str = "hubbub-";

/// What of a record's key and of its value is kept where the log does not take all of it again, in bytes: more than any
/// event has.
const KEPT_BYTES: usize = 256 * 1024;

/// The first header of a letter's story, which stands behind those of the record.
const SOURCE_TOPIC: &str = "source-topic";

/// Makes a letter smaller that the log did not take: what is left of its key and value, and its story, in which the size that
/// it had is told. `false` where it is small already.
pub(crate) fn cut(letter: &mut NewRecord) -> bool {
    let [key, value] = [letter.key.len(), letter.value.len()];
    // The record may have headers of such names too.
    let begins = |name: &str| name.strip_prefix(HEADER_PREFIX) == Some(SOURCE_TOPIC);
    let own = letter.headers.iter().rposition(|(name, _)| begins(name)).unwrap_or(0);
    if own == 0 && key.max(value) <= KEPT_BYTES {
        return false;
    }
    letter.key.truncate(KEPT_BYTES);
    letter.value.truncate(KEPT_BYTES);
    letter.headers.drain(..own);
    let cut = format!("a key of {key} bytes, a value of {value}, and headers of its own");
    letter.headers.push((format!("{HEADER_PREFIX}cut-from").into(), cut.into()));
    true
}

/// Over how many of the last records dead letters are counted.
pub const WINDOW_RECORDS: usize = 1000;
/// The share of them that halts a partition, in percent, …
pub const LIMIT_PERCENT: usize = 10;
/// … and the number below which no share does.
const LIMIT_AT_LEAST: usize = 50;

/// The dead letter of a record: its bytes as they are, its story in the headers.
pub(crate) fn dead_letter(
    source: TopicPartition,
    record: &Record,
    projection: &str,
    reason: &str,
    partitions: i32,
) -> NewRecord {
    let story = [
        (SOURCE_TOPIC, source.topic.to_string()),
        ("source-partition", source.partition.to_string()),
        ("source-offset", record.offset.to_string()),
        ("projection", projection.to_owned()),
        ("reason", reason.to_owned()),
        ("attempts", "1".to_owned()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
    ];
    let story =
        story.map(|(name, value)| (format!("{HEADER_PREFIX}{name}").into(), Bytes::from(value)));
    NewRecord {
        topic_partition: TopicPartition {
            topic: Topic::DeadLetters,
            partition: partition_of(&record.key, partitions),
        },
        key: record.key.clone(),
        value: record.value.clone(),
        headers: record.headers.iter().cloned().chain(story).collect(),
        // The time of its death: it is from here that it is kept.
        time: Timestamp::now(),
    }
}

/// Which of the last records died.
#[derive(Debug, Clone, Default)]
pub(crate) struct Window {
    last: VecDeque<bool>,
    dead: usize,
    /// Someone accepted the dead letters: no limit, until none is left in the window.
    accepting: bool,
}

impl Window {
    /// Counts a record; `false` where it is one dead letter too many.
    pub(crate) fn admit(&mut self, is_dead: bool) -> bool {
        if self.last.len() == WINDOW_RECORDS && self.last.pop_front() == Some(true) {
            self.dead -= 1;
        }
        self.last.push_back(is_dead);
        self.dead += usize::from(is_dead);
        if self.dead == 0 && self.last.len() == WINDOW_RECORDS {
            self.accepting = false;
        }
        let is_over =
            self.dead >= LIMIT_AT_LEAST && self.dead * 100 > self.last.len() * LIMIT_PERCENT;
        self.accepting || !is_dead || !is_over
    }

    /// Forgets what it counted.
    pub(crate) fn empty(&mut self, accept_dead_letters: bool) {
        *self = Self { accepting: accept_dead_letters, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_refused(window: &mut Window, records: impl Iterator<Item = bool>) -> Option<usize> {
        records.enumerate().find(|(_, is_dead)| !window.admit(*is_dead)).map(|(index, _)| index)
    }

    #[test]
    fn fifty_of_the_first_records_are_too_many() {
        let all_dead = std::iter::repeat_n(true, 100);
        assert_eq!(first_refused(&mut Window::default(), all_dead), Some(49));
    }

    #[test]
    fn one_in_ten_is_not_too_many_and_a_little_more_is() {
        let tenth = (0..10_000).map(|index| index % 10 == 9);
        assert_eq!(first_refused(&mut Window::default(), tenth), None);
        let ninth = (0..10_000).map(|index| index % 9 == 0);
        assert!(first_refused(&mut Window::default(), ninth).is_some());
    }

    #[test]
    fn accepting_lasts_until_a_window_is_clean() {
        let mut window = Window::default();
        window.empty(true);
        assert_eq!(first_refused(&mut window, std::iter::repeat_n(true, 3000)), None);
        assert_eq!(first_refused(&mut window, std::iter::repeat_n(false, 1000)), None);
        assert!(first_refused(&mut window, std::iter::repeat_n(true, 1000)).is_some());
    }
}
