//! Each wrong thing is told by its invariant, with the requests that bear on it and no others.

use axum::{Json, Router, routing::get};
use hubbub_events::{Timestamp, Topic, TopicPartition};
use reqwest::{Method, header::HeaderMap};
use serde_json::json;
use tokio::{net::TcpListener, sync::watch};

use super::*;
use crate::answer::Answer;

/// A post's requests, acknowledged at one offset after the other but where the place is in `unknown`.
fn history(id: &str, actions: Vec<Action>, unknown: &[i64]) -> History {
    let within = TopicPartition { topic: Topic::Posts, partition: 2 };
    let said = (0..).zip(actions).map(|(offset, action)| Said {
        action,
        asked: Timestamp(1_700_000_000_000 + 10 * offset),
        answered: Timestamp(1_700_000_000_003 + 10 * offset),
        at: (!unknown.contains(&offset)).then_some(within.at(offset)),
    });
    History { id: id.to_owned(), author: "ann".to_owned(), said: said.collect() }
}

fn create(text: &str) -> Action {
    Action::Create(Text::of(text.to_owned()))
}

fn edit(text: &str) -> Action {
    Action::Edit { text: Text::of(text.to_owned()), if_match: None }
}

fn like(user: &str) -> Action {
    Action::Like(user.to_owned())
}

/// The offsets of a story's requests.
fn offsets(violation: &Violation) -> Vec<i64> {
    violation.story.iter().map(|said| said.at.map_or(-1, |at| at.offset)).collect()
}

fn live(text: &str, version: usize, likers: &[&str], events: &[(&str, &str)]) -> Live {
    Live {
        text: Text::of(text.to_owned()),
        version,
        likers: likers.iter().map(|user| (*user).to_owned()).collect(),
        like_count: likers.len(),
        events: events.iter().map(|(event, by)| ((*event).to_owned(), (*by).to_owned())).collect(),
    }
}

#[test]
fn what_is_wrong_with_a_post_is_told_by_what_bears_on_it() {
    let unlike = Action::Unlike("bob".to_owned());
    let actions = vec![create("one"), like("bob"), edit("two"), like("cy"), unlike, edit("three")];
    let history = history("p", actions, &[2]);
    let all = [
        ("created", "ann"),
        ("liked", "bob"),
        ("edited", "ann"),
        ("liked", "cy"),
        ("unliked", "bob"),
        ("edited", "ann"),
    ];
    let right = live("three", 3, &["cy"], &all);
    assert!(history.check(&Post::Live(right.clone())).is_ok());
    let events = |events: &[(&str, &str)]| live("three", 3, &["cy"], events);
    let twice = [&all[..4], &all[3..]].concat();
    let unasked = [&all[..], &[("liked", "dee")]].concat();
    let lost = [&all[..3], &all[4..]].concat();
    let mut counted_twice = right.clone();
    counted_twice.like_count += 1;
    for (seen, invariant, story) in [
        (Post::Absent, Invariant::Durability, &[0][..]),
        (Post::Deleted, Invariant::Durability, &[0]),
        (Post::Live(live("one", 3, &["cy"], &all)), Invariant::Durability, &[0, 5]),
        (Post::Live(live("three", 4, &["cy"], &all)), Invariant::Durability, &[-1, 5]),
        (Post::Live(live("three", 3, &["bob", "cy"], &all)), Invariant::Likes, &[1, 4]),
        (Post::Live(live("three", 3, &[], &all)), Invariant::Likes, &[3]),
        (Post::Live(counted_twice), Invariant::Likes, &[4]),
        (Post::Live(events(&twice)), Invariant::Uniqueness, &[3]),
        (Post::Live(events(&lost)), Invariant::Durability, &[-1, 3]),
        (Post::Live(events(&unasked)), Invariant::Durability, &[5]),
        (Post::Live(events(&all[..5])), Invariant::Durability, &[4, 5]),
    ] {
        let violation = history.check(&seen).unwrap_err();
        assert_eq!(violation.invariant, invariant, "{violation}");
        assert_eq!(offsets(&violation), story, "{violation}");
    }
}

