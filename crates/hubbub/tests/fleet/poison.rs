//! Records that are no events, in the middle of those that are.

use std::fs;

use hubbub_events::{Action, PostEvent, Timestamp};
use hubbub_testkit::client::eventually;
use serde_json::json;
use tempfile::TempDir;

use crate::world::{Load, PATIENCE, Worker, World};

const EVENTS: usize = 4_000;
const WRITERS: usize = 6;
const PROJECTIONS: &str = "posts,analysis,likes";
/// So few that no partition has too many.
const SOME: usize = 200;
/// More of them in one partition than a projection goes on with.
const TOO_MANY: usize = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_is_set_aside_once_for_each_projection_and_all_else_counts() {
    let mut world = World::start().await;
    let worker = world.worker(PROJECTIONS).await;
    let mut load = Load::start(world.door(), WRITERS, EVENTS);
    load.reaches(EVENTS / 4).await;
    let keys: Vec<_> = (0..SOME).map(|number| format!("poison-{number}")).collect();
    let injected = world.inject(&keys).await;
    // Whoever is killed among them, or after, leaves no second one that is counted.
    let other = world.worker(PROJECTIONS).await;
    worker.kill();
    let told = world.judge_with_poison(load, &[], &[&other], &injected).await;
    repair(&world, &other).await;
    let note = format!("{SOME} dead letters for each projection, one of them repaired");
    told.report(format!("{SOME} records of poison, and a worker killed"), note);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_poison_halts_its_partition_which_says_so_and_goes_on_when_told() {
    let mut world = World::start().await;
    let worker = world.worker(PROJECTIONS).await;
    let mut load = Load::start(world.door(), WRITERS, EVENTS);
    load.reaches(EVENTS / 4).await;
    let keys = vec!["poison".to_owned(); TOO_MANY];
    let injected = world.inject(&keys).await;
    let partition = injected[0].0;
    let halted = eventually(PATIENCE, || async {
        let halted = worker.halted().await;
        if halted.len() == PROJECTIONS.split(',').count() { Ok(halted) } else { Err(halted.len()) }
    })
    .await;
    for halt in &halted {
        assert_eq!(halt["partition"], partition);
        let detail = halt["detail"].as_str().unwrap();
        assert!(detail.contains("dead letter"), "{detail}");
    }
    let ready = worker.get("/readyz").await;
    ready
        .problem(503, "not-ready")
        .says(&[&format!("/{partition} is halted"), "dead-letter-ratio"]);
    let metrics = worker.metrics().await;
    let label = [("projection", "posts"), ("partition", &*partition.to_string())];
    let state = metrics.sum("hubbub_partition_state", &label);
    assert!((state - 3.0).abs() < 0.1, "hubbub_partition_state is {state}");
    // The other partitions go on.
    let folded = worker.folded("posts").await;
    eventually(PATIENCE, || async {
        let now = worker.folded("posts").await;
        if now > folded { Ok(()) } else { Err(now) }
    })
    .await;

    let resumed = worker.post("/resume", &json!({"accept_dead_letters": true})).await.expect(200);
    assert_eq!(resumed.json()["resumed"], halted.len());
    let told = world.judge_with_poison(load, &[], &[&worker], &injected).await;
    let faults =
        format!("{TOO_MANY} records of poison in one partition, which halts and is resumed");
    let note = format!("{TOO_MANY} dead letters for each projection");
    told.report(faults, note);
}

/// The commands show a dead letter and append what it should have said: once, however often they are told.
async fn repair(world: &World, worker: &Worker) {
    let letters = worker.get("/dead-letters?limit=1").await.expect(200).json();
    let letter = &letters["items"][0];
    let [partition, offset] = ["partition", "offset"].map(|of| letter[of].to_string());
    let key = letter["key"].as_str().unwrap();
    let shown = worker.succeed(&["dead-letters", "show", &partition, &offset]);
    assert!(shown.contains(key), "no {key:?} in {shown}");

    let event = PostEvent {
        event_id: "repaired",
        time: Timestamp::now(),
        user_id: "repairer",
        post_id: key,
        action: Action::Created { content: "as it should be", hashtags: Vec::new() },
    };
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("repaired");
    fs::write(&file, event.encode()).unwrap();
    let file = file.to_str().unwrap();
    let repair =
        || worker.succeed(&["dead-letters", "repair", &partition, &offset, "--value-file", file]);
    assert!(repair().contains("appended at hubbub.posts.v1/"));
    assert!(repair().contains("was repaired before"));
    let client = world.client().await;
    eventually(PATIENCE, || async {
        let read = client.get(&format!("/posts/{key}")).await;
        if read.status == 200 { Ok(read.json()) } else { Err(read.to_string()) }
    })
    .await;
}
