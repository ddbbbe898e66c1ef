//! An entry only ever gives way to one that reflects more.

use std::sync::atomic::{AtomicU32, Ordering};

use hubbub_events::Offset;
use hubbub_store::{Partitions, Store, Wanted, Watched};
use hubbub_tables::Posts;
use hubbub_testkit::memory_store::MemoryStore;
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

use crate::support::{World, cached, change, stamp};

/// A write, by somebody whose store holds a post since an offset.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// By a reader, who saw the projection at a frontier.
    Fill(Offset, Offset),
    /// By a worker.
    Refresh(Offset),
    /// The entry ends.
    Expire,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few numbers, as equal ones matter, and such as no double holds.
    let offset =
        prop_oneof![0..4_i64, (1_i64 << 39)..(1_i64 << 39) + 3, Just(9_i64), Just(10), Just(100)];
    let as_of = prop_oneof![-1..4_i64, Just(9), Just(10), (i64::MAX - 3)..i64::MAX];
    let step = prop_oneof![
        6 => (offset.clone(), as_of).prop_map(|(offset, as_of)| Step::Fill(offset, as_of)),
        4 => offset.prop_map(Step::Refresh),
        1 => Just(Step::Expire),
    ];
    vec(step, 1..16)
}

fn content(step: usize) -> String {
    format!("by step {step}")
}

impl World {
    /// What Redis holds after steps: position, as of and step.
    async fn after(&self, id: &str, steps: &[Step]) -> Option<(Offset, Offset, usize)> {
        for (number, step) in steps.iter().enumerate() {
            let store = MemoryStore::new();
            let done = self.done();
            match *step {
                Step::Fill(offset, as_of) => {
                    store.put(1, change(id, &content(number), offset));
                    let posts = Partitions::<Posts>::new(&store, 1, Some(&self.cache)).unwrap();
                    let partition = (id.to_owned(),);
                    // Nothing in Redis will do.
                    let wanted = Wanted { partition: &partition, frontier: as_of, floor: i64::MAX };
                    posts.read(wanted).await.unwrap();
                }
                Step::Refresh(offset) => {
                    let posts = Watched::new(store, self.cache.clone()).table::<Posts>(1).unwrap();
                    posts.apply(vec![change(id, &content(number), offset)]).await.unwrap();
                }
                Step::Expire => {
                    let mut raw = self.raw().await;
                    for key in raw.keys().await {
                        raw.run::<i64>("DEL", &[key.as_bytes()]).await;
                    }
                    continue;
                }
            }
            self.until("it is done", || self.done() > done).await;
        }
        let nowhere = Partitions::<Posts>::new(&MemoryStore::new(), 1, Some(&self.cache)).unwrap();
        let partition = (id.to_owned(),);
        let wanted = Wanted { partition: &partition, frontier: -1, floor: -1 };
        let found = nowhere.read(wanted).await.unwrap()?;
        let by = found.value.row.as_ref().unwrap().content.clone();
        let step = (0..steps.len()).find(|step| content(*step) == by).unwrap();
        Some((found.stamp.offset(), found.as_of, step))
    }

    /// How many writes have come to an end.
    fn done(&self) -> u64 {
        ["written", "kept", "absent"]
            .map(|result| self.counters.fills(result) + self.counters.refreshes(result))
            .iter()
            .sum()
    }
}

fn model(steps: &[Step]) -> Option<(Offset, Offset, usize)> {
    let mut entry: Option<(Offset, Offset, usize)> = None;
    for (number, step) in steps.iter().enumerate() {
        let is_newer = |rank| entry.is_none_or(|(offset, as_of, _)| rank > (offset, as_of));
        match *step {
            Step::Fill(offset, as_of) if is_newer((offset, as_of)) => {
                entry = Some((offset, as_of, number));
            }
            Step::Refresh(offset) if entry.is_some() && is_newer((offset, offset)) => {
                entry = Some((offset, offset, number));
            }
            Step::Expire => entry = None,
            Step::Fill(..) | Step::Refresh(_) => {}
        }
    }
    entry
}

#[test]
fn whoever_writes_in_whatever_order_the_entry_is_that_of_the_greatest_rank() {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let mut runner = TestRunner::new(ProptestConfig { cases: 64, ..ProptestConfig::default() });
    runner
        .run(&steps(), |steps| {
            let id = format!("p{}", NEXT.fetch_add(1, Ordering::Relaxed));
            let found = runtime.block_on(world.after(&id, &steps));
            prop_assert_eq!(found, model(&steps));
            Ok(())
        })
        .unwrap();
    assert!(world.redis("hit") > 0);
}

#[tokio::test]
async fn readers_and_workers_at_once_leave_the_newest() {
    let world = World::new().await;
    world.keep("p", "first", 0, 0).await;
    let workers = Watched::new(MemoryStore::new(), world.cache.clone());
    let posts = workers.table::<Posts>(1).unwrap();
    for offset in 1..200 {
        // The order in which they come to the store is not that of the log.
        let offset = (offset * 37) % 199 + 1;
        posts.apply(vec![change("p", &format!("{offset}"), offset)]).await.unwrap();
        world.put("p", &format!("{offset}"), offset);
        world.read("p", offset, offset).await;
    }
    let written = || world.counters.refreshes("written") + world.counters.refreshes("kept");
    world.until("all is written", || written() == 199).await;
    let newest = world.read("p", 1000, 199).await.unwrap();
    assert_eq!((newest.stamp, newest.value), (stamp(199), cached("199", 199, 199).value));
}
