//! The rules of the projection `likes`.

use hubbub_events::Action;
use hubbub_projections::{Likes, Outcome};
use hubbub_tables::{PostLikes, Reason};

use crate::support::{Folder, create, edit, edit_of};

type Case = Folder<Likes>;

fn one_post() -> Case {
    let mut case = Case::new();
    assert_eq!(case.fold("ann", "p", create("words", &[])), Outcome::Applied);
    case
}

fn count(case: &Case) -> i64 {
    case.store.heads_of::<PostLikes>(1)[0].1.record.like_count
}

/// Each is a like or an unlike by a user, what comes of it, and the count then.
fn check(case: &mut Case, steps: &[(&str, Action, Outcome, i64)]) {
    for (user, action, outcome, likes) in steps {
        assert_eq!(case.fold(user, "p", action.clone()), *outcome, "{user} {action:?}");
        assert_eq!(count(case), *likes, "{user} {action:?}");
        case.model.assert_likes(&case.store, 1);
    }
}

#[test]
fn a_like_counts_once_a_user_and_until_it_is_withdrawn() {
    use Outcome::{Applied, Skipped};
    check(
        &mut one_post(),
        &[
            ("bob", Action::Unliked, Skipped, 0),
            ("bob", Action::Liked, Applied, 1),
            ("bob", Action::Liked, Skipped, 1),
            ("cy", Action::Liked, Applied, 2),
            ("ann", Action::Liked, Applied, 3),
            ("bob", Action::Unliked, Applied, 2),
            ("bob", Action::Unliked, Skipped, 2),
            ("bob", Action::Liked, Applied, 3),
            ("cy", Action::Unliked, Applied, 2),
        ],
    );
}

#[test]
fn a_withdrawal_without_a_like_leaves_no_row() {
    let mut case = one_post();
    case.fold("bob", "p", Action::Unliked);
    assert!(case.store.rows_of::<PostLikes>(1).is_empty());
}

#[test]
fn every_change_of_a_row_moves_its_head() {
    let mut case = one_post();
    for action in [Action::Liked, Action::Unliked, Action::Liked] {
        case.fold("bob", "p", action);
        let head = case.store.heads_of::<PostLikes>(1)[0].1.stamp;
        let row = case.store.rows_of::<PostLikes>(1)[0].2.stamp;
        assert_eq!(head, row);
    }
}

#[test]
fn likes_need_a_live_post() {
    let mut case = Case::new();
    assert_eq!(case.fold("bob", "p", Action::Liked), Outcome::Rejected(Reason::NotFound));
    let mut case = one_post();
    case.fold("bob", "p", Action::Liked);
    assert_eq!(case.fold("ann", "p", Action::Deleted), Outcome::Applied);
    check(
        &mut case,
        &[
            ("cy", Action::Liked, Outcome::Rejected(Reason::Gone), 1),
            ("bob", Action::Unliked, Outcome::Rejected(Reason::Gone), 1),
        ],
    );
}

#[test]
fn posts_are_judged_as_everywhere() {
    let mut case = one_post();
    assert_eq!(case.fold("ann", "p", edit(Some("x"), None)), Outcome::Applied);
    assert_eq!(case.fold("ann", "p", edit_of(1, "x")), Outcome::Rejected(Reason::VersionMoved));
    assert_eq!(case.fold("bob", "p", edit(Some("x"), None)), Outcome::Rejected(Reason::NotAuthor));
    assert_eq!(case.fold("bob", "p", create("words", &[])), Outcome::Skipped);
    assert_eq!(case.fold("bob", "p", Action::Deleted), Outcome::Rejected(Reason::NotAuthor));
    assert_eq!(case.store.heads_of::<PostLikes>(1)[0].1.record.version, 2);
    case.model.assert_likes(&case.store, 1);
}
