//! The check that stands at the end of every scenario is no formality: it is given tables in which one thing is
//! wrong, and must see each.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

use std::{fs, path::Path, sync::Arc, time::Duration};

use bytesize::ByteSize;
use hubbub_events::Stamp;
use hubbub_store::{EmbeddedSettings, EmbeddedStore, Rows, Store};
use hubbub_tables::{
    AuthorAnalysis, Change, Life, PostAnalysis, PostLikes, Posts, PostsByAuthor, Stored, Table,
};
use hubbub_testkit::{
    load::{Door, Reader, Writer},
    process::{Process, Signal, all_in_one},
};
use tempfile::TempDir;
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(60);
const EVENTS: usize = 400;

/// A process on a data folder, and the way in.
async fn start(data: &Path, log: &Path) -> (Process, Door) {
    let command = all_in_one(Path::new(env!("CARGO_BIN_EXE_hubbub")), data);
    let mut process = Process::start(command, log);
    let urls = process.ready(PATIENCE).await;
    let (open, door) = Door::closed();
    open.send_replace(Some((urls.api.clone(), urls.api)));
    (process, door)
}

async fn end(mut process: Process) {
    process.signal(Signal::INT);
    assert!(process.ended(PATIENCE).await.success());
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

fn open(data: &Path) -> EmbeddedStore {
    let settings = EmbeddedSettings {
        cache_size: ByteSize::mib(8),
        memtable_size: ByteSize::mib(4),
        queue_size: ByteSize::mib(4),
    };
    EmbeddedStore::open(&settings, &data.join("store")).unwrap()
}

/// Changes the head of a partition.
async fn forge_head<T: Table>(
    store: &EmbeddedStore,
    partition: T::Partition,
    change: impl FnOnce(&mut T::Head),
) {
    let table: Arc<dyn Rows<T>> = store.table(1).unwrap();
    let found = table.heads(std::slice::from_ref(&partition)).await.unwrap().remove(0).unwrap();
    let mut head = Stored { stamp: Stamp(found.stamp.0 + 1), record: found.record };
    change(&mut head.record);
    table.apply(vec![Change { partition, head: Some(head), rows: Vec::new() }]).await.unwrap();
}

/// Changes the first row of a partition.
async fn forge_row<T: Table>(
    store: &EmbeddedStore,
    partition: T::Partition,
    change: impl FnOnce(&mut T::Row),
) {
    let table: Arc<dyn Rows<T>> = store.table(1).unwrap();
    let (key, found) = table.scan(&partition, None, 1).await.unwrap().remove(0);
    let mut row = Stored { stamp: Stamp(found.stamp.0 + 1), record: found.record };
    change(&mut row.record);
    table.apply(vec![Change { partition, head: None, rows: vec![(key, row)] }]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_in_the_tables_is_seen() {
    let folder = TempDir::new().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let (process, mut door) = start(&data, &log).await;
    let writer = Writer::new(1, door.clone(), watch::Sender::new(0)).run(EVENTS).await;
    Reader::caught_up(door.client().await).await.check_writer(&writer).await;
    end(process).await;

    // One of its posts that is there, whatever else became of it.
    let store = open(&data);
    let posts = store.table::<Posts>(1).unwrap();
    let mut live = None;
    for history in &writer.histories {
        let head = posts.heads(&[(history.id.clone(),)]).await.unwrap().remove(0);
        if head.is_some_and(|head| head.record.life == Life::Live) {
            live = Some((history.id.clone(),));
        }
    }
    let live = live.expect("a post that is live");
    let author = (writer.author.clone(),);
    drop((posts, store));

    for wrong in [
        "a like that is counted twice",
        "a word that is counted twice",
        "a total that lacks a word",
        "a post that is lost",
        "a post that is back from the dead, or gone too early, in a list",
        "a text that an older one has replaced",
    ] {
        let copied = folder.path().join(wrong);
        copy(&data, &copied);
        let store = open(&copied);
        match wrong {
            "a like that is counted twice" => {
                forge_head::<PostLikes>(&store, live.clone(), |head| head.like_count += 1).await;
            }
            "a word that is counted twice" => {
                forge_head::<PostAnalysis>(&store, live.clone(), |head| head.word_count += 1).await;
            }
            "a total that lacks a word" => {
                forge_row::<AuthorAnalysis>(&store, author.clone(), |row| row.words -= 1).await;
            }
            "a post that is lost" => {
                forge_head::<Posts>(&store, live.clone(), |head| head.life = Life::Deleted).await;
            }
            "a text that an older one has replaced" => {
                forge_row::<Posts>(&store, live.clone(), |row| row.content.push('.')).await;
            }
            _ => {
                forge_row::<PostsByAuthor>(&store, author.clone(), |row| row.gone = !row.gone).await
            }
        }
        drop(store);
        let (process, mut door) = start(&copied, &log).await;
        let reader = Reader::caught_up(door.client().await).await;
        let checked = std::panic::AssertUnwindSafe(reader.check_writer(&writer));
        let checked = futures::FutureExt::catch_unwind(checked).await;
        assert!(checked.is_err(), "{wrong}, and nobody saw it");
        end(process).await;
    }
}
