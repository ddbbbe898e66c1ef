//! Who likes a post, and how many.

use hubbub_events::{Action, DecodeError, Position, PostEvent, Topic};
use hubbub_tables::{
    Life, PostLikes,
    likes::{Like, LikesHead},
};

use crate::{
    Interrupt, Outcome, Projection, View, Visitor,
    judge::{Verdict, judge},
    projection,
};

/// The projection `likes`.
#[derive(Debug, Clone, Copy)]
pub struct Likes;

/// The view of the projection `likes`.
#[derive(Debug)]
pub struct Tables {
    likes: View<PostLikes>,
}

impl Default for Tables {
    fn default() -> Self {
        Self { likes: View::deciding() }
    }
}

impl projection::Tables for Tables {
    fn visit<'a, V: Visitor<'a>>(&'a mut self, visitor: &mut V) {
        visitor.deciding(&mut self.likes);
    }
}

impl Projection for Likes {
    const NAME: &'static str = "likes";
    const FOLD: i32 = 1;
    const TOPIC: Topic = Topic::Posts;
    type Event = PostEvent;
    type Tables = Tables;

    fn decode(key: &[u8], value: &[u8]) -> Result<PostEvent, DecodeError> {
        PostEvent::decode(key, value)
    }

    fn fold(_: Position, event: &PostEvent, tables: &mut Tables) -> Result<Outcome, Interrupt> {
        let partition = (event.post_id.clone(),);
        let head = tables.likes.head(&partition);
        let liked = match event.action {
            Action::Liked | Action::Unliked => {
                tables.likes.row(&partition, &(event.user_id.clone(),))
            }
            _ => Ok(None),
        };
        let (head, liked) = (head?.cloned(), liked?.is_some_and(|like| like.liked));

        match judge(event, head.as_ref()) {
            Verdict::Exists => return Ok(Outcome::Skipped),
            Verdict::Rejected(reason) => return Ok(Outcome::Rejected(reason)),
            Verdict::Allowed => {}
        }
        let Some(mut head) = head else {
            tables.likes.put_head(partition, LikesHead::created_by(&event.user_id));
            return Ok(Outcome::Applied);
        };
        match event.action {
            Action::Edited { .. } => head.version += 1,
            Action::Deleted => head.life = Life::Deleted,
            Action::Liked if !liked => head.like_count += 1,
            Action::Unliked if liked => head.like_count -= 1,
            Action::Liked | Action::Unliked | Action::Created { .. } => {
                return Ok(Outcome::Skipped);
            }
        }
        if matches!(event.action, Action::Liked | Action::Unliked) {
            let like = Like { liked: !liked };
            tables.likes.put_row(partition.clone(), (event.user_id.clone(),), like);
        }
        tables.likes.put_head(partition, head);
        Ok(Outcome::Applied)
    }
}
