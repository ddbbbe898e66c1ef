//! What is written is what protobuf says, and reads back as what it was.

use hubbub_events::{
    Action, DecodeError, PostEvent, Timestamp,
    v1::{self, event::Body},
};
use proptest::{collection::vec, option, prelude::*};
use prost::Message;

fn id() -> impl Strategy<Value = String> {
    "[A-Za-z0-9_:-]{1,128}".prop_filter("reserved", |id| id != "batch")
}

fn content() -> impl Strategy<Value = String> {
    "[^\0]{1,300}"
}

fn hashtags() -> impl Strategy<Value = Vec<String>> {
    vec("[a-zé#0-9]{1,20}", 0..30)
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        (content(), hashtags())
            .prop_map(|(content, hashtags)| Action::Created { content, hashtags }),
        (option::of(content()), option::of(hashtags()), option::of(any::<i64>())).prop_map(
            |(content, hashtags, expected_version)| Action::Edited {
                content,
                hashtags,
                expected_version
            }
        ),
        Just(Action::Deleted),
    ]
}

fn event() -> impl Strategy<Value = PostEvent> {
    let acted = prop_oneof![
        (option::of(id()), action()),
        (id().prop_map(Some), prop_oneof![Just(Action::Liked), Just(Action::Unliked)]),
    ];
    (id(), 0..=Timestamp::MAX.0, acted, id()).prop_map(
        |(event_id, time, (user_id, action), post_id)| PostEvent {
            event_id,
            time: Timestamp(time),
            user_id: user_id.unwrap_or_default(),
            post_id,
            action,
        },
    )
}

/// The same event as the generated types hold it.
fn generated(event: &PostEvent) -> v1::Event {
    let PostEvent { event_id, time, user_id, post_id, action } = event.clone();
    let body = match action {
        Action::Created { content, hashtags } => {
            Body::PostCreated(v1::PostCreated { post_id, content, hashtags })
        }
        Action::Edited { content, hashtags, expected_version } => {
            let hashtags = hashtags.map(|values| v1::Hashtags { values });
            Body::PostEdited(v1::PostEdited { post_id, content, hashtags, expected_version })
        }
        Action::Deleted => Body::PostDeleted(v1::PostDeleted { post_id }),
        Action::Liked => Body::PostLiked(v1::PostLiked { post_id }),
        Action::Unliked => Body::PostUnliked(v1::PostUnliked { post_id }),
    };
    v1::Event {
        id: event_id,
        schema: 1,
        time: Some(time.to_proto()),
        user_id: (!user_id.is_empty()).then_some(user_id),
        body: Some(body),
    }
}

proptest! {
    #[test]
    fn an_event_is_written_as_protobuf_writes_it(event in event()) {
        prop_assert_eq!(event.encode(), generated(&event).encode_to_vec());
    }

    #[test]
    fn an_event_reads_back_as_what_was_written(event in event()) {
        let read = PostEvent::decode(event.post_id.as_bytes(), &event.encode());
        prop_assert_eq!(read, Ok(event));
    }
}

#[test]
fn borrowed_texts_give_the_same_bytes() {
    let owned = PostEvent {
        event_id: "e".to_owned(),
        time: Timestamp(1),
        user_id: "u".to_owned(),
        post_id: "p".to_owned(),
        action: Action::Created { content: "c".to_owned(), hashtags: vec!["h".to_owned()] },
    };
    let borrowed = PostEvent {
        event_id: "e",
        time: Timestamp(1),
        user_id: "u",
        post_id: "p",
        action: Action::Created { content: "c", hashtags: vec!["h".to_owned()] },
    };
    assert_eq!(owned.encode(), borrowed.encode());
    assert_eq!(owned.headers(), borrowed.headers());
}

#[test]
fn a_newer_schema_and_an_unknown_body_are_newer_and_a_wrong_key_is_invalid() {
    let event = PostEvent {
        event_id: "e",
        time: Timestamp(1),
        user_id: "u",
        post_id: "p",
        action: Action::Liked,
    };
    let mut newer = v1::Event::decode(event.encode().as_slice()).unwrap();
    newer.schema = 2;
    let read = PostEvent::decode(b"p", &newer.encode_to_vec());
    assert_eq!(read, Err(DecodeError::Newer { schema: 2 }));
    newer.schema = 1;
    newer.body = None;
    let read = PostEvent::decode(b"p", &newer.encode_to_vec());
    assert_eq!(read, Err(DecodeError::Newer { schema: 1 }));
    let read = PostEvent::decode(b"q", &event.encode());
    assert!(matches!(read, Err(DecodeError::Invalid(_))), "{read:?}");
}
