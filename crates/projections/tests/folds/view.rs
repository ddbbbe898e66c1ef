//! The view: what is in memory of a table, and what it lets through.

use hubbub_events::Stamp;
use hubbub_projections::{Interrupt, Mode, View};
use hubbub_tables::{
    AuthorAnalysis, PostLikes, Stored,
    analysis::AuthorTotals,
    likes::{Like, LikesHead},
};

const LIKE: Like = Like { liked: true };

fn key(text: &str) -> (String,) {
    (text.to_owned(),)
}

fn head(like_count: i64) -> LikesHead {
    LikesHead { like_count, ..LikesHead::created_by("ann") }
}

fn stored<R>(stamp: i64, record: R) -> Stored<R> {
    Stored { stamp: Stamp(stamp), record }
}

/// A view at a record, with a head loaded.
fn view_at(now: i64, mode: Mode, loaded: Option<Stored<LikesHead>>) -> View<PostLikes> {
    let mut view = View::deciding();
    view.loaded_head(key("p"), loaded);
    view.begin(Stamp(now), mode);
    view
}

#[test]
fn what_is_not_in_memory_is_a_miss_and_noted_once() {
    let mut view = View::<PostLikes>::deciding();
    view.begin(Stamp(5), Mode::Folding);
    for _ in 0..2 {
        assert_eq!(view.head(&key("p")), Err(Interrupt::Miss));
        assert_eq!(view.row(&key("p"), &key("u")), Err(Interrupt::Miss));
    }
    let missing = view.take_missing();
    assert_eq!(Vec::from_iter(missing.heads), [key("p")]);
    assert_eq!(Vec::from_iter(missing.rows), [(key("p"), key("u"))]);
    assert!(view.take_missing().is_empty());

    view.loaded_head(key("p"), None);
    view.loaded_row(key("p"), key("u"), Some(stored(4, LIKE)));
    assert_eq!(view.head(&key("p")), Ok(None));
    assert_eq!(view.row(&key("p"), &key("u")), Ok(Some(&LIKE)));
    assert!(view.take_missing().is_empty());
}

#[test]
fn probing_puts_nothing_and_only_collects() {
    let mut view = view_at(5, Mode::Probing, Some(stored(4, head(1))));
    view.put_head(key("p"), head(2));
    view.put_row(key("p"), key("u"), LIKE);
    assert!(view.changes().is_empty());
    assert_eq!(view.row(&key("p"), &key("u")), Err(Interrupt::Miss));
    // Also what is ahead does not stop it.
    let view = view_at(3, Mode::Probing, Some(stored(4, head(1))));
    assert_eq!(view.head(&key("p")), Ok(Some(&head(1))));
}

#[test]
fn a_row_at_or_past_the_record_interrupts_the_fold() {
    for (now, seen) in
        [(3, Err(Interrupt::Ahead)), (4, Err(Interrupt::Ahead)), (5, Ok(Some(&head(1))))]
    {
        let view = view_at(now, Mode::Folding, Some(stored(4, head(1))));
        assert_eq!(view.head(&key("p")), seen, "at {now}");
    }
    let mut derived = View::<AuthorAnalysis>::derived();
    derived.begin(Stamp(4), Mode::Folding);
    derived.loaded_row(key("ann"), (0,), Some(stored(4, AuthorTotals::default())));
    assert_eq!(derived.row(&key("ann"), &(0,)), Err(Interrupt::Ahead));
}

#[test]
fn replaying_a_deciding_row_ahead_skips_the_record_and_a_derived_one_is_read() {
    for (now, seen) in
        [(3, Err(Interrupt::Reflected)), (4, Err(Interrupt::Reflected)), (5, Ok(Some(&head(1))))]
    {
        let view = view_at(now, Mode::Replaying, Some(stored(4, head(1))));
        assert_eq!(view.head(&key("p")), seen, "at {now}");
    }
    let total = AuthorTotals { posts: 1, words: 2, chars: 3 };
    let mut derived = View::<AuthorAnalysis>::derived();
    derived.begin(Stamp(4), Mode::Replaying);
    derived.loaded_row(key("ann"), (0,), Some(stored(9, total.clone())));
    assert_eq!(derived.row(&key("ann"), &(0,)), Ok(Some(&total)));
    // And what the fold makes of it does not hide it.
    derived.put_row(key("ann"), (0,), AuthorTotals::default());
    assert_eq!(derived.row(&key("ann"), &(0,)), Ok(Some(&total)));
    assert!(derived.changes().is_empty());
}

