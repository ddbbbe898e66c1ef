//! A projection that breaks when it is told to, and otherwise is `likes`.

use hubbub_events::{DecodeError, Position, PostEvent, Topic};
use hubbub_projections::{Interrupt, Likes, Outcome, Projection, likes};

/// What a post's id begins with decides what goes wrong with its events.
pub struct Fragile;

/// Judging panics, after it has put what it had to put.
pub const PANICS: &str = "panics";
/// Reading panics.
pub const SHATTERS: &str = "shatters";
/// An effect fails.
pub const FAILS: &str = "fails";

impl Projection for Fragile {
    const NAME: &'static str = "likes";
    const FOLD: i32 = 1;
    const TOPIC: Topic = Topic::Posts;
    type Event = PostEvent;
    type Tables = likes::Tables;

    fn decode(key: &[u8], value: &[u8]) -> Result<PostEvent, DecodeError> {
        let event = Likes::decode(key, value)?;
        assert!(!event.post_id.starts_with(SHATTERS), "{SHATTERS} as told");
        Ok(event)
    }

    fn fold(
        at: Position,
        event: &PostEvent,
        tables: &mut likes::Tables,
    ) -> Result<Outcome, Interrupt> {
        let outcome = Likes::fold(at, event, tables)?;
        assert!(!event.post_id.starts_with(PANICS), "{PANICS} as told");
        match event.post_id.starts_with(FAILS) {
            true => Ok(Outcome::DeadLetter("an effect failed as told".to_owned())),
            false => Ok(outcome),
        }
    }
}
