//! The rules of the projection `posts`.

use hubbub_events::{Action, Id, Timestamp};
use hubbub_projections::{Outcome, Posts};
use hubbub_tables::{
    Life, PostEvents, Posts as PostsTable, PostsByAuthor, Reason,
    posts::{PostHead, PostVersion},
};
use hubbub_testkit::story;

use crate::support::{Folder, create, edit, edit_of};

type Case = Folder<Posts>;

fn head(case: &Case) -> PostHead {
    case.store.heads_of::<PostsTable>(1)[0].1.record.clone()
}

fn version(case: &Case, version: i64) -> PostVersion {
    let rows = case.store.rows_of::<PostsTable>(1);
    rows.into_iter().find(|(_, key, _)| key.0 == version).unwrap().2.record
}

fn events(case: &Case) -> Vec<String> {
    let rows = case.store.rows_of::<PostEvents>(1).into_iter();
    rows.map(|(.., row)| format!("{} by {}", row.record.event_type, row.record.user_id)).collect()
}

/// A post of ann's, and nothing else.
fn one_post() -> Case {
    let mut case = Case::new();
    assert_eq!(case.fold("ann", "p", create("first words", &["tag"])), Outcome::Applied);
    case
}

fn assert_rejected(case: &mut Case, user: &str, action: Action, reason: Reason) {
    let before = (case.store.heads_of::<PostsTable>(1), events(case));
    assert_eq!(case.fold(user, "p", action), Outcome::Rejected(reason));
    assert_eq!(case.reason(), reason);
    assert_eq!((case.store.heads_of::<PostsTable>(1), events(case)), before);
    case.model.assert_posts(&case.store, 1);
}

#[test]
fn a_create_makes_a_post_its_first_version_and_a_place_in_its_authors_list() {
    let case = one_post();
    let head = head(&case);
    assert_eq!((head.life, head.version, &*head.user_id), (Life::Live, 1, "ann"));
    assert_eq!((head.created_at, head.edited_at), (Timestamp(story::BEGIN), Timestamp::NEVER));
    let version = version(&case, 1);
    assert_eq!((&*version.content, &*version.hashtags), ("first words", &["tag".to_owned()][..]));
    let (author, (at, post), row) = case.store.rows_of::<PostsByAuthor>(1).remove(0);
    assert_eq!((&*author.0, at, &*post, row.record.gone), ("ann", head.created_at, "p", false));
    assert_eq!(events(&case), ["created by ann"]);
    case.model.assert_posts(&case.store, 1);
}

#[test]
fn the_same_create_again_is_a_repeat_and_says_that_it_holds() {
    let mut case = one_post();
    let before = head(&case);
    assert_eq!(case.fold("ann", "p", create("first words", &["tag"])), Outcome::Skipped);
    assert_eq!((case.reason(), &*case.receipt()), (Reason::None, "applied"));
    assert_eq!(head(&case), before);
    assert_eq!(events(&case), ["created by ann"]);
    // Also after an edit: it repeats what was created, not what stands there now.
    case.fold("ann", "p", edit(Some("other words"), None));
    assert_eq!(case.fold("ann", "p", create("first words", &["tag"])), Outcome::Skipped);
    case.model.assert_posts(&case.store, 1);
}

#[test]
fn another_create_under_the_same_id_is_rejected() {
    let mut case = one_post();
    for (user, content, tags) in [
        ("bob", "first words", &["tag"][..]),
        ("ann", "other words", &["tag"]),
        ("ann", "first words", &[]),
        ("ann", "first word", &["stag"]),
        ("", "first words", &["tag"]),
    ] {
        assert_rejected(&mut case, user, create(content, tags), Reason::IdTaken);
    }
}

#[test]
fn a_key_used_again_with_another_payload_is_told_apart_from_a_taken_id() {
    let id = Id::derived("ann", "key", None).into_string();
    let mut case = Case::new();
    case.fold("ann", &id, create("first words", &[]));
    assert_eq!(case.fold("ann", &id, create("first words", &[])), Outcome::Skipped);
    let outcome = case.fold("ann", &id, create("other words", &[]));
    assert_eq!(outcome, Outcome::Rejected(Reason::KeyReused));
    assert_eq!(case.reason(), Reason::KeyReused);
    case.fold("ann", &id, Action::Deleted);
    let outcome = case.fold("ann", &id, create("first words", &[]));
    assert_eq!(outcome, Outcome::Rejected(Reason::IdTaken));
    case.model.assert_posts(&case.store, 1);
}

