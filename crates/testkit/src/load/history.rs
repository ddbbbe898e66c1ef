//! What was said about a post, and so what it may be by now: the model that the tables are held against.

use std::{collections::BTreeSet, fmt};

use hubbub_events::{Position, Timestamp};
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
        Self::of(format!("{mark}{}", " word".repeat(more)))
    }

    /// Words with a space in between.
    #[must_use]
    pub fn of(content: String) -> Self {
        let words = content.split(' ').count();
        let chars = content.split(' ').map(str::len).sum();
        Self { content, words, chars }
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

/// A request that was sent, and not refused.
#[derive(Clone, Debug)]
pub struct Said {
    /// What it asked for.
    pub action: Action,
    /// When it was sent.
    pub asked: Timestamp,
    /// When it was answered, or failed.
    pub answered: Timestamp,
    /// Where its event is in the log, if it was acknowledged. One that was not may have had its effect.
    pub at: Option<Position>,
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

/// An event's type and its user.
pub type Event = (String, String);

/// A post that lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// What it says.
    pub text: Text,
    /// Which edit it is; 1 before the first.
    pub version: usize,
    /// Who likes it.
    pub likers: BTreeSet<String>,
    /// How many it says that like it.
    pub like_count: usize,
    /// What happened to it, oldest first.
    pub events: Vec<Event>,
}

impl Action {
    /// What is in the post's events where it had its effect.
    pub(super) fn event(&self, author: &str) -> Event {
        let (event, user) = match self {
            Self::Create(_) => ("created", author),
            Self::Edit { .. } => ("edited", author),
            Self::Like(user) => ("liked", &**user),
            Self::Unlike(user) => ("unliked", &**user),
            Self::Delete => ("deleted", author),
        };
        (event.to_owned(), user.to_owned())
    }

    /// What it wants the post to say, if anything.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Create(text) | Self::Edit { text, .. } => Some(&text.content),
            Self::Like(_) | Self::Unlike(_) | Self::Delete => None,
        }
    }

    /// Whose like it is about, if any.
    pub(super) fn user(&self) -> Option<&str> {
        match self {
            Self::Like(user) | Self::Unlike(user) => Some(user),
            Self::Create(_) | Self::Edit { .. } | Self::Delete => None,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(text) => write!(f, "create {:?}", text.content),
            Self::Edit { text, if_match: None } => write!(f, "edit to {:?}", text.content),
            Self::Edit { text, if_match: Some(version) } => {
                write!(f, "edit of version {version} to {:?}", text.content)
            }
            Self::Like(user) => write!(f, "like by {user}"),
            Self::Unlike(user) => write!(f, "unlike by {user}"),
            Self::Delete => f.write_str("delete"),
        }
    }
}

impl Said {
    /// Whether it was acknowledged.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        self.at.is_some()
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = self.answered.0 - self.asked.0;
        write!(f, "{} {}: ", self.asked, self.action)?;
        match self.at {
            Some(at) => write!(f, "acknowledged at {at} after {took} ms"),
            None => write!(f, "unknown after {took} ms"),
        }
    }
}

impl History {
    /// Whether nothing was said but that there be a post.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.said.iter().all(|said| matches!(said.action, Action::Create(_)))
    }

    /// After how many requests nothing is left that can become what is seen, and what the post may have been before.
    pub(super) fn follow(&self, seen: &Post) -> (usize, Vec<Post>) {
        let mut outcomes = vec![Post::Absent];
        for (followed, said) in self.said.iter().enumerate() {
            let mut after: Vec<Post> = Vec::new();
            let changed = outcomes.iter().map(|post| post.after(&said.action, &self.author));
            let unchanged = outcomes.iter().filter(|_| !said.is_certain()).cloned();
            for post in changed.chain(unchanged) {
                if post.may_become(seen) && !after.contains(&post) {
                    after.push(post);
                }
            }
            if after.is_empty() {
                return (followed, outcomes);
            }
            outcomes = after;
        }
        (self.said.len(), outcomes)
    }

    /// The post's version, where it follows from what was said.
    #[must_use]
    pub fn version(&self) -> Option<usize> {
        let mut versions = BTreeSet::from([1]);
        for said in &self.said {
            let Action::Edit { if_match, .. } = &said.action else { continue };
            let after = versions.iter().map(|version| match if_match {
                Some(seen) if seen != version => *version,
                _ => version + 1,
            });
            let after: BTreeSet<_> = after.collect();
            match said.is_certain() {
                true => versions = after,
                false => versions.extend(after),
            }
        }
        versions.first().copied().filter(|_| versions.len() == 1)
    }
}

impl Post {
    /// Events are never taken back, so what has other ones is on another way. What was made can only be deleted, for
    /// ever.
    fn may_become(&self, seen: &Self) -> bool {
        match (self, seen) {
            (Self::Live(post), Self::Live(seen)) => seen.events.starts_with(&post.events),
            (Self::Absent, _) | (_, Self::Deleted) => true,
            (Self::Live(_), Self::Absent) | (Self::Deleted, _) => false,
        }
    }

    fn after(&self, action: &Action, author: &str) -> Self {
        let mut post = match (self, action) {
            (Self::Absent, Action::Create(text)) => {
                return Self::Live(Live {
                    text: text.clone(),
                    version: 1,
                    likers: BTreeSet::new(),
                    like_count: 0,
                    events: vec![action.event(author)],
                });
            }
            (Self::Live(_), Action::Delete) => return Self::Deleted,
            // What is not there, or is gone, cannot be changed; the first create wins.
            (Self::Absent | Self::Deleted, _) | (_, Action::Create(_)) => return self.clone(),
            (Self::Live(post), _) => post.clone(),
        };
        match action {
            Action::Edit { if_match: Some(seen), .. } if *seen != post.version => {
                return self.clone();
            }
            Action::Edit { text, .. } => {
                (post.text, post.version) = (text.clone(), post.version + 1);
            }
            Action::Like(user) => _ = post.likers.insert(user.clone()),
            Action::Unlike(user) => _ = post.likers.remove(user),
            Action::Create(_) | Action::Delete => unreachable!("handled above"),
        }
        post.like_count = post.likers.len();
        post.events.push(action.event(author));
        Self::Live(post)
    }
}

impl fmt::Display for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, version, like_count, events, .. } = self;
        let (content, events) = (&text.content, events.len());
        write!(f, "version {version}, {content:?}, {like_count} likes, {events} events")
    }
}

impl Live {
    /// The answer of `GET /posts/{id}/analysis`, by an analyzer of this name.
    #[must_use]
    pub fn analysis(&self, id: &str, author: &str, analyzer: &str) -> Value {
        let Text { words, chars, .. } = self.text;
        json!({
            "post_id": id,
            "user_id": author,
            "word_count": words,
            "average_word_length": chars as f64 / words as f64,
            "analyzer": analyzer,
        })
    }
}

/// The model catches what the suite is for.
#[test]
fn what_is_lost_or_counted_twice_does_not_follow() {
    let text = |mark: &str| Text::new(mark, 2);
    let edit = |mark: &str| Action::Edit { text: text(mark), if_match: None };
    let somewhere = Position { topic: hubbub_events::Topic::Posts, partition: 0, offset: 0 };
    let said = |action, is_certain: bool| Said {
        action,
        asked: Timestamp(0),
        answered: Timestamp(1),
        at: is_certain.then_some(somewhere),
    };
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
            like_count: likers.len(),
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
        assert_eq!(history.check(&seen).is_ok(), follows, "{seen:?}");
    }
}
