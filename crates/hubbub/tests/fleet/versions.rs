//! Two versions side by side: what a newer ingest writes halts the workers that do not know it, and they go on after
//! their upgrade; what a newer worker counts in another way it needs a build of its own for.
//!
//! There is one source here, so the next version is made of it by `scripts/next-version.sh`: the same with another
//! number of the events' schema, and an analyzer for which an apostrophe ends a word of ASCII text.

use bytes::Bytes;
use hubbub_events::{Action, PostEvent, Timestamp, envelope::SCHEMA, partition_of, v1};
use hubbub_testkit::{
    client::{Client, eventually},
    load::ANALYZER,
    story,
};
use prost::Message;
use serde_json::json;

use crate::world::{Load, NEXT_ANALYZER, PATIENCE, Worker, World};

const EVENTS: usize = 6_000;
const WRITERS: usize = 6;
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
    // Others may still be opened.
    eventually(PATIENCE, || async {
        let metrics = worker.metrics().await;
        for (projection, of) in
            PROJECTIONS.split(',').flat_map(|it| (0..PARTITIONS).map(move |of| (it, of)))
        {
            let number = of.to_string();
            let labels = [("projection", projection), ("partition", number.as_str())];
            let state = metrics.sum("hubbub_partition_state", &labels);
            let expected = if of == partition { 3.0 } else { 1.0 };
            if (state - expected).abs() > 0.1 {
                return Err(format!("{projection} in {of} has state {state}"));
            }
        }
        Ok(())
    })
    .await;
    for projection in PROJECTIONS.split(',') {
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
    worker.until_folding(PROJECTIONS.split(',').count() * PARTITIONS as usize).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_is_upgraded_under_load_and_its_apis_taken_back() {
    let mut world = World::start().await;
    let old = world.worker(PROJECTIONS).await;
    let mut load = Load::start(world.door(), WRITERS, EVENTS);
    load.reaches(EVENTS / 4).await;

    // In the wrong order: events come that the worker does not know.
    world.upgrade();
    world.replace_apis().await;
    let halt = "(newer-event)";
    eventually(PATIENCE, || async {
        let (status, causes) = old.readiness().await;
        let is_said = causes.iter().any(|cause| cause.contains(halt));
        if status == 503 && is_said { Ok(()) } else { Err(format!("{status}: {causes:?}")) }
    })
    .await;
    load.reaches(EVENTS / 2).await;
    let (mut lag, mut halted) = (0, 0);
    for of in old.halted().await {
        assert!(of["detail"].as_str().unwrap().starts_with("newer-event"), "{of}");
        lag += of["lag"].as_u64().unwrap();
        halted += 1;
    }
    assert!(halted > 0 && lag > 0, "{halted} are halted, and {lag} records wait");

    let new = world.worker(PROJECTIONS).await;
    new.succeed(&["rebuild", "--projection", "analysis"]);
    world.analyzer = NEXT_ANALYZER;
    let ended = old.terminate().await;
    // Taken back, the APIs write what both versions know.
    world.go_back();
    load.reaches(3 * EVENTS / 4).await;
    world.replace_apis().await;
    let told = world.judge(load, &[], &[&new]).await;
    let note =
        format!("{halted} halts with a lag of {lag}; the old worker ended within {ended:.1?}");
    told.report("APIs upgraded before the worker, and taken back", note);
}

/// Posts what analyzers do not agree on, and waits until that is analyzed.
async fn post(client: &Client, id: &str) {
    let post = json!({"id": id, "user_id": "ann", "content": "You can't"});
    let posted = client.post("/posts", &post).await.expect(202);
    eventually(PATIENCE, || async {
        let read = client.get(&format!("/posts/{id}/analysis")).after(&posted).wait(10).await;
        if read.status == 200 { Ok(()) } else { Err(read) }
    })
    .await;
}

/// Waits until these posts of ann's are read as an analyzer counts them: all of them once one is.
async fn are_read(client: &Client, ids: &[&str], analyzer: &str, words: u64) {
    let read = async |path: String| client.get(&path).await.expect(200).json();
    let counted = async |id: &str| {
        let read = read(format!("/posts/{id}/analysis")).await;
        (read["analyzer"].as_str().unwrap().to_owned(), read["word_count"].as_u64().unwrap())
    };
    let expected = (analyzer.to_owned(), words);
    // APIs look once a second which build is read.
    eventually(PATIENCE, || async {
        let seen = counted(ids[0]).await;
        if seen == expected { Ok(()) } else { Err(format!("{seen:?}")) }
    })
    .await;
    for id in ids {
        assert_eq!(counted(id).await, expected, "{id}");
    }
    let totals = read("/users/ann/analysis".to_owned()).await;
    let [posts, words_in_all] = ["post_count", "word_count"].map(|name| totals[name].as_u64());
    assert_eq!(words_in_all, posts.map(|posts| posts * words), "{totals}");
}

/// Waits until a worker says that what is read is of another version of the fold, and this of it; or that it is ready.
async fn says(worker: &Worker, what: Option<&str>) {
    eventually(PATIENCE, || async {
        let (status, causes) = worker.readiness().await;
        let is_it = match what {
            Some(what) => status == 503 && causes.iter().any(|cause| cause.contains(what)),
            None => status == 200,
        };
        if is_it { Ok(()) } else { Err(format!("{status}: {causes:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_analyzer_is_rolled_out_beside_the_old_one() {
    let mut world = World::start().await;
    let old = world.worker(PROJECTIONS).await;
    let mut load = Load::start(world.door(), WRITERS, EVENTS);
    load.reaches(EVENTS / 4).await;
    let client = world.client().await;
    post(&client, "before").await;

    world.upgrade();
    let new = world.worker(PROJECTIONS).await;
    says(&new, Some("`hubbub rebuild --projection analysis` makes a build")).await;
    // Meanwhile the old one goes on, alone.
    post(&client, "beside").await;
    are_read(&client, &["before", "beside"], ANALYZER, 2).await;
    for partition in 0..PARTITIONS {
        assert_eq!(new.partition("analysis", partition).await, None);
    }

    let rebuilt = new.succeed(&["rebuild", "--projection", "analysis"]);
    assert!(rebuilt.contains("build 2 of analysis is read from now on"), "{rebuilt}");
    are_read(&client, &["before", "beside"], NEXT_ANALYZER, 3).await;
    says(&new, None).await;
    says(&old, Some("it goes on with build 1")).await;

    // Back and forth, with what came since.
    let back = ["rebuild", "--projection", "analysis", "--rollback"];
    post(&client, "after").await;
    old.succeed(&back);
    are_read(&client, &["before", "beside", "after"], ANALYZER, 2).await;
    says(&old, None).await;
    says(&new, Some("--rollback` goes back to build 2")).await;
    old.succeed(&["verify", "--projection", "analysis", "--partitions", "0,4,8"]);
    post(&client, "back").await;
    new.succeed(&back);
    are_read(&client, &["before", "beside", "after", "back"], NEXT_ANALYZER, 3).await;

    let ended = old.terminate().await;
    world.analyzer = NEXT_ANALYZER;
    let told = world.judge(load, &[], &[&new]).await;
    new.succeed(&["rebuild", "--projection", "analysis", "--drop"]);
    post(&client, "alone").await;
    are_read(&client, &["before", "beside", "after", "back", "alone"], NEXT_ANALYZER, 3).await;
    let builds = new.get("/builds/analysis").await.expect(200).json();
    assert_eq!((&builds["live"]["build"], &builds["previous"]), (&json!(2), &json!(null)));
    let note = format!("rolled back and forth; the old worker ended within {ended:.1?}");
    told.report("a changed analyzer rolled out beside the old one", note);
}
