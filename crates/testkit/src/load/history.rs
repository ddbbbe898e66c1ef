//! What was said about a post, and so what it may be by now: the model that the tables are held against.

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// A post's content, with the numbers that its analysis must have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text {
    /// What is posted.
    pub content: String,
    /// How many words it has.
    pub words: usize,
    /// How many characters they have together.
    pub chars: usize,
}

impl Text {
    /// A word that is like no other, and some more.
    #[must_use]
    pub fn new(mark: &str, more: usize) -> Self {
        Self {
            content: format!("{mark}{}", " word".repeat(more)),
            words: 1 + more,
            chars: mark.len() + 4 * more,
        }
    }
}

/// What a request asks for.
#[derive(Clone, Debug)]
pub enum Action {
    /// That there be a post.
    Create(Text),
    /// That it say something else.
    Edit {
        /// What.
        text: Text,
        /// Only if this is its version.
        if_match: Option<usize>,
    },
    /// That a user like it.
    Like(String),
    /// That a user no longer like it.
    Unlike(String),
    /// That it be gone.
    Delete,
}

/// A request that was sent. One that was neither acknowledged nor refused may have had its effect.
#[derive(Clone, Debug)]
pub struct Said {
    /// What it asked for.
    pub action: Action,
    /// Whether it was acknowledged.
    pub is_certain: bool,
}

/// Everything that was said about one post, by one writer, in this order.
#[derive(Clone, Debug)]
pub struct History {
    /// The post's.
    pub id: String,
    /// The writer's.
    pub author: String,
    /// In the order in which it was said.
    pub said: Vec<Said>,
}

/// A post as it can be seen. Of a deleted one nothing else is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Post {
    /// Never made.
    Absent,
    /// Made, and gone.
    Deleted,
    /// There.
    Live(Live),
}

/// A post that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// What it says.
    pub text: Text,
    /// Which edit it is; 1 before the first.
    pub version: usize,
    /// Who likes it.
    pub likers: BTreeSet<String>,
    /// The type and user of each event, oldest first.
    pub events: Vec<(String, String)>,
}

impl History {
    /// Whether nothing was said but that there be a post.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.said.iter().all(|said| matches!(said.action, Action::Create(_)))
    }

    /// Whether the post may be as it is seen, where each request that is not certain had its effect or had none.
    #[must_use]
    pub fn explains(&self, seen: &Post) -> bool {
        let mut outcomes = vec![Post::Absent];
        for Said { action, is_certain } in &self.said {
            let mut after: Vec<_> =
                outcomes.iter().map(|post| post.after(action, &self.author)).collect();
            if !is_certain {
                after.append(&mut outcomes);
            }
            outcomes.clear();
            for post in after {
                if post.may_become(seen) && !outcomes.contains(&post) {
                    outcomes.push(post);
                }
            }
        }
        outcomes.contains(seen)
    }

    /// The post's version, where it follows from what was said.
    #[must_use]
    pub fn version(&self) -> Option<usize> {
        let mut versions = BTreeSet::from([1]);
        for Said { action, is_certain } in &self.said {
            let Action::Edit { if_match, .. } = action else { continue };
            let after = versions.iter().map(|version| match if_match {
                Some(seen) if seen != version => *version,
                _ => version + 1,
            });
            let after: BTreeSet<_> = after.collect();
            match is_certain {
                true => versions = after,
                false => versions.extend(after),
            }
        }
        versions.first().copied().filter(|_| versions.len() == 1)
    }
}

impl Post {
    /// Events are never taken back, so what has other ones is on another way.
    fn may_become(&self, seen: &Self) -> bool {
        match (self, seen) {
            (Self::Live(post), Self::Live(seen)) => seen.events.starts_with(&post.events),
            _ => true,
        }
    }

    fn after(&self, action: &Action, author: &str) -> Self {
        let mut post = match (self, action) {
            (Self::Absent, Action::Create(text)) => {
                return Self::Live(Live {
                    text: text.clone(),
                    version: 1,
                    likers: BTreeSet::new(),
                    events: vec![("created".to_owned(), author.to_owned())],
                });
            }
            (Self::Live(_), Action::Delete) => return Self::Deleted,
            // What is not there, or is gone, cannot be changed; the first create wins.
            (Self::Absent | Self::Deleted, _) | (_, Action::Create(_)) => return self.clone(),
            (Self::Live(post), _) => post.clone(),
        };
        let (event, user) = match action {
            Action::Edit { if_match: Some(seen), .. } if *seen != post.version => {
                return self.clone();
            }
            Action::Edit { text, .. } => {
                (post.text, post.version) = (text.clone(), post.version + 1);
                ("edited", author)
            }
            Action::Like(user) => {
                post.likers.insert(user.clone());
                ("liked", &**user)
            }
            Action::Unlike(user) => {
                post.likers.remove(user);
                ("unliked", &**user)
            }
            Action::Create(_) | Action::Delete => unreachable!("handled above"),
        };
        post.events.push((event.to_owned(), user.to_owned()));
        Self::Live(post)
    }
}

impl Live {
    /// The answer of `GET /posts/{id}/analysis`.
    #[must_use]
    pub fn analysis(&self, id: &str, author: &str) -> Value {
        let Text { words, chars, .. } = self.text;
        json!({
            "post_id": id,
            "user_id": author,
            "word_count": words,
            "average_word_length": chars as f64 / words as f64,
            "analyzer": "uax29-nfc/1",
        })
    }
}

/// The model catches what the suite is for.
#[test]
fn what_is_lost_or_counted_twice_does_not_follow() {
    let text = |mark: &str| Text::new(mark, 2);
    let edit = |mark: &str| Action::Edit { text: text(mark), if_match: None };
    let said = |action, is_certain| Said { action, is_certain };
    let history = History {
        id: "post".to_owned(),
        author: "author".to_owned(),
        said: vec![
            said(Action::Create(text("one")), false),
            said(Action::Create(text("one")), true),
            said(edit("two"), false),
            said(Action::Like("fan".to_owned()), true),
            said(edit("three"), true),
        ],
    };
    let post = |mark: &str, version, likers: &[&str], events: &[&str]| {
        let user = |event: &str| if event == "liked" { "fan" } else { "author" };
        Post::Live(Live {
            text: text(mark),
            version,
            likers: likers.iter().map(|fan| (*fan).to_owned()).collect(),
            events: events
                .iter()
                .map(|event| ((*event).to_owned(), user(event).to_owned()))
                .collect(),
        })
    };
    assert_eq!(history.version(), None);
    for (seen, follows) in [
        (post("three", 2, &["fan"], &["created", "liked", "edited"]), true),
        (post("three", 3, &["fan"], &["created", "edited", "liked", "edited"]), true),
        // The last edit is lost, one more is there, or they came in another order.
        (post("two", 2, &["fan"], &["created", "edited", "liked"]), false),
        (post("three", 4, &["fan"], &["created", "edited", "liked", "edited", "edited"]), false),
        (post("two", 3, &["fan"], &["created", "edited", "liked", "edited"]), false),
        // The version, the like or an event is not what the others say.
        (post("three", 3, &["fan"], &["created", "liked", "edited"]), false),
        (post("three", 2, &[], &["created", "liked", "edited"]), false),
        (post("three", 2, &["fan"], &["created", "created", "liked", "edited"]), false),
        (post("three", 2, &["fan"], &["created", "edited"]), false),
        (Post::Absent, false),
        (Post::Deleted, false),
    ] {
        assert_eq!(history.explains(&seen), follows, "{seen:?}");
    }
}
