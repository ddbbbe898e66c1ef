//! What a defect of the code has kept out of the tables is still in the log, for a rebuild.

use hubbub_events::{Action, DecodeError, Position, PostEvent, Topic};
use hubbub_projections::{Interrupt, Likes, Outcome, Projection, likes};
use hubbub_store::Store;
use hubbub_tables::{Build, Life, PostLikes};
use hubbub_testkit::{memory_log::MemoryLog, memory_store::MemoryStore, model::Model, story};
use hubbub_worker::BuildSpec;

use crate::{
    builds::{Process, until_done},
    dead_letters::{buried, story_of},
    support::{create, id_in, like, posts},
};

/// What the id of a post begins with whose deletion cannot be read.
const UNREADABLE: &str = "unreadable";

/// The projection `likes`, with a defect.
struct Defective;

impl Projection for Defective {
    const NAME: &'static str = Likes::NAME;
    const FOLD: i32 = Likes::FOLD;
    const TOPIC: Topic = Likes::TOPIC;
    type Event = PostEvent;
    type Tables = likes::Tables;

    fn decode(key: &[u8], value: &[u8]) -> Result<PostEvent, DecodeError> {
        let event = Likes::decode(key, value)?;
        if event.action == Action::Deleted && event.post_id.starts_with(UNREADABLE) {
            return Err(DecodeError::Invalid("it is deleted".to_owned()));
        }
        Ok(event)
    }

    fn fold(
        at: Position,
        event: &PostEvent,
        tables: &mut likes::Tables,
    ) -> Result<Outcome, Interrupt> {
        Likes::fold(at, event, tables)
    }
}

async fn life_and_likes(store: &MemoryStore, build: Build, post_id: &str) -> (Life, i64) {
    let likes = store.table::<PostLikes>(build).unwrap();
    let heads = likes.heads(&[(post_id.to_owned(),)]).await.unwrap();
    let head = heads.into_iter().next().flatten().unwrap().record;
    (head.life, head.like_count)
}

#[tokio::test(start_paused = true)]
async fn a_record_that_failed_by_a_defect_is_folded_at_its_place_by_a_rebuild() {
    let (log, store, mut model) =
        (MemoryLog::new("memory", 2), MemoryStore::new(), Model::default());
    let [post, other] = [id_in(posts(1), 2, UNREADABLE), id_in(posts(1), 2, "other")];
    let deletion = |number, post_id: &str| story::event(number, "ann", post_id, Action::Deleted);
    // Who likes it after its deletion does so in vain: the deletion counts where it is.
    let events = [
        create(0, &post, "words"),
        create(1, &other, "words"),
        like(2, "early", &post),
        deletion(3, &post),
        like(4, "late", &post),
        deletion(5, &other),
    ];
    for event in &events {
        let offset = log.put(story::record(event, 2));
        model.happened(posts(1).at(offset), event);
    }
    let defective = Process::start::<Defective>(&log, &store);
    until_done::<Defective>(&log, &store, 1).await;
    let letters = buried(&log);
    let offsets: Vec<_> =
        letters.iter().map(|letter| story_of(letter)["source-offset"].clone()).collect();
    assert_eq!(offsets, ["3"]);
    assert_eq!(life_and_likes(&store, 1, &post).await, (Life::Live, 2));
    defective.kill().await;

    let _mended = Process::start::<Likes>(&log, &store);
    assert_eq!(BuildSpec::of::<Likes>().begin(&store).await.unwrap(), 2);
    until_done::<Likes>(&log, &store, 2).await;
    model.assert_likes(&store, 2);
    assert_eq!(life_and_likes(&store, 2, &post).await, (Life::Deleted, 1));
    assert_eq!(life_and_likes(&store, 1, &post).await, (Life::Live, 2), "build 1 has passed it");
    assert_eq!(buried(&log).len(), 1, "no letter is left any more");
}
