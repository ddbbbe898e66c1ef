//! The documents are true: every command in them exists, every request works.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use hubbub::{Services, Settings, Sources};
use tempfile::TempDir;

const DOCUMENTS: [&str; 9] = [
    "README.md",
    "ARCHITECTURE.md",
    "docs/operations.md",
    "docs/deployment.md",
    "docs/api.md",
    "docs/data.md",
    "docs/problems.md",
    "docs/reliability.md",
    "docs/performance.md",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn document(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// The lines of a document's code blocks in a language.
fn blocks(document: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    let after = document.split(&opening).skip(1);
    after.map(|block| block.split("\n```").next().unwrap_or_default().to_owned()).collect()
}

/// What documents say in code: blocks and `spans`.
fn commands(document: &str) -> Vec<String> {
    let lines = blocks(document, "sh")
        .into_iter()
        .flat_map(|block| block.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>());
    let prose: String = document.split("```").step_by(2).collect();
    let spans = prose.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    lines.chain(spans).collect()
}

fn hubbub(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hubbub")).args(arguments).output().unwrap()
}

/// The arguments of a `hubbub` command, without what a shell makes of the rest.
fn arguments(command: &str) -> Option<Vec<&str>> {
    let command = command.split(['#', '|', '>', ';']).next().unwrap_or_default();
    let mut words = command.split_whitespace().skip_while(|word| {
        word.split_once('=').is_some_and(|(name, _)| name.starts_with("HUBBUB__"))
    });
    (words.next()? == "hubbub").then(|| words.collect())
}

#[test]
fn every_command_in_a_document_exists() {
    let makefile = document("Makefile");
    let mut seen = (0, 0);
    for name in DOCUMENTS {
        for command in commands(&document(name)) {
            let target =
                command.strip_prefix("make ").and_then(|rest| rest.split_whitespace().next());
            if let Some(target) = target.filter(|target| !target.starts_with('#')) {
                assert!(makefile.contains(&format!("\n{target}: ## ")), "{name}: make {target}");
                seen.0 += 1;
            }
            let Some(arguments) = arguments(&command) else {
                continue;
            };
            seen.1 += 1;
            let words: Vec<_> = arguments
                .iter()
                .copied()
                .take_while(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
                .take_while(|word| !word.starts_with('-'))
                .collect();
            let help = hubbub(&[&words[..], &["--help"]].concat());
            let text = String::from_utf8_lossy(&help.stdout);
            assert!(help.status.success(), "{name}: {command}: {help:?}");
            for word in &words {
                assert!(text.contains(word), "{name}: {command}: no {word}");
            }
            for flag in arguments.iter().filter(|word| word.starts_with("--")) {
                assert!(text.contains(flag), "{name}: {command}: no {flag}");
            }
        }
    }
    assert!(seen.0 > 3 && seen.1 > 5, "the documents name few commands: {seen:?}");
}

#[test]
fn every_setting_in_a_document_exists() {
    let defaults: toml::Value = toml::from_str(hubbub::settings::DEFAULTS).unwrap();
    let has =
        |path: &str| path.split("__").try_fold(&defaults, |table, key| table.get(key)).is_some();
    for name in DOCUMENTS {
        for command in commands(&document(name)) {
            let settings = command.split_whitespace().filter(|word| word.starts_with("HUBBUB__"));
            for setting in settings.filter_map(|word| word.split_once('=')).map(|(name, _)| name) {
                let path = setting.trim_start_matches("HUBBUB__").to_lowercase();
                let is_known = has(&path) || path.strip_suffix("_file").is_some_and(has);
                assert!(is_known, "{name}: {setting}");
            }
        }
    }
}

#[test]
fn every_file_that_a_document_links_to_exists() {
    for name in DOCUMENTS {
        let text = document(name);
        let folder = root().join(name).parent().unwrap().to_owned();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let is_ours = !file.is_empty() && !link.contains("://");
            assert!(!is_ours || folder.join(file).exists(), "{name}: {link}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_in_the_api_document_is_answered_as_it_says() {
    let folder = TempDir::new().unwrap();
    let free_port = |name: &str| (name.into(), "127.0.0.1:0".into());
    let settings = Settings::load(&Sources {
        variables: vec![
            free_port("HUBBUB__HTTP__LISTEN"),
            free_port("HUBBUB__OPERATIONS__LISTEN"),
            // Its reads have no tokens, and the machine may pause.
            ("HUBBUB__QUERY__ABSENT_WAIT".into(), "5s".into()),
        ],
        data: Some(folder.path().join("data")),
        ..Sources::default()
    });
    let services = Services::spawn(settings.unwrap()).await.unwrap();
    let base = format!("http://{}", services.api_addr().unwrap());

    let mut requests = 0;
    for block in blocks(&document("docs/api.md"), "sh") {
        let mut script = String::new();
        for line in block.replace("http://localhost:8080", &base).lines() {
            let Some(status) = line.strip_prefix("# ") else {
                script += &format!("{line}\n");
                continue;
            };
            let answer = Command::new("sh").args(["-c", &script]).output().unwrap();
            let text = String::from_utf8_lossy(&answer.stdout);
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{script}\n{answer:?}");
            requests += 1;
            script.clear();
        }
        assert!(script.trim().is_empty(), "what is it answered? {script}");
    }
    assert!(requests > 20, "the document has few requests: {requests}");
}
