//! The shape that ARCHITECTURE.md draws, held.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Which of our crates each may use.
const ARROWS: [(&str, &[&str]); 13] = [
    ("events", &[]),
    ("trace", &[]),
    ("tables", &["events"]),
    ("stream", &["events"]),
    ("store", &["events", "tables", "trace"]),
    ("projections", &["events", "tables"]),
    ("worker", &["events", "projections", "store", "stream", "tables", "trace"]),
    ("web", &["events", "tables", "trace"]),
    ("ingest", &["events", "store", "stream", "tables", "trace", "web"]),
    ("query", &["events", "store", "stream", "tables", "web"]),
    ("testkit", &["events", "projections", "store", "stream", "tables", "web"]),
    (
        "hubbub",
        &[
            "events",
            "ingest",
            "projections",
            "query",
            "store",
            "stream",
            "tables",
            "trace",
            "web",
            "worker",
        ],
    ),
    ("bench", &["testkit"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Our packages, as cargo sees them.
fn packages() -> Vec<Value> {
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// Our crates, each with those of ours that its own code, not its tests, uses.
fn crates() -> BTreeMap<String, BTreeSet<String>> {
    let packages = packages();
    let names: BTreeSet<_> = packages.iter().map(|package| short(&package["name"])).collect();
    let uses = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        dependencies
            .filter(|dependency| dependency["kind"] != "dev")
            .filter(|dependency| dependency["name"].as_str().unwrap().starts_with("hubbub"))
            .map(|dependency| short(&dependency["name"]))
            .filter(|name| names.contains(name))
            .collect()
    };
    packages.iter().map(|package| (short(&package["name"]), uses(package))).collect()
}

fn short(name: &Value) -> String {
    let name = name.as_str().unwrap();
    name.strip_prefix("hubbub-").unwrap_or(name).to_owned()
}

/// Cargo drops a target without a word where another one names its file.
#[test]
fn the_end_to_end_suite_runs_on_one_process_and_on_a_fleet() {
    let packages = packages();
    let program = packages.iter().find(|package| package["name"] == "hubbub").unwrap();
    let targets: Vec<_> = program["targets"].as_array().unwrap().iter().collect();
    for suite in ["e2e", "e2e_fleet"] {
        assert!(targets.iter().any(|target| target["name"] == suite), "{suite} is not built");
    }
}

#[test]
fn arrows_point_one_way() {
    for (name, uses) in crates() {
        let allowed = ARROWS.iter().find(|(known, _)| *known == name);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{name} is not in ARCHITECTURE.md"));
        let not_allowed: Vec<_> =
            uses.iter().filter(|used| !allowed.contains(&used.as_str())).collect();
        assert!(not_allowed.is_empty(), "{name} must not use {not_allowed:?}");
    }
}

#[test]
fn no_crate_is_named_for_nothing() {
    for name in crates().into_keys() {
        for word in ["common", "util", "core", "helper", "shared", "misc"] {
            assert!(!name.contains(word), "{name}: a name says what a crate is for");
        }
    }
}

/// The files of a folder, and of those in it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[test]
fn the_worker_does_not_know_what_a_post_is() {
    let mut looked = 0;
    for path in sources(&root().join("crates/worker/src")) {
        let source = fs::read_to_string(&path).unwrap();
        let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            let word = line.to_ascii_lowercase();
            let names = ["post", "like", "analys", "hashtag"];
            let name = names.iter().find(|name| word.contains(**name));
            assert!(name.is_none(), "{}: {line}", path.display());
        }
        looked += 1;
    }
    assert!(looked > 5, "the worker's sources are elsewhere");
}

/// The crates that must stay pure have nothing to reach the outside with.
#[test]
fn events_tables_and_folds_reach_nothing_outside() {
    for name in ["events", "tables", "projections"] {
        let manifest =
            fs::read_to_string(root().join(format!("crates/{name}/Cargo.toml"))).unwrap();
        let own = manifest.split("[dev-dependencies]").next().unwrap();
        let own = own.split("[dependencies]").nth(1).unwrap();
        for outside in ["tokio", "rand", "fjall", "reqwest", "axum", "rustix"] {
            let uses = own.lines().any(|line| line.starts_with(&format!("{outside}.")));
            assert!(!uses, "{name} uses {outside}");
        }
    }
}
