//! A projection that ends its process when it is told to, and otherwise is `likes`.

use std::{env, process};

use hubbub_events::{DecodeError, Position, PostEvent, Topic};
use hubbub_projections::{Interrupt, Likes, Outcome, Projection, likes};

/// What a post's id begins with decides what ends the process: folding its events, …
pub const ABORTS: &str = "aborts";
/// … or decoding them.
pub const SHATTERS: &str = "shatters";
/// Set where neither does any more.
pub const MENDED: &str = "DYING_IS_MENDED";

pub struct Deadly;

fn abort_at(event: &PostEvent, begin: &str) {
    if event.post_id.starts_with(begin) && env::var_os(MENDED).is_none() {
        process::abort();
    }
}

impl Projection for Deadly {
    const NAME: &'static str = Likes::NAME;
    const FOLD: i32 = 1;
    const TOPIC: Topic = Likes::TOPIC;
    type Event = PostEvent;
    type Tables = likes::Tables;

    fn decode(key: &[u8], value: &[u8]) -> Result<PostEvent, DecodeError> {
        let event = Likes::decode(key, value)?;
        abort_at(&event, SHATTERS);
        Ok(event)
    }

    fn fold(
        at: Position,
        event: &PostEvent,
        tables: &mut likes::Tables,
    ) -> Result<Outcome, Interrupt> {
        abort_at(event, ABORTS);
        Likes::fold(at, event, tables)
    }
}
