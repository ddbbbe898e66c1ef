//! An author's posts, as the author's list shows them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{History, Invariant, Said, Subject, Violation};

/// The items by id: each once, and all of them posts that somebody asked for.
pub(super) fn by_id<'a>(
    histories: &[History],
    items: &'a [Value],
) -> Result<BTreeMap<&'a str, &'a Value>, Violation> {
    let known: BTreeMap<&str, &History> =
        histories.iter().map(|history| (&*history.id, history)).collect();
    let mut listed = BTreeMap::new();
    for item in items {
        let id = item["id"].as_str().unwrap_or_default();
        let Some(history) = known.get(id) else {
            return Err(stranger(histories, id, item));
        };
        if let Some(other) = listed.insert(id, item) {
            let (once, twice) = ("once in its author's list", format!("twice: {other}, {item}"));
            let creates = history.creates();
            return Err(history.violation(Invariant::Uniqueness, once, twice, creates));
        }
    }
    Ok(listed)
}

/// A post under an id that nobody knows, with the requests that it may be the second post of.
fn stranger(histories: &[History], id: &str, item: &Value) -> Violation {
    let content = item["content"].as_str();
    let says_so = |said: &&Said| said.action.text() == content;
    let original = histories.iter().find(|history| history.creates().any(|said| says_so(&said)));
    let (expected, story) = match original {
        Some(history) => {
            let creates = history.creates().filter(says_so).cloned().collect();
            (format!("no such post, but {} alone", history.id), creates)
        }
        None => ("no such post, as nobody asked for it".to_owned(), Vec::new()),
    };
    Violation {
        invariant: Invariant::Uniqueness,
        subject: Subject::Post(id.to_owned()),
        expected,
        seen: format!("in its author's list: {item}"),
        story,
    }
}
