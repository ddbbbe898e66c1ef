//! A run: a log and a store, the workers of a plan, and one that heals.

use std::{collections::BTreeSet, panic, sync::Arc, time::Duration};

use futures::future::{join, join_all, join3};
use hubbub_events::{Offset, Topic};
use hubbub_projections::{Analysis, Likes, Posts};
use hubbub_stream::Record;
use hubbub_tables::Frontiers;
use hubbub_testkit::{
    memory_log::MemoryLog,
    memory_store::{Answer, Breakage, Kind, MemoryStore, differences},
};
use hubbub_worker::{HEADER_PREFIX, WorkerSettings};

use crate::{
    judge::{Judge, Rule, Violation},
    plan::{End, Life, Plan},
    process::{Process, fate, group, settings},
    truth::Truth,
};

/// How long anything may take, by the paused clock.
const DEADLINE: Duration = Duration::from_secs(900);

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub violation: Option<Violation>,
    pub crashes: u64,
    pub rebalances: u64,
    /// Records delivered again, and rows written again.
    pub duplicates: u64,
    pub steps: Vec<String>,
}

/// What is wrong with the world itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Broken {
    pub store: Option<Breakage>,
    pub loses_letters: bool,
}

/// Runs a plan on one thread, under a clock that stands until everyone waits for it.
pub fn run(plan: &Plan, broken: Broken) -> Run {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(World::run(plan, broken))
}

/// Waits for a condition; `false` where it takes too long.
pub async fn until(mut is_met: impl FnMut() -> bool) -> bool {
    let wait = async {
        while !is_met() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.is_ok()
}

struct World<'p> {
    plan: &'p Plan,
    log: MemoryLog,
    store: MemoryStore,
    judge: Arc<Judge>,
    settings: WorkerSettings,
}

/// What became of a worker.
enum Fell {
    Dead,
    Left,
    /// It works on with what it thinks is its own.
    Zombie(Process),
    /// Everything was folded before its end came.
    Alive(Process),
}

