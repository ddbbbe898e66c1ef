//! One process: projections are folded anew while writes come in, also through a `kill -9`, and what
//! is read is verified against the log.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use bytesize::ByteSize;
use futures::future::{join_all, try_join_all};
use hubbub_events::Stamp;
use hubbub_store::{EmbeddedSettings, EmbeddedStore, Store};
use hubbub_tables::{Change, PostLikes, Stored, likes::LikesHead};
use hubbub_testkit::{
    client::eventually,
    load::{Door, Pump, Reader, Writer},
    operations::Operations,
    process::{Process, Signal, all_in_one},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_blocking},
};

const PATIENCE: Duration = Duration::from_secs(60);
const WRITERS: usize = 4;
const EVENTS: usize = 6_000;

struct Hub {
    folder: TempDir,
    process: Process,
    operations: String,
    urls: watch::Sender<Option<(String, String)>>,
    door: Door,
}

impl Hub {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let process = process(&folder);
        let (urls, door) = Door::closed();
        let mut hub = Self { folder, process, operations: String::new(), urls, door };
        hub.open().await;
        hub
    }

    async fn open(&mut self) {
        let urls = self.process.ready(PATIENCE).await;
        self.operations = urls.operations;
        self.urls.send_replace(Some((urls.api.clone(), urls.api)));
    }

    async fn restart(&mut self) {
        self.urls.send_replace(None);
        self.process = process(&self.folder);
        self.open().await;
    }

    /// Runs a command of an operator's to its end, beside all else.
    async fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
        command.args(arguments).args(["--url", &self.operations]);
        spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    async fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).await;
        assert!(output.status.success(), "{arguments:?}: {}", told(&output));
        told(&output)
    }

    async fn builds(&self, projection: &str) -> Value {
        let operations = Operations::new([&*self.operations]);
        operations.get(&format!("/builds/{projection}")).await.remove(0).expect(200).json()
    }
}

fn process(folder: &TempDir) -> Process {
    let folder = folder.path();
    let command = all_in_one(Path::new(env!("CARGO_BIN_EXE_hubbub")), &folder.join("data"));
    Process::start(command, &folder.join("log"))
}

