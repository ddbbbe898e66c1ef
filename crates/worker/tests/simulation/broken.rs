//! Stores and logs that break their word are found out, each by the rule it breaks.

use std::time::Duration;

use hubbub_testkit::memory_store::Breakage;

use crate::{
    judge::Rule,
    plan::{Plan, Seed, smallest},
    seeds::tale,
    truth::of_table,
    world::{Broken, run},
};

const SEEDS: u64 = 200;

/// Finds a seed that shows it, and prints the smallest story of that.
#[expect(clippy::print_stdout, reason = "the smallest story is for whoever looks")]
fn is_caught(broken: Broken, rule: Rule) {
    let shows =
        |plan: &Plan| run(plan, broken).violation.is_some_and(|violation| violation.rule == rule);
    let found = (0..SEEDS).map(Seed).find(|seed| shows(&seed.plan()));
    let seed = found.unwrap_or_else(|| panic!("{broken:?} goes unnoticed in {SEEDS} seeds"));
    let smallest = smallest(seed, shows);
    println!("seed {}\n{}", seed.0, tale(&smallest, broken));
    assert_eq!(run(&smallest, Broken::default()).violation, None, "it is the breakage's fault");
}

fn early(tables: fn(&str) -> bool) -> Broken {
    let early = Breakage::AcknowledgesEarly(tables, Duration::from_millis(40));
    Broken { store: Some(early), ..Broken::default() }
}

fn store(breakage: Breakage) -> Broken {
    Broken { store: Some(breakage), ..Broken::default() }
}

#[test]
fn a_frontier_before_its_rows_is_caught() {
    let is_deciding = |name: &str| matches!(of_table(name), Some((_, false)));
    is_caught(early(is_deciding), Rule::FrontierIsBehind);
}

#[test]
fn deciding_rows_before_derived_ones_are_caught() {
    let is_derived = |name: &str| matches!(of_table(name), Some((_, true)));
    is_caught(early(is_derived), Rule::DerivedFirst);
}

#[test]
fn rows_ahead_that_are_not_seen_to_be_are_caught() {
    is_caught(store(Breakage::HidesStamps), Rule::WritesSayWhatTheLogSays);
}

#[test]
fn an_older_write_that_wins_is_caught() {
    is_caught(store(Breakage::OlderWins), Rule::NothingGoesBack);
}

#[test]
fn dead_letters_that_are_lost_are_caught() {
    is_caught(Broken { loses_letters: true, ..Broken::default() }, Rule::LettersAreKept);
}
