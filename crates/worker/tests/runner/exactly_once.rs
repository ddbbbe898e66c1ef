//! Whatever goes wrong, the tables come out as if nothing had.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hubbub_projections::{Analysis, Likes, Posts, Projection};
use hubbub_tables::Frontiers;
use hubbub_testkit::{
    memory_log::MemoryLog,
    memory_store::{Export, Fate, Kind, MemoryStore, Operation, differences},
    model::Model,
    story::{self, Deed, any_story},
};
use hubbub_worker::WorkerSettings;
use proptest::prelude::*;

use crate::support::{Worker, posts, run, settings, start, stored_frontier, until};

/// What goes wrong while a story is folded.
#[derive(Debug, Clone)]
struct Trouble {
    partitions: i32,
    batch_records: usize,
    fetch_records: usize,
    /// Workers that fail one after the other; the one after them does not.
    lives: Vec<Life>,
    /// How long operations take, in milliseconds, over and over.
    delays: Vec<u8>,
    /// Before the last worker starts the frontiers are lost.
    from_zero: bool,
    /// Every delivery comes again.
    redelivers: bool,
}

/// A worker that does not end well.
#[derive(Debug, Clone)]
struct Life {
    /// With which of its operations it ends.
    operation: u64,
    /// Which of that operation's changes are applied.
    applied: u64,
    end: End,
    /// The operations at which the store times out, with what it applied all the same.
    time_outs: Vec<(u64, u64)>,
}

#[derive(Debug, Clone, Copy)]
enum End {
    /// Killed: nothing more is heard of it.
    Killed,
    /// Thought dead by its group, it goes on with what it has, this much slower.
    Evicted(u16),
    /// It pauses, and then goes on with everything, faster than whoever came after it.
    Island(u16),
}

fn any_applied() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(u64::MAX), any::<u64>()]
}

fn any_life() -> impl Strategy<Value = Life> {
    let end = prop_oneof![
        3 => Just(End::Killed),
        2 => (1..200_u16).prop_map(End::Evicted),
        1 => (1..200_u16).prop_map(End::Island),
    ];
    let time_outs = prop::collection::vec((0..24_u64, any_applied()), 0..3);
    (0..24_u64, any_applied(), end, time_outs).prop_map(|(operation, applied, end, time_outs)| {
        Life { operation, applied, end, time_outs }
    })
}

fn any_trouble(partitions: impl Strategy<Value = i32>) -> impl Strategy<Value = Trouble> {
    let sizes = (partitions, 1..8_usize, 1..8_usize);
    let lives = prop::collection::vec(any_life(), 0..4);
    let delays = prop::collection::vec(0..12_u8, 0..8);
    (sizes, lives, delays, any::<bool>(), any::<bool>()).prop_map(
        |((partitions, batch_records, fetch_records), lives, delays, from_zero, redelivers)| {
            Trouble {
                partitions,
                batch_records,
                fetch_records,
                lives,
                delays,
                from_zero,
                redelivers,
            }
        },
    )
}

/// What comes of a story where nothing goes wrong, and after each of its records.
struct Calm {
    export: Export,
    after: Vec<Export>,
}

fn fold_calmly<P: Projection>(deeds: &[Deed], partitions: i32) -> (Calm, Model) {
    run(async {
        let log = MemoryLog::new("memory", partitions);
        let model = story::tell(deeds, &log, partitions);
        let store = MemoryStore::new();
        let after = Arc::new(std::sync::Mutex::new(Vec::new()));
        let process = store.process({
            let (store, after) = (store.clone(), Arc::clone(&after));
            move |operation| {
                if writes_frontier(operation) {
                    after.lock().unwrap().push(tables_only(store.export()));
                }
                Fate::done()
            }
        });
        let worker = start::<P>(&log, &process, WorkerSettings { batch_records: 1, ..settings() });
        worker.until_done(&log).await;
        worker.stop().await.unwrap();
        let after = std::mem::take(&mut *after.lock().unwrap());
        (Calm { export: store.export(), after }, model)
    })
}

fn writes_frontier(operation: &Operation) -> bool {
    operation.table == "frontiers" && operation.kind == Kind::Apply
}

fn tables_only(export: Export) -> Export {
    export.into_iter().filter(|(key, _)| !key.starts_with("frontiers")).collect()
}

/// The script of a worker's store: slow, and out of order as its life wants it.
fn script(
    trouble: &Trouble,
    life: Option<Life>,
    ended: Arc<AtomicBool>,
) -> impl Fn(&Operation) -> Fate + Send + Sync + 'static {
    let delays = trouble.delays.clone();
    move |operation| {
        let number = operation.number;
        let slow = |factor: u64| match delays.len() as u64 {
            0 => Duration::ZERO,
            count => Duration::from_millis(u64::from(delays[(number % count) as usize]) * factor),
        };
        let as_usual = Fate { before: slow(1), after: slow(1) / 2, ..Fate::done() };
        let Some(life) = &life else {
            return as_usual;
        };
        if number >= life.operation {
            ended.store(true, Ordering::Relaxed);
        }
        let is_later = number > life.operation;
        match life.end {
            _ if number < life.operation => {
                let mut time_outs = life.time_outs.iter().filter(|(at, _)| *at == number);
                time_outs.next().map_or(as_usual, |(_, applied)| Fate {
                    before: slow(1),
                    ..Fate::transient().applying(*applied)
                })
            }
            End::Killed if is_later => Fate::death(),
            End::Killed => Fate::death().applying(life.applied).late(slow(20)),
            End::Evicted(late) => Fate {
                before: slow(1) + Duration::from_millis(late.into()),
                between: slow(3),
                after: slow(5),
                ..Fate::done()
            },
            End::Island(_) if is_later => Fate::done(),
            End::Island(late) => Fate::done().late(Duration::from_millis(late.into())),
        }
    }
}

