//! Thousands of seeds, and one alone.
//!
//! `HUBBUB_TEST_SEEDS` says how many; `HUBBUB_TEST_SEED` runs one and prints its steps.

use std::{env, fmt, ops::AddAssign, thread, time::Instant};

use hubbub_testkit::counters::Counters;

use crate::{
    plan::{Plan, Seed, smallest},
    world::{Broken, run},
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

/// Runs every `step`th seed from `first` on.
fn run_some(first: u64, step: usize, seeds: u64) -> Result<Totals, Seed> {
    let counters = Counters::install();
    let mut totals = Totals::default();
    for seed in (first..seeds).step_by(step).map(Seed) {
        let run = run(&seed.plan(), Broken::default());
        if run.violation.is_some() {
            return Err(seed);
        }
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
            Err(seed) => {
                let fails = |plan: &Plan| run(plan, Broken::default()).violation.is_some();
                let story = tale(&smallest(seed, fails), Broken::default());
                panic!("HUBBUB_TEST_SEED={} fails; the smallest story of it:\n{story}", seed.0);
            }
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