impl World<'_> {
    async fn run(plan: &Plan, broken: Broken) -> Run {
        let judge = Arc::new(Judge::new(Truth::of(plan).await, plan.partitions));
        let log = MemoryLog::new("memory", plan.partitions);
        log.set_fetch_records(plan.fetch_records);
        let letters = plan.letters.iter().cloned();
        match broken.loses_letters {
            true => {
                log.inject(std::iter::repeat_n(Some(hubbub_testkit::memory_log::Fault::Lost), 999))
            }
            false => log.inject(letters),
        }
        let store = MemoryStore::watched(broken.store, {
            let judge = Arc::clone(&judge);
            Box::new(move |landing| judge.landed(landing))
        });
        let settings = WorkerSettings { batch_records: plan.batch_records, ..settings() };
        let world = World { plan, log, store, judge, settings };
        world.go_on().await
    }

    async fn go_on(self) -> Run {
        let lives =
            self.plan.lives.iter().enumerate().map(|(number, life)| self.live(number, life));
        let (fallen, redelivered, ()) = join3(join_all(lives), self.redeliver(), self.tell()).await;
        let mut crashes = 0;
        let mut zombies = Vec::new();
        for fell in fallen {
            match fell {
                Fell::Dead => crashes += 1,
                Fell::Left => {}
                Fell::Zombie(process) => zombies.push(process),
                // It would keep what the last worker is to fold from the beginning.
                Fell::Alive(process) => self.end(process).await,
            }
        }
        if self.plan.from_zero {
            self.judge.note("the frontiers are lost");
            self.store.drop_table::<Frontiers>(Frontiers::BUILD);
            self.judge.forget_frontiers();
        }
        let healer = self.start("the last worker", self.log.reopen(), None);
        let (is_over, more) = join(self.heal(&healer), self.redeliver()).await;
        if !is_over {
            self.judge.condemn(Rule::EverythingIsFolded, "it is not, after 15 minutes".to_owned());
        }
        zombies.push(healer);
        for process in zombies {
            self.end(process).await;
        }
        // What is still on its way lands.
        tokio::time::sleep(Duration::from_secs(60)).await;
        self.judge_the_end();
        Run {
            violation: self.judge.verdict(),
            crashes,
            rebalances: self.log.rebalances(),
            duplicates: redelivered + more + self.judge.repeats(),
            steps: self.judge.steps(),
        }
    }

    fn start(&self, name: &str, log: MemoryLog, life: Option<(usize, &Life)>) -> Process {
        self.judge.note(format!("{name} starts"));
        let store = self.store.process({
            let (name, judge, plan) = (name.to_owned(), Arc::clone(&self.judge), self.plan.clone());
            let life = life.map(|(_, life)| life.clone());
            move |operation| {
                let fate = fate(&plan, life.as_ref(), operation);
                let what = match fate.answer {
                    Answer::Done => "",
                    Answer::Transient => ", which times out",
                    Answer::Permanent => ", which is refused",
                    Answer::Never => ", and dies",
                };
                let does = match operation.kind {
                    Kind::Heads | Kind::Rows | Kind::Scan | Kind::Partitions => "reads",
                    Kind::Apply => "writes",
                };
                let (number, table, items) = (operation.number, operation.table, operation.items);
                judge.note(format!(
                    "{name} {does} {table} (operation {number}, {items} items){what}"
                ));
                fate
            }
        });
        Process::start(log, store, self.settings.clone())
    }

    async fn live(&self, number: usize, life: &Life) -> Fell {
        tokio::time::sleep(Duration::from_millis(life.start.into())).await;
        let name = format!("worker {number}");
        let log = match life.end {
            End::Island(_) => self.log.island(),
            _ => self.log.reopen(),
        };
        let process = self.start(&name, log.mortal(), Some((number, life)));
        let has_lived = || {
            let has_died = process.log.has_died();
            has_died || process.operations() > life.operation || process.is_halted()
        };
        until(|| has_lived() || self.judge.is_over()).await;
        if process.log.has_died() {
            self.judge.note(format!("{name} dies of a dead letter"));
            process.kill().await;
            return Fell::Dead;
        }
        if process.operations() <= life.operation {
            // One whose end is death may meet it yet, and would never finish.
            return match life.end {
                End::Killed(_) => {
                    process.kill().await;
                    Fell::Left
                }
                _ => Fell::Alive(process),
            };
        }
        match life.end {
            End::Killed(_) => {
                self.judge.note(format!("{name} is killed"));
                process.kill().await;
                Fell::Dead
            }
            End::Left => {
                self.judge.note(format!("{name} leaves"));
                self.end(process).await;
                Fell::Left
            }
            End::Evicted(_) => {
                self.judge.note(format!("{name} is thought dead"));
                process.log.joined().into_iter().for_each(|member| self.log.evict(member));
                Fell::Zombie(process)
            }
            End::Island(_) => Fell::Zombie(process),
        }
    }

    /// Waits until all is folded; whether it is. Workers that died before the same record, again
    /// and again, look as if it had ended them: whoever heals the world knows better.
    async fn heal(&self, healer: &Process) -> bool {
        while until(|| self.judge.is_over() || healer.is_halted()).await {
            if self.judge.is_over() {
                return true;
            }
            self.judge.note("the last worker is resumed");
            healer.resume().await;
        }
        false
    }

    /// Stops a worker; that it failed before is a violation.
    async fn end(&self, process: Process) {
        process.log.spare();
        // Nothing would ever be finished in one that died as a zombie.
        if process.log.has_died() {
            return process.kill().await;
        }
        for error in process.stop().await {
            self.judge.condemn(Rule::EverythingIsFolded, error);
        }
    }

    /// Puts the story's later records into the log.
    async fn tell(&self) {
        for (number, deed) in self.plan.deeds.iter().enumerate() {
            if number >= self.plan.at_first {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            self.log.put(deed.record(number, self.plan.partitions));
        }
    }

    /// Turns deliveries back; returns how many records come again by that.
    async fn redeliver(&self) -> u64 {
        let mut again = 0;
        for (wait, back) in &self.plan.redeliveries {
            tokio::time::sleep(Duration::from_millis((*wait).into())).await;
            for group in [group::<Posts>(), group::<Analysis>(), group::<Likes>()] {
                for member in self.log.members(&group) {
                    for of in self.log.held(member) {
                        let Some(next) = self.log.delivered(member, of) else { continue };
                        let from = (next - back).max(0);
                        self.judge.note(format!("{group} is given {of} again from {from} on"));
                        self.log.redeliver(member, of, from);
                        again += next.abs_diff(from);
                    }
                }
            }
        }
        again
    }

    fn judge_the_end(&self) {
        if self.judge.verdict().is_some() {
            return;
        }
        let mut found = self.store.export();
        found.retain(|key, _| !key.starts_with("frontiers"));
        let differences = differences(&found, &self.judge.truth().export());
        if !differences.is_empty() {
            let story = format!("found | as the log says\n{differences}");
            return self.judge.condemn(Rule::TablesAreRight, story);
        }
        let model = &self.judge.truth().model;
        let is_right = panic::catch_unwind(panic::AssertUnwindSafe(|| {
            model.assert_posts(&self.store, 1);
            model.assert_analysis(&self.store, 1);
            model.assert_likes(&self.store, 1);
        }));
        if is_right.is_err() {
            self.judge.condemn(Rule::TablesAreRight, "the model says otherwise".to_owned());
        }
        let letters = self.log.all(Topic::DeadLetters).into_iter();
        let letters = letters.flat_map(|of| self.log.acknowledged(of));
        self.judge.letters(&letters.map(|letter| source_of(&letter)).collect::<BTreeSet<_>>());
    }
}

/// The partition, offset and projection that a dead letter names.
fn source_of(letter: &Record) -> (i32, Offset, String) {
    let header = |name: &str| {
        let name = format!("{HEADER_PREFIX}{name}");
        let mut found = letter.headers.iter().filter(|(key, _)| **key == *name);
        let value = found.next().map(|(_, value)| value.to_vec()).unwrap_or_default();
        String::from_utf8(value).unwrap()
    };
    let number = |name: &str| header(name).parse::<i64>().unwrap();
    (number("source-partition") as i32, number("source-offset"), header("projection"))
}