#[test]
fn a_put_at_or_below_a_rows_own_position_is_ignored() {
    for (now, is_put) in [(3, false), (4, false), (5, true)] {
        let mut view = view_at(now, Mode::Replaying, Some(stored(4, head(1))));
        view.loaded_row(key("p"), key("u"), Some(stored(4, Like { liked: false })));
        view.put_head(key("p"), head(2));
        view.put_row(key("p"), key("u"), LIKE);
        assert_eq!(view.changes().len(), usize::from(is_put), "at {now}");
        assert_eq!(view.head_stamp(&key("p")), Some(Stamp(if is_put { now } else { 4 })));
    }
}

#[test]
fn what_is_loaded_does_not_undo_what_was_put() {
    let mut view = view_at(5, Mode::Folding, None);
    view.put_head(key("p"), head(2));
    view.put_row(key("p"), key("u"), LIKE);
    view.loaded_head(key("p"), Some(stored(1, head(0))));
    view.loaded_row(key("p"), key("u"), Some(stored(1, Like { liked: false })));
    view.begin(Stamp(6), Mode::Folding);
    assert_eq!(view.head(&key("p")), Ok(Some(&head(2))));
    assert_eq!(view.row(&key("p"), &key("u")), Ok(Some(&LIKE)));
}

#[test]
fn changes_stay_until_they_are_written_and_are_in_the_order_of_their_keys() {
    let mut view = View::<PostLikes>::deciding();
    for (now, post) in [(1, "q"), (2, "r"), (3, "p")] {
        view.begin(Stamp(now), Mode::Folding);
        view.loaded_head(key(post), None);
        view.put_head(key(post), head(0));
        view.put_row(key(post), key("v"), LIKE);
        view.put_row(key(post), key("u"), LIKE);
    }
    let changes = view.changes();
    assert_eq!(view.changes(), changes, "a retry finds them again");
    let order: Vec<_> =
        changes.iter().map(|change| (&*change.partition.0, change.rows.len())).collect();
    assert_eq!(order, [("p", 2), ("q", 2), ("r", 2)]);
    assert_eq!(changes[0].head, Some(stored(3, head(0))));
    assert_eq!(changes[0].rows[0], (key("u"), stored(3, LIKE)));

    view.written();
    assert!(view.changes().is_empty());
    // Only what changes from now on is written again.
    view.begin(Stamp(4), Mode::Folding);
    view.put_head(key("p"), head(1));
    let changes = view.changes();
    assert_eq!((changes.len(), changes[0].rows.len()), (1, 0));
    assert_eq!(changes[0].head, Some(stored(4, head(1))));
}

#[test]
fn the_share_of_a_partition_is_what_was_put_there_since_it_was_written() {
    let mut view = View::<PostLikes>::deciding();
    assert_eq!(view.largest_change(), 0);
    let put = |view: &mut View<PostLikes>, post: &str, users: std::ops::Range<i64>| {
        for user in users {
            view.begin(Stamp(user + 1), Mode::Folding);
            view.put_row(key(post), key(&user.to_string()), LIKE);
        }
    };
    put(&mut view, "p", 0..10);
    let ten = view.largest_change();
    assert!(ten >= 10 * 64, "{ten}");
    put(&mut view, "q", 10..15);
    assert_eq!(view.largest_change(), ten, "the largest, not the sum");
    put(&mut view, "q", 15..30);
    assert_eq!(view.largest_change(), 2 * ten);
    view.written();
    assert_eq!(view.largest_change(), 0);
    put(&mut view, "q", 30..40);
    assert_eq!(view.largest_change(), ten);
    assert!(view.weight() >= 4 * ten);
    view.clear();
    assert_eq!((view.largest_change(), view.weight()), (0, 0));
}
