//! The files of the log are torn and damaged.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::Path,
};

use hubbub_testkit::load::Load;
use serde_json::json;

use crate::hub::Hub;

const WRITERS: usize = 8;
const EVENTS: usize = 4_000;
const TEARS: usize = 5;

/// Leaves what a power cut leaves of a write: its beginning, or no more than its length.
fn tear(segment: &Path, number: usize) {
    let bytes = fs::read(segment).unwrap();
    let begun = match number % 2 {
        0 => vec![0; 300],
        _ => bytes[bytes.len() - 200..][..100].to_vec(),
    };
    OpenOptions::new().append(true).open(segment).unwrap().write_all(&begun).unwrap();
}

fn flip(segment: &Path) {
    let mut bytes = fs::read(segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(segment, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_tail_is_cut_off_and_nothing_acknowledged_was_in_it() {
    let mut hub = Hub::start().await;
    let mut load = Load::start(hub.door(), WRITERS, EVENTS);
    for number in 1..=TEARS {
        load.reaches(number * EVENTS / (TEARS + 1)).await;
        hub.kill_and(|segments| tear(segments.last().unwrap(), number)).await;
        assert!(hub.output().contains("was not whole"), "{}", hub.output());
    }
    let (total, healed) = hub.judge(load, &[]).await;
    total.report(format!("killed {TEARS} times, the log's last write torn"), healed, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_told_nothing_is_built_on_it_and_a_good_copy_mends_it() {
    let mut hub = Hub::start().await;
    let mut load = Load::start(hub.door(), WRITERS, EVENTS);
    load.reaches(EVENTS / 2).await;
    hub.kill_and(|segments| flip(&segments[0])).await;
    let (status, causes) = hub.readiness().await;
    assert_eq!(status, 503, "{causes:?}");
    assert!(causes.iter().any(|cause| cause.contains("segment 1")), "{causes:?}");
    let client = hub.client().await;
    let post = json!({"id": "refused", "user_id": "refused", "content": "not stored"});
    client.post("/posts", &post).await.problem(507, "storage-full");
    client.get("/posts/post-0.1").await.expect(200);

    hub.kill_and(|segments| flip(&segments[0])).await;
    let (total, healed) = hub.judge(load, &[]).await;
    hub.client().await.get("/posts/refused").await.problem(404, "post-not-found");
    total.report("a flipped bit in the log, until a good copy is there", healed, "");
}
