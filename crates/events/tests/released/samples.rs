//! One event of each kind and shape, as this build writes them.

use hubbub_events::{Action, Id, PostEvent, Timestamp};

/// Names of files, and the events in them.
pub fn samples() -> Vec<(&'static str, PostEvent)> {
    let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
    let created = |content: &str, hashtags: &[&str]| Action::Created {
        content: content.to_owned(),
        hashtags: tags(hashtags),
    };
    let edited = |content: Option<&str>, hashtags: Option<&[&str]>, expected_version| {
        let (content, hashtags) = (content.map(str::to_owned), hashtags.map(tags));
        Action::Edited { content, hashtags, expected_version }
    };
    let derived = Id::derived("ada", "key", None).into_string();
    vec![
        ("created", event("ada", "p1", created("Grüße #welt 👋\nand more", &["welt", "more"]))),
        ("created-by-nobody", event("", "p2", created("x", &[]))),
        ("created-by-key", event("ada", &derived, created("once", &[]))),
        ("edited", event("ada", "p1", edited(Some("new"), Some(&["new"]), Some(3)))),
        ("edited-in-nothing", event("ada", "p1", edited(None, None, None))),
        ("edited-to-no-hashtags", event("", "p1", edited(None, Some(&[]), Some(i64::MAX)))),
        ("deleted", event("ada", "p1", Action::Deleted)),
        ("deleted-by-nobody", event("", "p2", Action::Deleted)),
        ("liked", event("bob:1", "p1", Action::Liked)),
        ("unliked", event("bob:1", "p1", Action::Unliked)),
    ]
}

fn event(user_id: &str, post_id: &str, action: Action) -> PostEvent {
    PostEvent {
        event_id: "0190e2a4-7b1c-7def-8123-456789abcdef".to_owned(),
        time: Timestamp(1_700_000_000_123),
        user_id: user_id.to_owned(),
        post_id: post_id.to_owned(),
        action,
    }
}
