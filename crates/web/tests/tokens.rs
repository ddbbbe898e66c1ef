//! Consistency tokens and receipts, as a client carries them.

#![allow(clippy::unwrap_used, reason = "a helper fails its test by a panic")]

use http::{HeaderMap, HeaderValue, StatusCode};
use hubbub_events::{LogIdentity, Position, Timestamp, Topic};
use hubbub_tables::Reason;
use hubbub_web::{
    Bound, MAX_TOKENS, OpaqueError, Problem, ProblemType, ReceiptId, TOKEN_HEADER, Token,
    from_headers, rejection,
};
use proptest::{collection::vec, prelude::*};

fn at(partition: i32, offset: i64) -> Position {
    Position { topic: Topic::Posts, partition, offset }
}

fn token(time: i64, bounds: &[(Option<&str>, i32, i64)]) -> Token {
    Token {
        identity: LogIdentity("one".to_owned()),
        time: Timestamp(time),
        bounds: bounds
            .iter()
            .map(|&(projection, partition, offset)| Bound {
                at: at(partition, offset),
                projection: projection.map(str::to_owned),
            })
            .collect(),
    }
}

fn headers(fields: &[String]) -> HeaderMap {
    fields
        .iter()
        .map(|field| {
            let value = HeaderValue::from_str(field).unwrap();
            (TOKEN_HEADER.parse().unwrap(), value)
        })
        .collect()
}

fn kind(read: Result<Option<Token>, Problem>) -> ProblemType {
    read.unwrap_err().kind()
}

#[test]
fn no_header_is_no_token() {
    assert_eq!(from_headers(&HeaderMap::new()).unwrap(), None);
    assert_eq!(from_headers(&headers(&[" , ".to_owned()])).unwrap(), None);
}

#[test]
fn tokens_are_merged_by_the_greatest_offset_per_projection_and_partition() {
    let first = token(5, &[(None, 0, 7), (Some("posts"), 1, 3)]).seal();
    let second = token(9, &[(None, 0, 4), (Some("posts"), 1, 8), (Some("likes"), 1, 1)]).seal();
    let third = token(1, &[(None, 2, 0)]).seal();
    let merged = from_headers(&headers(&[format!("{first}, {second}"), third]));
    let expected =
        token(9, &[(None, 0, 7), (None, 2, 0), (Some("likes"), 1, 1), (Some("posts"), 1, 8)]);
    assert_eq!(merged.unwrap(), Some(expected));
}

#[test]
fn at_most_64_tokens_are_taken() {
    let sealed = token(1, &[(None, 0, 1)]).seal();
    let most = vec![sealed.as_str(); MAX_TOKENS].join(",");
    assert!(from_headers(&headers(std::slice::from_ref(&most))).is_ok());
    assert_eq!(kind(from_headers(&headers(&[most, sealed]))), ProblemType::InvalidToken);
}

#[test]
fn tokens_of_different_logs_are_of_a_replaced_one() {
    let mut other = token(1, &[]);
    other.identity = LogIdentity("two".to_owned());
    let fields = [token(1, &[]).seal(), other.seal()];
    assert_eq!(kind(from_headers(&headers(&fields))), ProblemType::LogReplaced);
}

#[test]
fn a_receipt_is_no_token_and_a_token_no_receipt() {
    let receipt = ReceiptId {
        at: at(3, 12),
        identity: LogIdentity("one".to_owned()),
        time: Timestamp(4),
        event_id: "e".to_owned(),
    };
    assert_eq!(ReceiptId::open(&receipt.seal()), Ok(receipt.clone()));
    assert_eq!(Token::open(&receipt.seal()), Err(OpaqueError::OtherKind));
    assert_eq!(ReceiptId::open(&token(1, &[]).seal()), Err(OpaqueError::OtherKind));
    assert_eq!(kind(from_headers(&headers(&[receipt.seal()]))), ProblemType::InvalidToken);
}

#[test]
fn every_reason_has_its_status() {
    for (reason, status) in [
        (Reason::NotFound, StatusCode::NOT_FOUND),
        (Reason::Gone, StatusCode::GONE),
        (Reason::IdTaken, StatusCode::CONFLICT),
        (Reason::KeyReused, StatusCode::UNPROCESSABLE_ENTITY),
        (Reason::NotAuthor, StatusCode::FORBIDDEN),
        (Reason::VersionMoved, StatusCode::PRECONDITION_FAILED),
        (Reason::None, StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        assert_eq!(rejection(reason).kind().status(), status, "{reason:?}");
    }
}

proptest! {
    #[test]
    fn what_is_sealed_opens_and_what_is_changed_does_not(
        time in any::<i64>(),
        bounds in vec((0..64_i32, any::<i64>()), 0..20),
        changed in any::<prop::sample::Index>(),
        to in "[A-Za-z0-9_-]",
    ) {
        let bounds: Vec<_> = bounds.into_iter().map(|(partition, offset)| (None, partition, offset)).collect();
        let token = token(time, &bounds);
        let sealed = token.seal();
        prop_assert_eq!(Token::open(&sealed), Ok(token));
        let index = changed.index(sealed.len());
        let mut forged = sealed.clone();
        forged.replace_range(index..=index, &to);
        prop_assume!(forged != sealed);
        prop_assert!(Token::open(&forged).is_err());
    }
}
