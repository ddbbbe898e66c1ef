//! Recorded events: `<name>.pb` is a record's value, `<name>.json` its key, its headers and what they say.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use hubbub_events::{Action, PostEvent, envelope::SCHEMA};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{contract::Contract, digest, released, samples::samples};

pub fn folder(schema: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/v{schema}"))
}

/// What is in a folder, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect()
}

/// Writes the events of this build to a folder that is not there yet: what was recorded is never written again.
pub fn record(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder.parent().unwrap())?;
    fs::create_dir(folder)?;
    for (name, event) in samples() {
        fs::write(folder.join(format!("{name}.pb")), event.encode())?;
        fs::write(folder.join(format!("{name}.json")), format!("{:#}\n", described(&event)))?;
    }
    Ok(())
}

/// An event in words. A new field comes with a new schema; the older ones' files do not have it, and need not.
fn described(event: &PostEvent) -> Value {
    let PostEvent { event_id, time, user_id, post_id, action } = event;
    let did = match action {
        Action::Created { content, hashtags } => json!({"content": content, "hashtags": hashtags}),
        Action::Edited { content, hashtags, expected_version } => {
            json!({"content": content, "hashtags": hashtags, "expected_version": expected_version})
        }
        Action::Deleted | Action::Liked | Action::Unliked => json!({}),
    };
    let headers = event.headers();
    let headers: BTreeMap<_, _> = headers
        .iter()
        .map(|(name, value)| (*name, String::from_utf8(value.to_vec()).unwrap()))
        .collect();
    json!({
        "key": post_id,
        "headers": headers,
        "event": {
            "id": event_id,
            "time": time.to_string(),
            "user_id": user_id,
            "post_id": post_id,
            (action.type_name()): did,
        },
    })
}

/// Whether everything that was written down is said.
fn says(said: &Value, written: &Value) -> bool {
    match (said, written) {
        (Value::Object(said), Value::Object(written)) => {
            written.iter().all(|(name, value)| said.get(name).is_some_and(|said| says(said, value)))
        }
        (said, written) => said == written,
    }
}

#[test]
fn a_record_of_every_schema_reads_as_it_did() {
    for (schema, ..) in released() {
        let files = files(&folder(*schema));
        for (name, value) in files.iter().filter(|(name, _)| name.ends_with(".pb")) {
            let written = &files[&name.replace(".pb", ".json")];
            let written: Value = serde_json::from_slice(written).unwrap();
            let key = written["key"].as_str().unwrap();
            let read = PostEvent::decode(key.as_bytes(), value);
            let read = read.unwrap_or_else(|error| panic!("v{schema}/{name}: {error}"));
            let said = described(&read);
            assert!(says(&said, &written), "v{schema}/{name} says {said:#}");
        }
    }
}

#[test]
fn no_golden_file_was_changed() {
    for (schema, golden, _) in released() {
        let files = files(&folder(*schema));
        let now = digest(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
        assert_eq!(
            now, *golden,
            "tests/golden/v{schema}: recorded events are never changed, added or removed"
        );
    }
}

#[test]
fn every_action_of_every_schema_is_among_them() {
    for (schema, ..) in released() {
        let written: BTreeSet<String> = files(&folder(*schema))
            .iter()
            .filter(|(name, _)| name.ends_with(".json"))
            .map(|(_, written)| serde_json::from_slice::<Value>(written).unwrap())
            .map(|written| written["headers"]["ce_type"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(written, Contract::released(*schema).bodies(), "v{schema}");
    }
}

/// What this build writes is what was recorded of its schema.
#[test]
fn this_build_writes_what_was_recorded() {
    let files = files(&folder(SCHEMA));
    let samples = samples();
    assert_eq!(files.len(), 2 * samples.len(), "two files for each sample");
    for (name, event) in samples {
        assert_eq!(files[&format!("{name}.pb")], event.encode(), "{name}");
        let written: Value = serde_json::from_slice(&files[&format!("{name}.json")]).unwrap();
        assert_eq!(written, described(&event), "{name}");
    }
}

#[test]
fn what_was_recorded_is_not_recorded_again() {
    let folder = TempDir::new().unwrap();
    let new = folder.path().join("v1");
    record(&new).unwrap();
    let recorded = files(&new);
    assert_eq!(record(&new).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(files(&new), recorded);
}

#[test]
fn a_changed_word_and_a_lost_field_are_noticed() {
    let written = json!({"event": {"a": 1, "b": {"c": [1, 2]}}});
    assert!(says(&json!({"event": {"a": 1, "b": {"c": [1, 2]}, "new": 1}}), &written));
    assert!(!says(&json!({"event": {"a": 1, "b": {"c": [2, 1]}}}), &written));
    assert!(!says(&json!({"event": {"a": 1, "b": {}}}), &written));
}
