//! The three ways in which a row ahead of its record corrupted a count, and a fourth.
//!
//! Of each, what another writer has written already is put into the store by hand, as
//! those writes say what the log says.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hubbub_events::{Action, Position, PostEvent};
use hubbub_projections::{Analysis, Likes, Projection};
use hubbub_tables::{
    AuthorAnalysis, Change, Life, PostAnalysis, PostLikes, Stored, Table,
    analysis::{AnalysisHead, AuthorTotals},
    likes::{Like, LikesHead},
};
use hubbub_testkit::{
    memory_log::MemoryLog,
    memory_store::{Fate, Kind, MemoryStore},
    model::Model,
    story,
};
use hubbub_worker::WorkerSettings;

use crate::support::{create, like, posts, settings, start, stored_frontier, unlike};

/// A log of one partition, and what must come of it.
struct Told {
    log: MemoryLog,
    model: Model,
}

impl Told {
    fn new() -> Self {
        Self { log: MemoryLog::new("memory", 1), model: Model::default() }
    }

    /// Puts an event at an offset; those left out before it are a gap.
    fn put(&mut self, offset: i64, event: &PostEvent) {
        let end = self.log.acknowledged(posts(0)).last().map_or(0, |record| record.offset + 1);
        self.log.skip(posts(0), offset - end);
        assert_eq!(self.log.put(story::record(event, 1)), offset);
        self.model.happened(posts(0).at(offset), event);
    }
}

fn stored<R>(offset: i64, record: R) -> Stored<R> {
    let at: Position = posts(0).at(offset);
    Stored { stamp: at.stamp(), record }
}

fn head_only<T: Table>(partition: T::Partition, head: Stored<T::Head>) -> Change<T> {
    Change { partition, head: Some(head), rows: Vec::new() }
}

fn likes_head(like_count: i64) -> LikesHead {
    LikesHead { like_count, ..LikesHead::created_by("ann") }
}

fn small_batches(batch_records: usize) -> WorkerSettings {
    WorkerSettings { batch_records, ..settings() }
}

/// (a) A worker is killed after a like was stored and before the frontier was: the
/// replay meets the like's row, and must not count on from a head without it.
#[tokio::test(start_paused = true)]
async fn story_a_a_replay_meets_its_own_like() {
    for batch_records in 1..=3 {
        let mut told = Told::new();
        told.put(10, &create(1, "p", "words"));
        told.put(12, &like(2, "u1", "p"));
        let store = MemoryStore::new();
        let killed = store.process(|operation| match operation.table {
            "frontiers" if operation.kind == Kind::Apply => Fate::death(),
            _ => Fate::done(),
        });
        let worker = start::<Likes>(&told.log, &killed, small_batches(2));
        killed.died().await;
        worker.kill().await;
        assert_eq!(store.heads_of::<PostLikes>(1)[0].1, stored(12, likes_head(1)));
        assert_eq!(stored_frontier(&store, Likes::NAME, posts(0)), None);

        told.put(40, &like(3, "u3", "p"));
        let worker = start::<Likes>(&told.log, &store, small_batches(batch_records));
        worker.until_folded(posts(0), 40).await;
        told.model.assert_likes(&store, 1);
        assert_eq!(store.heads_of::<PostLikes>(1)[0].1, stored(40, likes_head(2)));
    }
}

/// (b) The owner holds a post's head in memory; a zombie stores an unlike that the
/// owner has not come to. The owner meets the row and not the head.
#[tokio::test(start_paused = true)]
async fn story_b_a_zombie_is_ahead_with_an_unlike() {
    for batch_records in 1..=4 {
        let mut told = Told::new();
        told.put(10, &create(1, "p", "words"));
        for (user, offset) in (5..10).zip(15..) {
            told.put(offset, &like(user, &format!("u{user}"), "p"));
        }
        let store = MemoryStore::new();
        let worker = start::<Likes>(&told.log, &store, small_batches(batch_records));
        worker.until_folded(posts(0), 19).await;
        assert_eq!(store.heads_of::<PostLikes>(1)[0].1, stored(19, likes_head(5)));

        let row = (("u9".to_owned(),), stored(21, Like { liked: false }));
        store.put::<PostLikes>(
            1,
            Change {
                partition: ("p".to_owned(),),
                head: Some(stored(21, likes_head(4))),
                rows: vec![row],
            },
        );
        told.put(21, &unlike(10, "u9", "p"));
        told.put(22, &like(11, "u1", "p"));
        told.put(23, &unlike(12, "u5", "p"));
        worker.until_folded(posts(0), 23).await;
        told.model.assert_likes(&store, 1);
    }
}

