//! The rules of the projection `analysis`.

use hubbub_events::Action;
use hubbub_projections::{Analysis, Outcome};
use hubbub_tables::{
    AuthorAnalysis, Life, PostAnalysis, Reason,
    analysis::{AnalysisHead, AuthorTotals},
};

use crate::support::{Folder, PARTITION, create, edit, edit_of};

type Case = Folder<Analysis>;

fn head(case: &Case, post: &str) -> AnalysisHead {
    let heads = case.store.heads_of::<PostAnalysis>(1);
    heads.into_iter().find(|(of, _)| of.0 == post).unwrap().1.record
}

fn totals(case: &Case, author: &str) -> Option<AuthorTotals> {
    let rows = case.store.rows_of::<AuthorAnalysis>(1).into_iter();
    let mut of_it = rows.filter(|(of, key, _)| of.0 == author && key.0 == PARTITION.partition);
    of_it.next().map(|(.., row)| row.record)
}

fn sums(posts: i64, words: i64, chars: i64) -> Option<AuthorTotals> {
    Some(AuthorTotals { posts, words, chars })
}

#[test]
fn a_posts_words_are_those_of_its_last_content() {
    let mut case = Case::new();
    assert_eq!(case.fold("ann", "p", create("two words", &[])), Outcome::Applied);
    let created = head(&case, "p");
    assert_eq!((created.version, created.word_count, created.char_sum), (1, 2, 8));
    assert_eq!((&*created.analyzer, created.failed), ("uax29-nfc/1", false));
    assert_eq!(case.fold("ann", "p", edit(Some("now it is four"), None)), Outcome::Applied);
    let edited = head(&case, "p");
    assert_eq!((edited.version, edited.word_count, edited.char_sum), (2, 4, 11));
    case.model.assert_analysis(&case.store, 1);
}

#[test]
fn an_edit_without_content_moves_the_version_alone() {
    let mut case = Case::new();
    case.fold("ann", "p", create("two words", &[]));
    let before = case.store.rows_of::<AuthorAnalysis>(1);
    assert_eq!(case.fold("ann", "p", edit(None, Some(&["tag"]))), Outcome::Applied);
    let head = head(&case, "p");
    assert_eq!((head.version, head.word_count, head.char_sum), (2, 2, 8));
    assert_eq!(case.store.rows_of::<AuthorAnalysis>(1), before);
    // It counts as an edit where the next one names a version.
    assert_eq!(case.fold("ann", "p", edit_of(1, "x")), Outcome::Rejected(Reason::VersionMoved));
    assert_eq!(case.fold("ann", "p", edit_of(2, "x")), Outcome::Applied);
    case.model.assert_analysis(&case.store, 1);
}

#[test]
fn an_authors_totals_follow_creates_edits_and_deletes() {
    let mut case = Case::new();
    case.fold("ann", "p", create("two words", &[]));
    assert_eq!(totals(&case, "ann"), sums(1, 2, 8));
    case.fold("ann", "q", create("one", &[]));
    assert_eq!(totals(&case, "ann"), sums(2, 3, 11));
    case.fold("bob", "r", create("of another author", &[]));
    assert_eq!(totals(&case, "ann"), sums(2, 3, 11));
    assert_eq!(totals(&case, "bob"), sums(1, 3, 15));
    case.fold("ann", "p", edit(Some("a b c"), None));
    assert_eq!(totals(&case, "ann"), sums(2, 4, 6));
    case.fold("ann", "q", Action::Deleted);
    assert_eq!(totals(&case, "ann"), sums(1, 3, 3));
    case.fold("ann", "p", Action::Deleted);
    assert_eq!(totals(&case, "ann"), sums(0, 0, 0));
    case.model.assert_analysis(&case.store, 1);
}

#[test]
fn what_is_not_allowed_and_what_is_repeated_counts_nothing() {
    let mut case = Case::new();
    case.fold("ann", "p", create("two words", &[]));
    let before = case.store.export();
    assert_eq!(case.fold("ann", "p", create("two words", &[])), Outcome::Skipped);
    assert_eq!(case.fold("bob", "p", create("other", &[])), Outcome::Skipped);
    assert_eq!(case.fold("bob", "p", edit(Some("x"), None)), Outcome::Rejected(Reason::NotAuthor));
    assert_eq!(case.fold("bob", "p", Action::Deleted), Outcome::Rejected(Reason::NotAuthor));
    assert_eq!(case.fold("ann", "p", edit_of(9, "x")), Outcome::Rejected(Reason::VersionMoved));
    assert_eq!(case.fold("ann", "q", edit(Some("x"), None)), Outcome::Rejected(Reason::NotFound));
    assert_eq!(case.fold("bob", "p", Action::Liked), Outcome::Skipped);
    assert_eq!(case.store.export(), before);
    case.fold("ann", "p", Action::Deleted);
    assert_eq!(head(&case, "p").life, Life::Deleted);
    let before = case.store.export();
    assert_eq!(case.fold("ann", "p", Action::Deleted), Outcome::Rejected(Reason::Gone));
    assert_eq!(case.fold("ann", "p", create("two words", &[])), Outcome::Rejected(Reason::IdTaken));
    assert_eq!(case.store.export(), before);
}

#[test]
fn nobodys_posts_are_analyzed_and_in_no_ones_totals() {
    let mut case = Case::new();
    case.fold("", "p", create("two words", &[]));
    assert_eq!(head(&case, "p").word_count, 2);
    case.fold("", "p", Action::Deleted);
    assert!(case.store.rows_of::<AuthorAnalysis>(1).is_empty());
    case.model.assert_analysis(&case.store, 1);
}
