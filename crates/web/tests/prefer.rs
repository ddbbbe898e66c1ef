//! `Prefer: wait`, as RFC 7240 writes it.

#![allow(clippy::unwrap_used, reason = "a helper fails its test by a panic")]

use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use hubbub_web::{Prefer, ProblemType, preference_applied};

fn headers(fields: &[&str]) -> HeaderMap {
    fields
        .iter()
        .map(|field| {
            (http::HeaderName::from_static("prefer"), HeaderValue::from_str(field).unwrap())
        })
        .collect()
}

#[test]
fn a_wait_is_found_wherever_it_may_stand() {
    let table: &[(&[&str], Option<u64>)] = &[
        (&[], None),
        (&[""], None),
        (&["respond-async"], None),
        (&["wait=0"], Some(0)),
        (&["wait=10"], Some(10)),
        (&["Wait=5"], Some(5)),
        (&["  wait = 5  "], Some(5)),
        (&["wait=\"5\""], Some(5)),
        (&["respond-async, wait=5"], Some(5)),
        (&["respond-async", "wait=5"], Some(5)),
        (&["wait=5; x=y"], Some(5)),
        (&["return=minimal; foo=\"a, wait=9\", wait=5"], Some(5)),
        (&["foo=\"\\\", wait=9\", wait=5"], Some(5)),
        // The first one counts, whatever the second is.
        (&["wait=5, wait=7"], Some(5)),
        (&["wait=5", "wait=nonsense"], Some(5)),
        (&["waiting=99, x-wait=99"], None),
    ];
    for (fields, seconds) in table {
        let prefer = Prefer::of(&headers(fields)).unwrap();
        assert_eq!(prefer.wait, seconds.map(Duration::from_secs), "{fields:?}");
    }
}

#[test]
fn a_wait_that_is_not_allowed_is_refused_with_what_is() {
    for field in [
        "wait",
        "wait=",
        "wait=abc",
        "wait=11",
        "wait=-1",
        "wait=+1",
        "wait=1.5",
        "wait=1s",
        "wait=\"5",
        "wait=99999999999999999999",
    ] {
        let problem = Prefer::of(&headers(&[field])).unwrap_err();
        assert_eq!(problem.kind(), ProblemType::InvalidPrefer, "{field}");
        assert!(problem.detail().contains("0 to 10"), "{}", problem.detail());
    }
}

#[test]
fn a_wait_that_was_honoured_is_said() {
    let (name, value) = preference_applied(Duration::from_secs(7));
    assert_eq!((name.as_str(), value.to_str().unwrap()), ("preference-applied", "wait=7"));
}