/// (c) The owner holds an author's total in memory; a zombie stores the total and the
/// post of records that the owner has not come to. The owner meets the post alone.
#[tokio::test(start_paused = true)]
async fn story_c_a_zombie_is_ahead_with_a_total() {
    for batch_records in 1..=4 {
        let mut told = Told::new();
        told.put(19, &create(1, "p", "two words"));
        let store = MemoryStore::new();
        let worker = start::<Analysis>(&told.log, &store, small_batches(batch_records));
        worker.until_folded(posts(0), 19).await;

        let total = AuthorTotals { posts: 2, words: 2 + 3, chars: 8 + 12 };
        let row = ((0,), stored(22, total));
        store.put::<AuthorAnalysis>(
            1,
            Change { partition: ("ann".to_owned(),), head: None, rows: vec![row] },
        );
        let head = AnalysisHead {
            life: Life::Live,
            version: 2,
            word_count: 3,
            char_sum: 12,
            analyzer: "uax29-nfc/1".to_owned(),
            ..AnalysisHead::created_by("ann")
        };
        store.put::<PostAnalysis>(1, head_only(("q".to_owned(),), stored(22, head)));
        let edit = Action::Edited {
            content: Some("some more text".to_owned()),
            hashtags: None,
            expected_version: None,
        };
        told.put(21, &create(2, "q", "one"));
        told.put(22, &story::event(3, "ann", "q", edit));
        told.put(23, &create(4, "r", "the last"));
        worker.until_folded(posts(0), 23).await;
        told.model.assert_analysis(&store, 1);
    }
}

/// A store whose owner meets a zombie's write of p at one of its operations, after it
/// was led to load everything anew by the zombie's write of q.
async fn overtaken_at(step: impl Fn(u64, Kind) -> bool + Send + Sync + 'static) {
    let mut told = Told::new();
    told.put(0, &create(0, "p", "words"));
    told.put(1, &create(1, "q", "words"));
    told.put(2, &like(2, "u9", "p"));
    let store = MemoryStore::new();
    let before = start::<Likes>(&told.log, &store, settings());
    before.until_folded(posts(0), 2).await;
    before.stop().await.unwrap();

    let likes = |user: &str, offset, liked| ((user.to_owned(),), stored(offset, Like { liked }));
    store.put::<PostLikes>(
        1,
        Change {
            partition: ("q".to_owned(),),
            head: Some(stored(6, likes_head(1))),
            rows: vec![likes("u1", 6, true)],
        },
    );
    let p_is_unliked = Change {
        partition: ("p".to_owned(),),
        head: Some(stored(5, likes_head(2))),
        rows: vec![likes("u3", 3, true), likes("u4", 4, true), likes("u9", 5, false)],
    };
    let owner = store.process({
        let (store, looks, is_written) = (store.clone(), AtomicU64::new(0), AtomicBool::new(false));
        move |operation| {
            let is_look = operation.table == "post_likes" && operation.kind == Kind::Heads;
            let looks = looks.fetch_add(u64::from(is_look), Ordering::Relaxed) + u64::from(is_look);
            if step(looks, operation.kind) && !is_written.swap(true, Ordering::Relaxed) {
                store.put::<PostLikes>(1, p_is_unliked.clone());
            }
            Fate::done()
        }
    });
    told.put(3, &like(3, "u3", "p"));
    told.put(4, &like(4, "u4", "p"));
    told.put(5, &unlike(5, "u9", "p"));
    told.put(6, &like(6, "u1", "q"));
    told.put(7, &like(7, "u7", "p"));
    told.put(8, &unlike(8, "u9", "p"));
    let worker = start::<Likes>(&told.log, &owner, settings());
    worker.until_folded(posts(0), 8).await;
    told.model.assert_likes(&store, 1);
}

/// The head is of before the zombie's write, and its rows are of after it: torn.
#[tokio::test(start_paused = true)]
async fn a_zombie_writes_between_the_heads_and_the_rows() {
    overtaken_at(|looks, kind| looks == 2 && kind == Kind::Rows).await;
}

/// Were the rows read first, they would be older than the head that says they are in.
#[tokio::test(start_paused = true)]
async fn a_zombie_writes_just_before_the_heads() {
    overtaken_at(|looks, kind| looks == 2 && kind == Kind::Heads).await;
}
