//! A post as it can be seen, held against what was said about it.

use serde_json::Value;

use super::{Action, History, Invariant, Live, Post, Said, Subject, Violation};

impl History {
    /// Finds the first thing that does not follow from what was said.
    ///
    /// # Errors
    /// Where there is one.
    pub fn check(&self, seen: &Post) -> Result<(), Violation> {
        let (followed, outcomes) = self.follow(seen);
        let next = self.said.get(followed);
        if next.is_none() && outcomes.contains(seen) {
            return Ok(());
        }
        Err(match (seen, next) {
            (Post::Absent, _) => {
                self.violation(Invariant::Durability, "a post", "no such post", next)
            }
            (Post::Deleted, _) => {
                let expected = "a post, as nobody asked that it be gone";
                self.violation(Invariant::Durability, expected, "a deleted post", self.creates())
            }
            (Post::Live(live), Some(Said { action: Action::Delete, .. })) => {
                self.violation(Invariant::Analysis, "a deleted post", live.to_string(), next)
            }
            (Post::Live(live), _) => self.unlike(followed, &outcomes, live),
        })
    }

    /// Finds whether each liker is listed once, in the order of users.
    ///
    /// # Errors
    /// Where one is not.
    pub fn check_order(&self, likers: &[String]) -> Result<(), Violation> {
        let Some(pair) = likers.array_windows().find(|[one, next]| one >= next) else {
            return Ok(());
        };
        let [one, next] = pair;
        let seen = format!("{next} is listed after {one}");
        let story = self.asked(|action| action.user() == Some(next));
        Err(self.violation(Invariant::Likes, "each liker once, in order", seen, story))
    }

    /// Finds whether the author's list shows what the post's own route does.
    ///
    /// # Errors
    /// Where it does not.
    pub fn check_listed(
        &self,
        seen: &Post,
        read: Option<&Value>,
        item: Option<&Value>,
    ) -> Result<(), Violation> {
        if item == read {
            return Ok(());
        }
        let [expected, listed] = [read, item].map(|post| match post {
            Some(post) => format!("in its author's list: {post}"),
            None => "not in its author's list".to_owned(),
        });
        Err(match seen {
            Post::Deleted => {
                let story = self.asked(|action| matches!(action, Action::Delete));
                self.violation(Invariant::Analysis, expected, listed, story)
            }
            Post::Absent | Post::Live(_) => {
                self.violation(Invariant::Durability, expected, listed, self.creates())
            }
        })
    }

    /// Finds whether the post's analysis is that of its text by this analyzer. What is not there has none.
    ///
    /// # Errors
    /// Where it is another one, or is missing, or is still there.
    pub fn check_analysis(
        &self,
        seen: &Post,
        analysis: Option<&Value>,
        analyzer: &str,
    ) -> Result<(), Violation> {
        let (expected, text) = match seen {
            Post::Live(live) => {
                let expected = live.analysis(&self.id, &self.author, analyzer);
                (Some(expected), Some(&*live.text.content))
            }
            Post::Absent | Post::Deleted => (None, None),
        };
        if analysis == expected.as_ref() {
            return Ok(());
        }
        let [expected, analysis] = [expected.as_ref(), analysis].map(|analysis| match analysis {
            Some(analysis) => format!("the analysis {analysis}"),
            None => "no analysis".to_owned(),
        });
        let story = self.asked(|action| match text {
            Some(_) => action.text() == text,
            None => matches!(action, Action::Delete),
        });
        Err(self.violation(Invariant::Analysis, expected, analysis, story))
    }

    /// Finds whether a read by the token of an edit shows that edit.
    ///
    /// # Errors
    /// Where it shows another text.
    pub fn check_own_write(&self, written: &str, read: &Value) -> Result<(), Violation> {
        if read["content"] == written {
            return Ok(());
        }
        let expected = format!("{written:?} by the token of that edit");
        let seen = format!("version {}, {}", read["version"], read["content"]);
        let story = self.asked(|action| action.text() == Some(written));
        Err(self.violation(Invariant::Consistency, expected, seen, story))
    }