async fn fold_in_trouble<P: Projection>(
    deeds: &[Deed],
    trouble: &Trouble,
    check: impl Fn(&MemoryStore),
) -> (MemoryStore, Model) {
    let log = MemoryLog::new("memory", trouble.partitions);
    log.set_fetch_records(trouble.fetch_records);
    let model = story::tell(deeds, &log, trouble.partitions);
    let store = MemoryStore::new();
    let settings = WorkerSettings { batch_records: trouble.batch_records, ..settings() };
    let mut zombies = Vec::new();

    for life in &trouble.lives {
        let ended = Arc::new(AtomicBool::new(false));
        let process = store.process(script(trouble, Some(life.clone()), Arc::clone(&ended)));
        let home = match life.end {
            End::Island(_) => log.island(),
            End::Killed | End::Evicted(_) => log.clone(),
        };
        let worker = start::<P>(&home, &process, settings.clone());
        redeliver::<P>(trouble, &home).await;
        until("it ends or is done", || ended.load(Ordering::Relaxed) || is_done(&worker, &log))
            .await;
        match life.end {
            End::Killed => worker.kill().await,
            End::Evicted(_) => {
                log.members(&group::<P>()).into_iter().for_each(|member| log.evict(member));
                zombies.push(worker);
            }
            End::Island(_) => zombies.push(worker),
        }
        check(&store);
    }
    if trouble.from_zero {
        store.drop_table::<Frontiers>(Frontiers::BUILD);
    }
    let worker = start::<P>(&log, &store.process(script(trouble, None, Arc::default())), settings);
    redeliver::<P>(trouble, &log).await;
    worker.until_done(&log).await;
    worker.stop().await.unwrap();
    for zombie in zombies {
        zombie.stop().await.unwrap();
    }
    // What is still on its way lands.
    tokio::time::sleep(Duration::from_secs(60)).await;
    (store, model)
}

fn is_done(worker: &Worker, log: &MemoryLog) -> bool {
    log.all(hubbub_events::Topic::Posts)
        .into_iter()
        .all(|of| log.acknowledged(of).last().is_none_or(|last| worker.frontier(of) >= last.offset))
}

fn group<P: Projection>() -> String {
    format!("hubbub.{}.b1", P::NAME)
}

/// Turns the delivery back a few times, while it is on its way.
async fn redeliver<P: Projection>(trouble: &Trouble, log: &MemoryLog) {
    if !trouble.redelivers {
        return;
    }
    for back in 1..4 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        for member in log.members(&group::<P>()) {
            for of in log.held(member) {
                if let Some(next) = log.delivered(member, of) {
                    log.redeliver(member, of, (next - back).max(0));
                }
            }
        }
    }
}

type Assert = fn(&Model, &MemoryStore, i32);

fn comes_out_right<P: Projection>(
    deeds: &[Deed],
    trouble: &Trouble,
    assert: Assert,
) -> Result<(), TestCaseError> {
    let (calm, _) = fold_calmly::<P>(deeds, trouble.partitions);
    let (store, model) = run(fold_in_trouble::<P>(deeds, trouble, |_| {}));
    let differences = differences(&store.export(), &calm.export);
    prop_assert!(differences.is_empty(), "in trouble | calm\n{differences}");
    assert(&model, &store, 1);
    Ok(())
}

/// The frontier is never past what is durable: behind it, everything is as new as it
/// was after that record, or newer.
fn frontier_is_behind<P: Projection>(deeds: &[Deed], trouble: &Trouble) {
    let (calm, _) = fold_calmly::<P>(deeds, 1);
    let check = |store: &MemoryStore| {
        let Some(frontier) = stored_frontier(store, P::NAME, posts(0)) else {
            return;
        };
        let found = store.export();
        for (key, then) in &calm.after[frontier as usize] {
            let now = found.get(key).unwrap_or_else(|| panic!("frontier {frontier}, but no {key}"));
            assert!(
                now.stamp >= then.stamp,
                "frontier {frontier}, but {key} is {now:?}, not {then:?}"
            );
            assert!(now.stamp > then.stamp || now == then, "{key} is {now:?}, not {then:?}");
        }
    };
    run(fold_in_trouble::<P>(deeds, trouble, check));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn posts_come_out_right(deeds in any_story(40), trouble in any_trouble(1..4)) {
        comes_out_right::<Posts>(&deeds, &trouble, Model::assert_posts)?;
    }

    #[test]
    fn analysis_comes_out_right(deeds in any_story(40), trouble in any_trouble(1..4)) {
        comes_out_right::<Analysis>(&deeds, &trouble, Model::assert_analysis)?;
    }

    #[test]
    fn likes_come_out_right(deeds in any_story(40), trouble in any_trouble(1..4)) {
        comes_out_right::<Likes>(&deeds, &trouble, Model::assert_likes)?;
    }

    #[test]
    fn the_frontier_is_never_past_what_is_durable(deeds in any_story(30), trouble in any_trouble(Just(1))) {
        frontier_is_behind::<Posts>(&deeds, &trouble);
        frontier_is_behind::<Analysis>(&deeds, &trouble);
        frontier_is_behind::<Likes>(&deeds, &trouble);
    }
}
