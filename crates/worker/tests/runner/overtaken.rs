//! At any of the owner's operations, any part of what another worker would have written
//! by then lands: the tables come out as if nothing had.
//!
//! Where the simulation lets whole workers run into each other and finds what time
//! brings, this puts the writes wherever they can hurt.

use std::sync::{Arc, Mutex};

use hubbub_projections::{Analysis, Likes, Posts, Projection};
use hubbub_testkit::{
    memory_log::MemoryLog,
    memory_store::{Fate, Kind, MemoryStore, differences},
    model::Model,
    story::{self, Deed, any_story},
};
use hubbub_worker::WorkerSettings;
use proptest::prelude::*;

use crate::support::{run, settings, start};

/// The other worker has written everything up to one record, and part of what follows
/// from a batch up to another.
#[derive(Debug, Clone)]
struct Landing {
    /// At which of the owner's operations.
    operation: u64,
    /// How many records it has folded and written; modulo the story's length.
    whole: usize,
    /// How many more there are in the batch that it is writing.
    batch: usize,
    /// Whether all derived partitions of it are written, and some deciding ones.
    is_deciding: bool,
    /// Which partitions are written, by their number.
    written: u64,
}

const DECIDING: [&str; 3] = ["posts", "post_analysis", "post_likes"];

fn any_landing() -> impl Strategy<Value = Landing> {
    (0..40_u64, 0..40_usize, 0..6_usize, any::<bool>(), any::<u64>()).prop_map(
        |(operation, whole, batch, is_deciding, written)| Landing {
            operation,
            whole,
            batch,
            is_deciding,
            written,
        },
    )
}

impl Landing {
    fn land(&self, store: &MemoryStore, after: &[MemoryStore]) {
        let whole = self.whole % after.len();
        let batch = (whole + self.batch).min(after.len() - 1);
        // Its frontier is of no account: the owner has loaded its own.
        store.absorb(&after[whole], |table, _| table != "frontiers");
        store.absorb(&after[batch], |table, index| {
            let is_written = self.written >> (index % 64) & 1 == 1;
            match DECIDING.contains(&table) {
                true => self.is_deciding && is_written,
                false => table != "frontiers" && (self.is_deciding || is_written),
            }
        });
    }
}

/// The store after none, one, two … of the story's records.
fn after_each<P: Projection>(deeds: &[Deed]) -> Vec<MemoryStore> {
    run(async {
        let log = MemoryLog::new("memory", 1);
        story::tell(deeds, &log, 1);
        let store = MemoryStore::new();
        let after = Arc::new(Mutex::new(vec![store.snapshot()]));
        let process = store.process({
            let (store, after) = (store.clone(), Arc::clone(&after));
            move |operation| {
                if operation.table == "frontiers" && operation.kind == Kind::Apply {
                    after.lock().unwrap().push(store.snapshot());
                }
                Fate::done()
            }
        });
        let settings = WorkerSettings { batch_records: 1, ..settings() };
        let worker = start::<P>(&log, &process, settings);
        worker.until_done(&log).await;
        worker.stop().await.unwrap();
        let mut after = std::mem::take(&mut *after.lock().unwrap());
        // With the last frontier, for comparison.
        after.push(store);
        after
    })
}

fn comes_out_right<P: Projection>(
    deeds: &[Deed],
    batch_records: usize,
    landings: Vec<Landing>,
    assert: fn(&Model, &MemoryStore, i32),
) -> Result<(), TestCaseError> {
    let mut after = after_each::<P>(deeds);
    let calm = after.pop().unwrap();
    let (store, model) = run(async {
        let log = MemoryLog::new("memory", 1);
        let model = story::tell(deeds, &log, 1);
        let store = MemoryStore::new();
        let owner = store.process({
            let store = store.clone();
            move |operation| {
                for landing in landings.iter().filter(|one| one.operation == operation.number) {
                    landing.land(&store, &after);
                }
                Fate::done()
            }
        });
        let worker = start::<P>(&log, &owner, WorkerSettings { batch_records, ..settings() });
        worker.until_done(&log).await;
        worker.stop().await.unwrap();
        (store, model)
    });
    let differences = differences(&store.export(), &calm.export());
    prop_assert!(differences.is_empty(), "overtaken | calm\n{differences}");
    assert(&model, &store, 1);
    Ok(())
}

fn any_landings() -> impl Strategy<Value = Vec<Landing>> {
    prop::collection::vec(any_landing(), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, max_shrink_iters: 4000, ..ProptestConfig::default() })]

    #[test]
    fn posts_come_out_right(deeds in any_story(30), batch in 1..9_usize, landings in any_landings()) {
        comes_out_right::<Posts>(&deeds, batch, landings, Model::assert_posts)?;
    }

    #[test]
    fn analysis_comes_out_right(deeds in any_story(30), batch in 1..9_usize, landings in any_landings()) {
        comes_out_right::<Analysis>(&deeds, batch, landings, Model::assert_analysis)?;
    }

    #[test]
    fn likes_come_out_right(deeds in any_story(30), batch in 1..9_usize, landings in any_landings()) {
        comes_out_right::<Likes>(&deeds, batch, landings, Model::assert_likes)?;
    }
}
