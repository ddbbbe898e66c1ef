//! The disk fills up.

use std::time::Duration;

use hubbub_testkit::{
    client::eventually,
    load::{HEALED, Load, Pump, outage},
    small_disk::SmallDisk,
};
use serde_json::json;
use tokio::time::sleep;

use crate::hub::Hub;

const WRITERS: usize = 8;
const EVENTS: usize = 8_000;
const SIZE_MIB: u64 = 256;
const RESERVE_MIB: u64 = 64;
/// How long it may take until a full disk is said to be one.
const SOON: Duration = Duration::from_secs(10);

/// Waits until `/readyz` names a cause with these words.
async fn unready(hub: &Hub, words: &str) {
    eventually(SOON, || async {
        let (status, causes) = hub.readiness().await;
        let is_named = causes.iter().any(|cause| cause.contains(words));
        if status == 503 && is_named { Ok(()) } else { Err(format!("{status}: {causes:?}")) }
    })
    .await;
}

/// None where nobody may mount one: then a full disk is left to the errors that the log's own tests inject.
#[expect(clippy::print_stdout, reason = "nothing is left out in silence")]
async fn on_small_disk() -> Option<Hub> {
    if !SmallDisk::is_allowed() {
        println!(
            "chaos: | a full disk: **not run**, as nobody may mount a small one here | | | | | | | | |"
        );
        return None;
    }
    Some(Hub::on_small_disk(SIZE_MIB, RESERVE_MIB).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_fills_up_is_told_and_taken_again_once_it_has_room() {
    let Some(hub) = on_small_disk().await else { return };
    let mut load = Load::start(hub.door(), WRITERS, EVENTS);
    load.reaches(EVENTS / 4).await;
    hub.fill_disk_but(RESERVE_MIB / 2);
    unready(&hub, "64.0 MiB stay free (segments.reserve)").await;
    eventually(SOON, || async {
        let free = hub.metrics().await.sum("hubbub_disk_free_bytes", &[]);
        if free < (RESERVE_MIB << 20) as f64 { Ok(()) } else { Err(format!("{free} are free")) }
    })
    .await;

    // Writes are refused, reads go on, and what was taken before is folded in the reserve.
    let client = hub.client().await;
    let post = json!({"id": "refused", "user_id": "refused", "content": "not stored"});
    client.post("/posts", &post).await.problem(507, "storage-full");
    eventually(HEALED, || async {
        let lag = hub.metrics().await.sum("hubbub_lag_records", &[]);
        if lag == 0.0 { Ok(()) } else { Err(format!("{lag} records wait")) }
    })
    .await;
    client.get("/posts/post-0.1").await.expect(200);
    sleep(outage()).await;

    hub.make_room();
    load.reaches(EVENTS / 2).await;
    let (total, healed) = hub.judge(load, &[]).await;
    client.get("/posts/refused").await.problem(404, "post-not-found");
    assert!(!hub.output().contains("starts anew"), "nothing had failed");
    let faults = format!("a disk with less than its reserve for {:?}", outage());
    total.report(faults, healed, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_without_any_room_fails_the_tables_and_they_are_opened_anew_once_it_has_some() {
    let Some(hub) = on_small_disk().await else { return };
    let mut load = Load::start(hub.door(), WRITERS, EVENTS);
    load.reaches(EVENTS / 4).await;
    let mut pump = Pump::new(1, hub.door());
    pump.fill().await;
    hub.fill_disk_but(0);
    unready(&hub, "(store)").await;
    let client = hub.client().await;
    let post = json!({"id": "refused", "user_id": "refused", "content": "not stored"});
    client.post("/posts", &post).await.problem(507, "storage-full");
    client.get("/posts/post-0.1").await.expect(200);
    sleep(outage()).await;

    hub.make_room();
    let (total, healed) = hub.judge(load, &[pump]).await;
    hub.client().await.get("/posts/refused").await.problem(404, "post-not-found");
    assert!(hub.output().contains("starts anew"), "the tables were not opened anew");
    let faults = format!("a disk without any room for {:?}", outage());
    total.report(faults, healed, "");
}
