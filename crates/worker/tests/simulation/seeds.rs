//! Thousands of seeds, and one alone.
//!
//! `HUBBUB_TEST_SEEDS` says how many; `HUBBUB_TEST_SEED` runs one and prints its steps.

use std::{any::Any, env, fmt, ops::AddAssign, panic, thread, time::Instant};

use hubbub_testkit::counters::Counters;

use crate::{
    plan::{Plan, Seed, smallest},
    world::{Broken, Run, run},
};

const SEEDS: u64 = 2000;

#[derive(Debug, Default, Clone, Copy)]
struct Totals {
    seeds: u64,
    crashes: u64,
    rebalances: u64,
    ahead_rounds: u64,
    duplicates: u64,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.crashes += other.crashes;
        self.rebalances += other.rebalances;
        self.ahead_rounds += other.ahead_rounds;
        self.duplicates += other.duplicates;
    }
}

impl Totals {
    fn named(&self) -> [(&'static str, u64); 4] {
        [
            ("crashes", self.crashes),
            ("rebalances", self.rebalances),
            ("ahead-rule rounds", self.ahead_rounds),
            ("duplicates", self.duplicates),
        ]
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} seeds; per 1,000:", self.seeds)?;
        for (name, count) in self.named() {
            write!(f, " {name} {}", count * 1000 / self.seeds.max(1))?;
        }
        Ok(())
    }
}

fn number(name: &str) -> Option<u64> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text:?}, and not a number")))
}

/// A story with its records and steps.
pub fn tale(plan: &Plan, broken: Broken) -> String {
    let run = run(plan, broken);
    let deeds = plan.deeds.iter().enumerate().map(|(number, deed)| format!("  {number}: {deed:?}"));
    let deeds = deeds.collect::<Vec<_>>().join("\n");
    let Plan { partitions, batch_records, lives, .. } = plan;
    let violation = run.violation.map_or("nothing is wrong".to_owned(), |found| found.to_string());
    let steps = run.steps.join("\n");
    format!(
        "{violation}\n{partitions} partitions, batches of {batch_records}, workers: {lives:?}\nrecords:\n{deeds}\nsteps:\n{steps}"
    )
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

/// Runs a seed, or says what is wrong with it and how it is run again.
fn judged(Seed(seed): Seed, run: fn(&Plan) -> Run) -> Result<Run, String> {
    let caught = |plan: &Plan| panic::catch_unwind(|| run(plan));
    let run = caught(&Seed(seed).plan()).map_err(|panic| {
        let message = message_of(&*panic);
        format!("seed {seed} panicked: {message}\nHUBBUB_TEST_SEED={seed} runs it alone")
    })?;
    if run.violation.is_none() {
        return Ok(run);
    }
    let fails = |plan: &Plan| caught(plan).is_ok_and(|run| run.violation.is_some());
    let story = tale(&smallest(Seed(seed), fails), Broken::default());
    Err(format!("HUBBUB_TEST_SEED={seed} fails; the smallest story of it:\n{story}"))
}

fn run_whole(plan: &Plan) -> Run {
    run(plan, Broken::default())
}

/// Runs every `step`th seed from `first` on.
fn run_some(first: u64, step: usize, seeds: u64) -> Result<Totals, String> {
    let counters = Counters::install();
    let mut totals = Totals::default();
    for seed in (first..seeds).step_by(step).map(Seed) {
        let run = judged(seed, run_whole)?;
        totals += Totals {
            seeds: 1,
            crashes: run.crashes,
            rebalances: run.rebalances,
            ahead_rounds: 0,
            duplicates: run.duplicates,
        };
    }
    totals.ahead_rounds = counters.get("hubbub_ahead_rounds_total", &[]);
    Ok(totals)
}

#[test]
fn every_seed_comes_out_right() {
    if let Some(seed) = number("HUBBUB_TEST_SEED") {
        let plan = Seed(seed).plan();
        println!("{}", tale(&plan, Broken::default()));
        assert_eq!(run(&plan, Broken::default()).violation, None);
        return;
    }
    let (seeds, begun) = (number("HUBBUB_TEST_SEEDS").unwrap_or(SEEDS), Instant::now());
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let running: Vec<_> = (0..threads)
        .map(|first| thread::spawn(move || run_some(first as u64, threads, seeds)))
        .collect();
    let mut totals = Totals::default();
    for running in running {
        match running.join().unwrap() {
            Ok(some) => totals += some,
            Err(story) => panic!("{story}"),
        }
    }
    println!("{totals} (in {:.1?})", begun.elapsed());
    for (name, count) in totals.named() {
        assert!(count > 0, "no {name} in {seeds} seeds");
    }
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    for seed in (0..40).map(Seed) {
        let [first, second] = [(), ()].map(|()| run(&seed.plan(), Broken::default()));
        assert_eq!(first.steps, second.steps, "{seed:?}");
        assert_eq!(first, second, "{seed:?}");
    }
}

#[test]
fn a_seed_that_panics_is_named() {
    let told = judged(Seed(7), |_| panic!("as told")).unwrap_err();
    assert_eq!(told, "seed 7 panicked: as told\nHUBBUB_TEST_SEED=7 runs it alone");
}