#[test]
fn an_edit_changes_what_it_names_and_keeps_the_rest() {
    let mut case = one_post();
    for (content, hashtags, stands) in [
        (Some("second"), None, ("second", &["tag"][..])),
        (None, Some(&["a", "b"][..]), ("second", &["a", "b"])),
        (Some("fourth"), Some(&[][..]), ("fourth", &[])),
        (None, None, ("fourth", &[])),
    ] {
        assert_eq!(case.fold("ann", "p", edit(content, hashtags)), Outcome::Applied);
        let now = version(&case, head(&case).version);
        let hashtags: Vec<_> = now.hashtags.iter().map(String::as_str).collect();
        assert_eq!((&*now.content, &*hashtags), stands);
    }
    assert_eq!(head(&case).version, 5);
    assert_eq!(head(&case).edited_at, Timestamp(story::BEGIN + 4));
    assert_eq!(head(&case).created_at, Timestamp(story::BEGIN));
    assert_eq!(&*version(&case, 1).content, "first words");
    case.model.assert_posts(&case.store, 1);
}

#[test]
fn an_edit_of_another_version_than_the_author_saw_is_rejected() {
    let mut case = one_post();
    assert_eq!(case.fold("ann", "p", edit_of(1, "second")), Outcome::Applied);
    for seen in [1, 3, 0, -1, i64::MAX] {
        assert_rejected(&mut case, "ann", edit_of(seen, "third"), Reason::VersionMoved);
    }
    assert_eq!(case.fold("ann", "p", edit_of(2, "third")), Outcome::Applied);
    case.model.assert_posts(&case.store, 1);
}

#[test]
fn only_the_author_edits_and_deletes() {
    let mut case = one_post();
    for user in ["bob", ""] {
        assert_rejected(&mut case, user, edit(Some("mine now"), None), Reason::NotAuthor);
        assert_rejected(&mut case, user, edit_of(7, "mine now"), Reason::NotAuthor);
        assert_rejected(&mut case, user, Action::Deleted, Reason::NotAuthor);
    }
}

#[test]
fn nobodys_post_is_edited_by_nobody_and_is_in_no_ones_list() {
    let mut case = Case::new();
    case.fold("", "p", create("words", &[]));
    assert_rejected(&mut case, "ann", edit(Some("mine now"), None), Reason::NotAuthor);
    assert_rejected(&mut case, "ann", Action::Deleted, Reason::NotAuthor);
    assert_eq!(case.fold("", "p", edit(Some("other words"), None)), Outcome::Applied);
    assert_eq!(case.fold("ann", "p", Action::Liked), Outcome::Applied);
    assert_eq!(case.fold("", "p", Action::Deleted), Outcome::Applied);
    assert!(case.store.rows_of::<PostsByAuthor>(1).is_empty());
    assert_eq!(events(&case), ["created by ", "edited by ", "liked by ann", "deleted by "]);
    case.model.assert_posts(&case.store, 1);
}

#[test]
fn a_deleted_post_is_gone_for_ever_and_so_is_its_id() {
    let mut case = one_post();
    assert_eq!(case.fold("ann", "p", Action::Deleted), Outcome::Applied);
    assert_eq!(head(&case).life, Life::Deleted);
    assert!(case.store.rows_of::<PostsByAuthor>(1)[0].2.record.gone);
    for action in [
        edit(Some("again"), None),
        edit_of(1, "again"),
        Action::Deleted,
        Action::Liked,
        Action::Unliked,
    ] {
        assert_rejected(&mut case, "ann", action, Reason::Gone);
    }
    assert_rejected(&mut case, "bob", Action::Deleted, Reason::Gone);
    assert_rejected(&mut case, "ann", create("first words", &["tag"]), Reason::IdTaken);
    assert_rejected(&mut case, "bob", create("other words", &[]), Reason::IdTaken);
}

#[test]
fn what_happens_to_a_post_that_never_was_leaves_receipts_alone() {
    let mut case = Case::new();
    for action in [edit(Some("words"), None), Action::Deleted, Action::Liked, Action::Unliked] {
        assert_rejected(&mut case, "ann", action, Reason::NotFound);
    }
    assert!(case.store.heads_of::<PostsTable>(1).is_empty());
}

#[test]
fn every_event_leaves_one_receipt_with_its_id() {
    let mut case = one_post();
    case.fold("bob", "p", Action::Deleted);
    case.fold("ann", "p", Action::Deleted);
    let receipts = case.store.heads_of::<hubbub_tables::Receipts>(1);
    let ids: Vec<_> = receipts.iter().map(|(key, head)| (key.3, &*head.record.event_id)).collect();
    assert_eq!(ids, [(0, "event-0"), (1, "event-1"), (2, "event-2")]);
}
