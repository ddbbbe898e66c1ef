//! A load that lasts: nobody's memory grows with it.

use std::time::Duration;

use bytesize::ByteSize;
use tokio::time::interval;

use crate::world::{Load, World};

const EVENTS: usize = 12_000;
const WRITERS: usize = 8;
const PROJECTIONS: &str = "posts,analysis,likes";
const ROLES: [&str; 3] = ["ingest", "query", "worker"];
const EVERY: Duration = Duration::from_millis(250);
/// What a role may have of its own.
const MEMORY: u64 = 100 << 20;
/// What the last third may have more than the middle one: caches that fill up, a batch more on its way.
const SLACK: u64 = 8 << 20;

fn median(mut seen: Vec<u64>) -> u64 {
    seen.sort_unstable();
    seen[seen.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_of_each_role_stays_where_it_is() {
    let mut world = World::start().await;
    let worker = world.worker(PROJECTIONS).await;
    let load = Load::start(world.door(), WRITERS, EVENTS);
    let said = load.said();
    let mut thirds = [(); 3].map(|()| [(); ROLES.len()].map(|()| Vec::new()));
    let mut ticks = interval(EVERY);
    while *said.borrow() < EVENTS && said.has_changed().is_ok() {
        ticks.tick().await;
        let third = (3 * *said.borrow() / EVENTS).min(2);
        let [ingest, query] = world.memory();
        for (seen, now) in thirds[third].iter_mut().zip([ingest, query, worker.memory()]) {
            seen.push(now);
        }
    }
    let told = world.judge(load, &[], &[&worker]).await;

    let [_, middle, last] = thirds.map(|seen| seen.map(median));
    let mut notes = Vec::new();
    for (role, (middle, last)) in ROLES.iter().zip(middle.into_iter().zip(last)) {
        let note = format!("{role} {}, then {}", ByteSize(middle), ByteSize(last));
        assert!(last <= MEMORY, "{note}");
        assert!(last <= middle + SLACK, "{note}");
        notes.push(note);
    }
    told.report("none, for as long as it takes", notes.join("; "));
}