#[test]
fn what_is_gone_stays_gone_and_has_no_analysis() {
    let history = history("p", vec![create("one"), like("bob"), Action::Delete], &[]);
    let back = live("one", 1, &["bob"], &[("created", "ann"), ("liked", "bob")]);
    let analysis = back.analysis("p", "ann", ANALYZER);
    let item = json!({"id": "p"});
    for violation in [
        history.check(&Post::Live(back)).unwrap_err(),
        history.check_analysis(&Post::Deleted, Some(&analysis), ANALYZER).unwrap_err(),
        history.check_listed(&Post::Deleted, None, Some(&item)).unwrap_err(),
    ] {
        assert_eq!(violation.invariant, Invariant::Analysis, "{violation}");
        assert_eq!(offsets(&violation), [2], "{violation}");
    }
}

#[test]
fn a_violation_reads_as_a_story() {
    let history = history("p", vec![create("one two"), like("bob"), edit("six")], &[2]);
    let post = Post::Live(live("six", 2, &[], &[]));
    let violation = history.check_analysis(&post, None, ANALYZER).unwrap_err();
    assert_eq!(
        violation.to_string(),
        "violated I3: a post's analysis is the pure function of its last edit; a deleted post has \
         none and never comes back; an author's totals are those of the live posts\n  \
         post p\n  \
         2023-11-14T22:13:20.020Z edit to \"six\": unknown after 3 ms\n  \
         expected: the analysis {\"analyzer\":\"uax29-nfc/1\",\"average_word_length\":3.0,\
         \"post_id\":\"p\",\"user_id\":\"ann\",\"word_count\":1}\n  \
         seen:     no analysis"
    );
    let violation = history.check(&Post::Absent).unwrap_err().to_string();
    let create = "\n  2023-11-14T22:13:20.000Z create \"one two\": acknowledged at hubbub.posts.v1/2@0 after 3 ms\n";
    assert!(violation.contains(create), "{violation}");
}

#[test]
fn what_is_stored_twice_is_seen_in_the_list() {
    let histories =
        [history("p", vec![create("one")], &[]), history("q", vec![create("two")], &[])];
    let item = |id: &str, content: &str| json!({"id": id, "content": content});
    assert!(listing::by_id(&histories, &[item("p", "one"), item("q", "two")]).is_ok());
    for (again, subject, story) in [
        // A duplicate, a second post of one request, and one that nobody asked for.
        (item("p", "one"), "p", &[0][..]),
        (item("r", "two"), "r", &[0]),
        (item("r", "three"), "r", &[]),
    ] {
        let items = [item("p", "one"), item("q", "two"), again];
        let violation = listing::by_id(&histories, &items).unwrap_err();
        assert_eq!(violation.invariant, Invariant::Uniqueness, "{violation}");
        assert_eq!(violation.subject, Subject::Post(subject.to_owned()), "{violation}");
        assert_eq!(offsets(&violation), story, "{violation}");
    }
}

#[tokio::test]
async fn a_read_behind_its_token_is_seen() {
    let stale = get(async || {
        ([("consistency-token", "token")], Json(json!({"content": "one", "version": 1})))
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/api/v1/posts/p", stale);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let (open, door) = Door::closed();
    open.send_replace(Some((url.clone(), url)));

    let mut writer = Writer::new(0, door, watch::Sender::new(0));
    writer.histories.push(history("p", vec![create("one"), edit("two")], &[]));
    let edited = Answer {
        method: Method::PATCH,
        target: String::new(),
        status: 202,
        headers: HeaderMap::from_iter([(
            "consistency-token".parse().unwrap(),
            "token".parse().unwrap(),
        )]),
        body: "".into(),
    };
    let mut read = async |text: &str| writer.read_own_write(0, text, &edited).await;
    assert!(read("one").await.is_ok());
    let violation = read("two").await.unwrap_err();
    assert_eq!(violation.invariant, Invariant::Consistency, "{violation}");
    assert_eq!(offsets(&violation), [1], "{violation}");
    assert!(violation.to_string().contains("\"one\""), "{violation}");
}
