//! Many writes to few keys: the newest one of each key is what is left.

use std::collections::BTreeMap;

use hubbub_events::Stamp;
use hubbub_store::{Rows, Store};
use hubbub_tables::{
    Change, Life, PostLikes, Stored,
    likes::{Like, LikesHead},
};
use proptest::{collection::vec, option, prelude::*, test_runner::TestRunner};

use super::{head_of, open, stored, unique};

const POSTS: usize = 3;
const USERS: usize = 3;
const CASES: u32 = 48;

/// One change: the post, its head's stamp, and its rows by user and stamp.
type Written = (usize, Option<i64>, Vec<(usize, i64)>);

/// What is written at a stamp follows from the stamp, as in a log.
fn head_at(stamp: i64) -> Stored<LikesHead> {
    let head = LikesHead {
        life: if stamp % 5 == 0 { Life::Deleted } else { Life::Live },
        user_id: format!("author {}", stamp % 2),
        version: stamp,
        like_count: stamp * 3,
    };
    stored(stamp, head)
}

fn row_at(stamp: i64) -> Stored<Like> {
    stored(stamp, Like { liked: stamp % 2 == 0 })
}

fn change(prefix: &str, (post, head, rows): &Written) -> Change<PostLikes> {
    let row = |(user, stamp): &(usize, i64)| ((format!("user {user}"),), row_at(*stamp));
    Change {
        partition: (format!("{prefix}-{post}"),),
        head: head.map(head_at),
        rows: rows.iter().map(row).collect(),
    }
}

/// The greatest stamps: of each post's head (no user), and of each of its rows.
type Model = BTreeMap<(usize, Option<usize>), i64>;

fn model(written: &[Vec<Written>]) -> Model {
    let mut newest = Model::new();
    for (post, head, rows) in written.iter().flatten() {
        let rows = rows.iter().map(|(user, stamp)| (Some(*user), *stamp));
        for (user, stamp) in head.map(|stamp| (None, stamp)).into_iter().chain(rows) {
            let kept = newest.entry((*post, user)).or_insert(stamp);
            *kept = stamp.max(*kept);
        }
    }
    newest
}

/// Whatever is written, in whatever order, split and repetition: of each head and row
/// the one with the greatest stamp is left.
///
/// # Panics
/// Where that is not so; and outside a runtime of several threads, which it needs.
pub async fn any_history_equals_its_model(store: &impl Store) {
    let stamp = || 1..12_i64;
    let written = (0..POSTS, option::of(stamp()), vec((0..USERS, stamp()), 0..4));
    let histories = vec(vec(written, 0..4), 1..12);
    let likes = open::<PostLikes>(store);
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let mut runner = TestRunner::new(ProptestConfig::with_cases(CASES));
        let outcome = runner
            .run(&histories, |history| runtime.block_on(write_and_compare(&*likes, &history)));
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
    });
}

async fn write_and_compare(
    likes: &dyn Rows<PostLikes>,
    history: &[Vec<Written>],
) -> Result<(), TestCaseError> {
    let prefix = unique("history");
    for batch in history {
        likes.apply(batch.iter().map(|written| change(&prefix, written)).collect()).await.unwrap();
    }
    let expected = model(history);
    let ids: Vec<_> = (0..POSTS).map(|post| (format!("{prefix}-{post}"),)).collect();
    let heads = likes.heads(&ids).await.unwrap();
    for (post, id) in ids.iter().enumerate() {
        let head = expected.get(&(post, None)).map(|stamp| head_at(*stamp));
        prop_assert_eq!(&heads[post], &head);
        let rows = (0..USERS).filter_map(|user| {
            let stamp = expected.get(&(post, Some(user)))?;
            Some(((format!("user {user}"),), row_at(*stamp)))
        });
        prop_assert_eq!(likes.scan(id, None, 100).await.unwrap(), rows.collect::<Vec<_>>());
    }
    Ok(())
}

/// Applies from many tasks at once, to the same keys: the greatest stamps are left,
/// and whoever was acknowledged reads at least what it wrote.
pub async fn concurrent_applies_keep_the_newest(store: &impl Store) {
    let likes = open::<PostLikes>(store);
    let prefix = unique("concurrent");
    let tasks = (0..16_i64).map(|task| {
        let (likes, prefix) = (likes.clone(), prefix.clone());
        tokio::spawn(async move {
            for step in 0..20 {
                // Every stamp once, out of order between tasks and within each.
                let stamp = 1 + task + 16 * ((step * 7) % 20);
                let written = (0, Some(stamp), vec![(0, stamp), ((task % 3) as usize, stamp)]);
                let change = change(&prefix, &written);
                let id = change.partition.clone();
                likes.apply(vec![change]).await.unwrap();
                let head = head_of(&*likes, &id).await;
                assert!(head.is_some_and(|head| head.stamp >= Stamp(stamp)), "own write lost");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let id = (format!("{prefix}-0"),);
    assert_eq!(head_of(&*likes, &id).await, Some(head_at(320)));
    let rows = likes.scan(&id, None, 10).await.unwrap();
    assert_eq!(rows[0], (("user 0".to_owned(),), row_at(320)));
}
