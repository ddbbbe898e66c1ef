//! A newer ingest writes what this build's workers do not know.
//!
//! There is one build here, so what comes after the upgrade is shown where two can be: a worker that knows the newer
//! schema goes on at the very record, in the worker's own tests (`runner/halts.rs`). Here is shown what it relies on:
//! the record stays at its place, no frontier passes it, and neither `resume` nor another worker of this version does.

use bytes::Bytes;
use hubbub_events::{Action, PostEvent, Timestamp, envelope::SCHEMA, partition_of, v1};
use hubbub_testkit::{client::eventually, story};
use prost::Message;
use serde_json::json;

use crate::world::{PATIENCE, Worker, World};

const PROJECTIONS: &str = "posts,analysis,likes";
/// As topics are made when nobody says otherwise.
const PARTITIONS: i32 = 12;

fn id_in(partition: i32) -> String {
    let mut ids = (0..).map(|number| format!("post-{number}"));
    ids.find(|id| partition_of(id.as_bytes(), PARTITIONS) == partition).unwrap()
}

/// A like as the next schema writes it.
fn newer(post_id: &str) -> Bytes {
    let (event_id, user_id) = ("newer".to_owned(), "ann".to_owned());
    let (time, post_id) = (Timestamp::now(), post_id.to_owned());
    let event = PostEvent { event_id, time, user_id, post_id, action: Action::Liked };
    let mut event = v1::Event::decode(event.encode().as_slice()).unwrap();
    event.schema = SCHEMA + 1;
    event.encode_to_vec().into()
}

/// Waits until each projection is halted before the record, and the worker says so.
async fn halted(worker: &Worker, partition: i32, offset: i64) {
    let halt = format!("is halted before offset {offset} (newer-event)");
    eventually(PATIENCE, || async {
        let (status, causes) = worker.readiness().await;
        let said = causes.iter().filter(|cause| cause.contains(&halt)).count();
        if (status, said) == (503, 3) { Ok(()) } else { Err(format!("{status}: {causes:?}")) }
    })
    .await;
    let metrics = worker.metrics().await;
    for projection in PROJECTIONS.split(',') {
        let state = |of: i32| {
            let of = of.to_string();
            let labels = [("projection", projection), ("partition", of.as_str())];
            metrics.sum("hubbub_partition_state", &labels)
        };
        for of in 0..PARTITIONS {
            let (expected, state) = (if of == partition { 3.0 } else { 1.0 }, state(of));
            assert!((state - expected).abs() < 0.1, "{projection} in {of} has state {state}");
        }
        let status = worker.partition(projection, partition).await.unwrap();
        assert_eq!((&status["state"], &status["frontier"]), (&json!("halted"), &json!(offset - 1)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_event_halts_its_partition_alone_and_no_worker_of_this_version_passes_it() {
    let mut world = World::start().await;
    let (stuck, free) = (id_in(3), id_in(4));
    let client = world.client().await;
    let worker = world.worker(PROJECTIONS).await;
    for id in [&stuck, &free] {
        let post = json!({"id": id, "user_id": "ann", "content": "two words"});
        client.post("/posts", &post).wait(10).await.expect(201);
    }
    let record = story::raw(stuck.as_bytes(), &newer(&stuck), PARTITIONS);
    assert_eq!(record.topic_partition.partition, 3);
    let offset = world.append(record).await;
    halted(&worker, 3, offset).await;

    // Others go on; what is behind it is taken, and waits.
    let like = |id: &str| client.put(&format!("/posts/{id}/likes/bob"));
    like(&free).wait(10).await.expect(204);
    let behind = like(&stuck).wait(1).await.expect(202);
    assert_eq!(behind.header("preference-applied"), None);
    let read = client.get(&format!("/posts/{stuck}")).after(&behind).wait(1).await;
    read.problem(503, "projection-behind");
    client.get(&format!("/posts/{stuck}")).await.expect(200);

    // Resumed without an upgrade, it is at the same record again.
    let resumed = worker.command(&["resume", "--partition", "3"]);
    let told = String::from_utf8_lossy(&resumed.stdout);
    assert!(resumed.status.success() && told.contains("3 partitions go on"), "{resumed:?}");
    halted(&worker, 3, offset).await;
    worker.stop().await;
    let another = world.worker(PROJECTIONS).await;
    halted(&another, 3, offset).await;
    // The end of the log is asked for once a second.
    eventually(PATIENCE, || async {
        for projection in PROJECTIONS.split(',') {
            let status = another.partition(projection, 3).await.unwrap();
            if status["lag"] != json!(2) {
                return Err(status.to_string());
            }
        }
        Ok(())
    })
    .await;
}