fn told(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_projection_is_folded_anew_while_writes_go_on() {
    let mut hub = Hub::start().await;
    let mut pump = Pump::new(1, hub.door.clone());
    pump.fill().await;
    let said = watch::Sender::new(0);
    let writers: Vec<JoinHandle<Writer>> = (0..WRITERS)
        .map(|number| {
            let writer = Writer::new(number, hub.door.clone(), said.clone());
            tokio::spawn(writer.run(EVENTS / WRITERS))
        })
        .collect();
    said.subscribe().wait_for(|said| *said >= EVENTS / 10).await.unwrap();

    for projection in ["posts", "analysis"] {
        let rebuilt = hub.succeed(&["rebuild", "--projection", projection]).await;
        assert!(rebuilt.contains("the builds are alike"), "{rebuilt}");
        assert!(
            rebuilt.contains(&format!("build 2 of {projection} is read from now on")),
            "{rebuilt}"
        );
    }
    // Killed in the middle.
    let operations = Operations::new([&*hub.operations]);
    let begin = json!({"action": "begin"});
    operations.post("/builds/likes", &begin).await.remove(0).expect(200);
    let folded = eventually(PATIENCE, || async {
        let next = hub.builds("likes").await["next"].clone();
        match next["folded"].as_i64().unwrap() {
            0 => Err(next),
            folded => Ok(folded),
        }
    })
    .await;
    hub.process.kill();
    hub.restart().await;
    let next = hub.builds("likes").await["next"].clone();
    assert_eq!(next["build"], 2);
    assert!(next["folded"].as_i64().unwrap() >= folded, "{next} began anew after {folded}");
    let rebuilt = hub.succeed(&["rebuild", "--projection", "likes"]).await;
    assert!(rebuilt.contains("build 2 of likes is read from now on"), "{rebuilt}");
    hub.succeed(&["rebuild", "--projection", "posts", "--rollback"]).await;
    let drops = ["posts", "analysis", "likes"].map(|projection| {
        let hub = &hub;
        async move { hub.succeed(&["rebuild", "--projection", projection, "--drop"]).await }
    });
    join_all(drops).await;
    for projection in ["posts", "analysis", "likes"] {
        let builds = hub.builds(projection).await;
        let live = if projection == "posts" { 1 } else { 2 };
        assert_eq!((&builds["live"]["build"], builds.get("previous")), (&live.into(), None));
    }
    // What was dropped is gone, and what is read is found again, after a restart, too.
    hub.process.kill();
    hub.restart().await;

    let writers = try_join_all(writers).await.unwrap();
    let reader = Reader::caught_up(hub.door.client().await).await;
    reader.check_pump(&pump).await.unwrap();
    for writer in &writers {
        reader.check_writer(writer).await.unwrap();
    }
    let verified = hub.succeed(&["verify"]).await;
    let tables = verified.lines().filter(|line| line.contains("checksums"));
    assert_eq!(tables.filter(|line| line.ends_with(" 0 differ")).count(), 6, "{verified}");
    assert!(verified.contains("are alike"), "{verified}");

    let again = hub.succeed(&["rebuild", "--projection", "likes", "--no-switch"]).await;
    let mut progress = again.lines().filter(|line| line.starts_with("build 3: "));
    assert!(
        progress.any(|line| line.contains(" %), ")
            && line.contains("/s, ")
            && line.ends_with(" s left")),
        "{again}"
    );
    let compared = again.lines().find(|line| line.contains(" ranges, "));
    assert!(compared.is_some_and(|line| line.ends_with(" 0 differ")), "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_no_event_made_is_named() {
    let mut hub = Hub::start().await;
    let mut pump = Pump::new(1, hub.door.clone());
    pump.fill().await;
    Reader::caught_up(hub.door.client().await).await;
    hub.process.signal(Signal::INT);
    assert!(hub.process.ended(PATIENCE).await.success());
    forge(&hub.folder.path().join("data/store"), &pump.id(0, 0)).await;
    hub.restart().await;

    let output = hub.command(&["verify"]).await;
    let told = told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&pump.id(0, 0)) && told.contains("like_count: 7"), "{told}");
    assert!(told.contains("differ in 1 row"), "{told}");
    hub.succeed(&["verify", "--projection", "analysis"]).await;

    // A build that does not say the same is not read, unless it is told to be.
    let output = hub.command(&["rebuild", "--projection", "likes"]).await;
    let told = self::told(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&pump.id(0, 0)) && told.contains("like_count: 7"), "{told}");
    assert!(told.contains("differ in 1 row"), "{told}");
    let ranges = told.lines().filter(|line| line.starts_with("post_likes, "));
    assert_eq!(ranges.filter(|line| line.contains(": checksums ")).count(), 1, "{told}");
    assert_eq!(hub.builds("likes").await["live"]["build"], 1);
    hub.succeed(&["rebuild", "--projection", "likes", "--no-compare"]).await;
    eventually(PATIENCE, || async {
        let verified = hub.command(&["verify", "--projection", "likes", "--partitions", "0,1,2,3"]);
        let verified = verified.await;
        if verified.status.success() { Ok(()) } else { Err(self::told(&verified)) }
    })
    .await;
}

/// Changes how often a post is liked.
async fn forge(folder: &Path, post_id: &str) {
    let settings = EmbeddedSettings {
        cache_size: ByteSize::mib(8),
        memtable_size: ByteSize::mib(4),
        queue_size: ByteSize::mib(4),
    };
    let store = EmbeddedStore::open(&settings, folder).unwrap();
    let likes = store.table::<PostLikes>(1).unwrap();
    let key = (post_id.to_owned(),);
    let stored = likes.heads(std::slice::from_ref(&key)).await.unwrap().remove(0).unwrap();
    let head = Stored {
        stamp: Stamp(stored.stamp.0 + 1),
        record: LikesHead { like_count: 7, ..stored.record },
    };
    likes.apply(vec![Change { partition: key, head: Some(head), rows: Vec::new() }]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_is_refused_with_a_reason() {
    let hub = Hub::start().await;
    for (arguments, code, reason) in [
        (&["rebuild", "--projection", "shares"][..], 2, "posts, analysis, likes are allowed"),
        (&["rebuild"], 2, "--projection"),
        (&["rebuild", "--projection", "posts", "--rollback"], 1, "no previous build"),
        (&["rebuild", "--projection", "posts", "--drop"], 1, "no build but the one that is read"),
        (&["rebuild", "--projection", "posts", "--drop", "--rollback"], 2, "cannot be used with"),
        (&["verify", "--partitions", "4"], 1, "0 to 3 are allowed"),
    ] {
        let output = hub.command(arguments).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", told(&output));
        assert!(told(&output).contains(reason), "{arguments:?}: {}", told(&output));
    }
}