    /// A violation with the requests that it follows from.
    pub(super) fn violation<'a>(
        &self,
        invariant: Invariant,
        expected: impl Into<String>,
        seen: impl Into<String>,
        story: impl IntoIterator<Item = &'a Said>,
    ) -> Violation {
        Violation {
            invariant,
            subject: Subject::Post(self.id.clone()),
            expected: expected.into(),
            seen: seen.into(),
            story: story.into_iter().cloned().collect(),
        }
    }

    /// The requests that there be the post.
    pub(super) fn creates(&self) -> impl Iterator<Item = &Said> {
        self.asked(|action| matches!(action, Action::Create(_)))
    }

    fn asked(&self, bears: impl Fn(&Action) -> bool) -> impl Iterator<Item = &Said> {
        self.said.iter().filter(move |said| bears(&said.action))
    }

    /// In what a live post is unlike all that it may be after so many requests.
    fn unlike(&self, followed: usize, outcomes: &[Post], seen: &Live) -> Violation {
        let lives = outcomes.iter().filter_map(|post| match post {
            Post::Live(live) => Some(live),
            Post::Absent | Post::Deleted => None,
        });
        let nearest = lives.max_by_key(|live| (live.events.len(), live.text == seen.text));
        let place = nearest.map_or(0, |live| live.events.len());
        let is_complete = followed == self.said.len() && place == seen.events.len();
        let Some(nearest) = nearest.filter(|_| is_complete) else {
            return self.misplaced(followed, place, seen);
        };
        let both = [nearest, seen];
        if nearest.version != seen.version {
            let [expected, seen] = both.map(|live| format!("version {}", live.version));
            let edits = self.asked(|action| matches!(action, Action::Edit { .. }));
            return self.violation(Invariant::Durability, expected, seen, edits);
        }
        if nearest.text != seen.text {
            let [expected, seen] = both.map(|live| &*live.text.content);
            let story = self.asked(|action| [expected, seen].map(Some).contains(&action.text()));
            let [expected, seen] = [expected, seen].map(|text| format!("{text:?}"));
            return self.violation(Invariant::Durability, expected, seen, story);
        }
        if let Some(user) = nearest.likers.symmetric_difference(&seen.likers).next() {
            let [expected, seen] = both.map(|live| match live.likers.contains(user) {
                true => format!("{user} likes it"),
                false => format!("{user} does not like it"),
            });
            let story = self.asked(|action| action.user() == Some(user));
            return self.violation(Invariant::Likes, expected, seen, story);
        }
        // Which like is counted wrong cannot be seen, only up to where they are counted.
        let [expected, seen] = both.map(|live| format!("{} likes", live.like_count));
        let counted = self.asked(|action| action.user().is_some()).filter(|said| said.is_certain());
        self.violation(Invariant::Likes, expected, seen, counted.last())
    }

    /// An event that is missing, or that nobody asked for, or that there is too often.
    fn misplaced(&self, followed: usize, place: usize, seen: &Live) -> Violation {
        if let Some(event) = seen.events.get(place) {
            let story: Vec<_> = self.asked(|action| action.event(&self.author) == *event).collect();
            let count = seen.events.iter().filter(|other| *other == event).count();
            if (1..count).contains(&story.len()) {
                let (event, user) = event;
                let expected = format!("at most {} × {event} by {user}", story.len());
                let seen = format!("{count} × {event} by {user}");
                return self.violation(Invariant::Uniqueness, expected, seen, story);
            }
        }
        let next = self.said.get(followed).map(|said| said.action.event(&self.author));
        let [expected, seen] = [next.as_ref(), seen.events.get(place)].map(|event| match event {
            Some((event, user)) => format!("event {} is {event} by {user}", place + 1),
            None => format!("no event {}", place + 1),
        });
        let story = self.said.iter().take(followed + 1).skip(followed.saturating_sub(1));
        self.violation(Invariant::Durability, expected, seen, story)
    }
}
