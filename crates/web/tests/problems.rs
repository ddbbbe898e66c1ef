//! The registry of problem types and its documentation.

#![allow(clippy::unwrap_used, reason = "a helper fails its test by a panic")]

use std::{collections::BTreeSet, time::Duration};

use axum::response::IntoResponse;
use hubbub_web::{Problem, ProblemType};

/// What the documentation lists: slug, status, title and text of each section.
fn documented() -> Vec<(String, u16, String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/problems.md");
    let text = std::fs::read_to_string(path).unwrap();
    let sections = text.split("\n### ").skip(1);
    sections
        .map(|section| {
            let mut lines = section.lines();
            let (slug, status) = lines.next().unwrap().split_once(" · ").unwrap();
            let text: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
            let title = text[0].strip_prefix("**").unwrap().split(".**").next().unwrap();
            (slug.to_owned(), status.parse().unwrap(), title.to_owned(), text.join(" "))
        })
        .collect()
}

#[test]
fn the_documentation_and_the_registry_agree() {
    let registered: Vec<_> = ProblemType::ALL
        .iter()
        .map(|kind| (kind.slug().to_owned(), kind.status().as_u16(), kind.title().to_owned()))
        .collect();
    let documented: Vec<_> =
        documented().into_iter().map(|(slug, status, title, _)| (slug, status, title)).collect();
    assert_eq!(documented, registered);
}

#[test]
fn every_section_says_what_to_do() {
    for (slug, _, title, text) in documented() {
        assert!(text.len() > title.len() + 60, "{slug}: {text}");
    }
}

#[test]
fn slugs_are_unique_and_in_the_type() {
    let slugs: BTreeSet<_> = ProblemType::ALL.iter().map(|kind| kind.slug()).collect();
    assert_eq!(slugs.len(), ProblemType::ALL.len());
    for kind in ProblemType::ALL {
        assert_eq!(kind.uri(), format!("urn:hubbub:problem:{}", kind.slug()));
    }
}

#[test]
fn every_503_says_when_to_come_again() {
    for kind in ProblemType::ALL {
        let response = Problem::new(*kind, "").into_response();
        let said = response.headers().contains_key("retry-after");
        let expected = kind.status() == 503 || *kind == ProblemType::NotAnalyzedYet;
        assert_eq!(said, expected, "{}", kind.slug());
    }
}

#[test]
fn a_delay_is_rounded_up_to_seconds() {
    let problem =
        Problem::new(ProblemType::Overloaded, "").retry_after(Duration::from_millis(1_200));
    assert_eq!(problem.into_response().headers()["retry-after"], "2");
}

#[test]
fn a_serialized_problem_has_the_standard_members_first() {
    let problem = Problem::invalid("content", "is empty").with("limit", 5);
    assert_eq!(
        serde_json::to_string(&problem).unwrap(),
        r#"{"type":"urn:hubbub:problem:validation-failed","title":"A value is not allowed","status":422,"detail":"content: is empty","errors":[{"field":"content","detail":"is empty"}],"limit":5}"#
    );
}
