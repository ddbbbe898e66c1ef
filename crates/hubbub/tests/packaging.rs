//! What hubbub is packaged as: the versions and settings that are named there, and the program in nothing but the files
//! of its image.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

use std::{
    fs,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use hubbub::{Settings, Sources};
use hubbub_testkit::{
    client::Client,
    process::{Process, Signal, all_in_one, patient},
};
use serde_json::json;
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
/// The user of the image.
const USER: u32 = 65532;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn file(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// What stands in a text behind one mark and before the next.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start:?}"));
    rest.split(end).next().unwrap()
}

#[test]
fn versions_are_alike_wherever_they_are_named() {
    let compose = file("compose.yaml");
    for (image, recipe, artifact) in [
        ("apache/kafka", "docker/stack/kafka/pom.xml", "kafka_2.13"),
        ("cassandra", "docker/stack/cassandra/pom.xml", "cassandra-all"),
    ] {
        let pom = file(recipe);
        let from_packages =
            between(between(&pom, artifact, "</dependency>"), "<version>", "</version>");
        assert_eq!(between(&compose, &format!("image: {image}:"), "\n"), from_packages, "{image}");
    }

    let dockerfile = file("docker/Dockerfile");
    let toolchain = file("rust-toolchain.toml");
    let rust = between(&toolchain, "channel = \"", "\"");
    assert_eq!(between(&dockerfile, "FROM rust:", "-"), rust);
    assert_eq!(between(&dockerfile, "RUSTUP_TOOLCHAIN=", "\n"), rust);

    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(between(&dockerfile, "ARG VERSION=", "\n"), version);
    let example = file("deploy/overlays/example/kustomization.yaml");
    assert_eq!(between(&example, "newTag: ", "\n"), version);
}

/// The names of settings in a text, as variables.
fn variables(text: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let starts = text.match_indices("HUBBUB__").map(|(at, _)| &text[at..]);
    starts.map(|rest| rest.split(|c| !is_part(c)).next().unwrap()).collect()
}

#[test]
fn every_setting_of_the_packaging_exists() {
    let defaults: toml::Value = toml::from_str(hubbub::settings::DEFAULTS).unwrap();
    let has =
        |path: &str| path.split("__").try_fold(&defaults, |table, key| table.get(key)).is_some();
    let mut seen = 0;
    for name in [
        "compose.yaml",
        "docker/Dockerfile",
        "deploy/base/ingest.yaml",
        "deploy/base/query.yaml",
        "deploy/base/worker/worker.yaml",
        "deploy/base/workers/posts/kustomization.yaml",
        "deploy/components/secured/secrets.yaml",
    ] {
        for variable in variables(&file(name)) {
            let path = variable.trim_start_matches("HUBBUB__").to_lowercase();
            let is_known = has(&path) || path.strip_suffix("_file").is_some_and(has);
            assert!(is_known, "{name}: there is no setting {variable}");
            seen += 1;
        }
    }
    assert!(seen > 20, "the packaging names few settings: {seen}");
}

#[test]
fn the_settings_of_the_manifests_are_allowed() {
    // What the Secret of components/secured holds.
    let secrets = ["KAFKA__SASL", "CASSANDRA", "REDIS"]
        .map(|of| (format!("HUBBUB__{of}__PASSWORD").into(), "example".into()));
    for (name, variables) in [
        ("deploy/base/settings.toml", vec![]),
        ("deploy/overlays/example/settings.toml", secrets.to_vec()),
    ] {
        let sources = Sources { file: Some(root().join(name)), variables, ..Sources::default() };
        Settings::load(&sources).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// A file system that holds what the image takes from the build, and a folder for the data.
struct BareRoot(TempDir);

impl BareRoot {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let made = Command::new(root().join("docker/bare-root.sh"))
            .arg(env!("CARGO_BIN_EXE_hubbub"))
            .arg(folder.path().join("root"))
            .status()
            .unwrap();
        assert!(made.success(), "{made}");
        fs::create_dir(folder.path().join("root/data")).unwrap();
        Self(folder)
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("root")
    }

    /// hubbub with this as its whole file system, and as the image's user where root may choose.
    fn command(&self) -> Command {
        let root = self.root();
        let is_root = chown(root.join("data"), Some(USER), Some(USER)).is_ok();
        let mut command = if is_root {
            let mut command = all_in_one(Path::new("chroot"), Path::new("/data"));
            command.arg(format!("--userspec={USER}:{USER}")).arg(root);
            command
        } else {
            let mut command = all_in_one(Path::new("unshare"), Path::new("/data"));
            command.arg("--map-root-user").arg("--root").arg(root);
            command
        };
        command.arg("/usr/local/bin/hubbub");
        command
    }
}

#[tokio::test]
async fn the_program_needs_nothing_but_the_files_of_its_image() {
    let bare = BareRoot::new();
    for (arguments, code, says) in [
        (&["--version"][..], 0, env!("CARGO_PKG_VERSION")),
        (&["config"], 0, "path = \"/data\""),
        (&["healthcheck", "--url", "http://127.0.0.1:1"], 1, "does not answer"),
    ] {
        let output = bare.command().args(arguments).output().unwrap();
        let text = [&output.stdout[..], &output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        assert!(text.contains(says), "{arguments:?}: {text}");
    }

    let mut process = Process::start(patient(bare.command()), &bare.0.path().join("log"));
    let urls = process.ready(PATIENCE).await;
    let hub = Client::new(&urls.api, &urls.api);
    hub.post("/posts", &json!({"id": "p", "content": "Two words"})).wait(10).await.expect(201);
    assert_eq!(hub.get("/posts/p/analysis").await.expect(200).json()["word_count"], 2);
    let asked = bare.command().args(["healthcheck", "--url", &urls.operations]).output().unwrap();
    assert!(asked.status.success(), "{asked:?}");
    process.signal(Signal::INT);
    assert_eq!(process.ended(PATIENCE).await.code(), Some(0), "{}", process.output());
}
