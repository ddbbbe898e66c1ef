//! Projections are folded anew while writes come in.

use hubbub_testkit::client::eventually;
use serde_json::json;

use crate::world::{Load, PATIENCE, World};

const ALL: &str = "posts,analysis,likes";
const EVENTS: usize = 4_000;
const WRITERS: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_is_shared_outlives_a_worker_and_changes_no_number() {
    let mut world = World::start().await;
    let first = world.worker(ALL).await;
    let second = world.worker(ALL).await;
    let mut load = Load::start(world.door(), WRITERS, EVENTS);
    load.reaches(EVENTS / 4).await;

    first.succeed(&["rebuild", "--projection", "analysis", "--no-compare", "--no-switch"]);
    // Both have a share of the new build: each follows the table of builds by itself.
    for worker in [&first, &second] {
        eventually(PATIENCE, || async {
            let status = worker.get("/status").await.expect(200).json();
            let partitions = status["partitions"].as_array().cloned().unwrap_or_default();
            let has_it = partitions.iter().any(|of| of["build"] == 2);
            if has_it { Ok(()) } else { Err(status) }
        })
        .await;
    }
    first.kill();
    for projection in ["analysis", "posts", "likes"] {
        let rebuilt = second.succeed(&["rebuild", "--projection", projection]);
        assert!(rebuilt.contains("the builds are alike"), "{rebuilt}");
        assert!(
            rebuilt.contains(&format!("build 2 of {projection} is read from now on")),
            "{rebuilt}"
        );
    }
    second.succeed(&["rebuild", "--projection", "likes", "--rollback"]);
    let told = world.judge(load, &[], &[&second]).await;
    let verified = second.succeed(&["verify"]);
    let tables = verified.lines().filter(|line| line.contains("checksums"));
    assert_eq!(tables.filter(|line| line.ends_with(" 0 differ")).count(), 6, "{verified}");
    let faults = "every projection rebuilt, a worker killed meanwhile";
    told.report(faults, "nothing differs from the log");

    second.succeed(&["rebuild", "--projection", "analysis", "--drop"]);
    // What is left is read and written as before.
    let hub = world.client().await;
    let post = json!({"id": "after", "user_id": "ann", "content": "All is well"});
    let answer = hub.post("/posts", &post).wait(10).await.expect(201);
    let analysis = hub.get("/posts/after/analysis").after(&answer).wait(10).await.expect(200);
    assert_eq!(analysis.json()["word_count"], 3);
    // Who folds nothing knows of no builds.
    for answer in world.operations.get("/builds/posts").await {
        answer.problem(404, "not-found").says(&["folds nothing", "worker"]);
    }
}
