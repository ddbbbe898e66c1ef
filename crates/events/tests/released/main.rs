//! What was released stays readable: records of every schema, and the contract that they were written by.
//!
//! Each schema that was ever released has its records under `tests/golden/v<N>` and its contract in
//! `proto/released/schema-<N>.proto`. Both are kept as they are for ever, as logs are. When the contract grows, count
//! `SCHEMA` up, and `make release-schema` keeps the new one beside the others
//! and says the digests that belong in the new line of `RELEASED`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

mod breaking;
mod contract;
mod golden;
mod samples;

use std::{
    env,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use hubbub_events::envelope::SCHEMA;
use sha2::{Digest, Sha256};

/// What was released, by schema: digests of its golden files and of its contract. A line is added with each schema, and
/// none is ever changed.
const RELEASED: [(u32, &str, &str); 1] = [(
    1,
    "37cffa60a3f1f48ab44135dc3494ccb517323f5212d8fffb11c2442425ecf9c5",
    "b78d1deda11a2006e148711879b1effd1f4b386f6a9c5ea375ddb3edc8e05e5f",
)];

/// Set by `make release-schema`: the newest schema is written, unless it is there.
const RELEASING: &str = "HUBBUB_RELEASE_SCHEMA";

/// What was released, once the newest schema is kept where that was asked for.
fn released() -> &'static [(u32, &'static str, &'static str)] {
    static RELEASE: LazyLock<()> = LazyLock::new(|| {
        if env::var_os(RELEASING).is_some() {
            golden::record(&golden::folder(SCHEMA)).unwrap();
            contract::keep(SCHEMA);
        }
    });
    LazyLock::force(&RELEASE);
    &RELEASED
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A digest of files, by name and bytes.
fn digest<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hash = Sha256::new();
    for (name, bytes) in files {
        for part in [name.as_bytes(), bytes] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_schema_up_to_the_newest_is_kept() {
    let kept: Vec<_> = released().iter().map(|(schema, ..)| *schema).collect();
    let all: Vec<_> = (1..=SCHEMA).collect();
    assert_eq!(kept, all, "after `make release-schema` a schema gets a line in RELEASED");
}
