//! The check that stands at the end of every scenario is no formality: it is given tables in which one thing is
//! wrong, and must see each, and tell what it is. So must the writers, behind a cache that answers what is old.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper fails its test by a panic")]

use std::{fs, path::Path, sync::Arc, time::Duration};

use bytesize::ByteSize;
use hubbub_events::{Offset, Stamp};
use hubbub_store::{EmbeddedSettings, EmbeddedStore, Rows, Store};
use hubbub_tables::{
    AuthorAnalysis, Change, Life, PostAnalysis, PostEvents, PostLikes, Posts, PostsByAuthor,
    Stored, Table,
    analysis::AuthorTotals,
    likes::Like,
    posts::{AuthoredPost, PostEventRow, PostVersion},
};
use hubbub_testkit::{
    client::Client,
    load::{Action, Door, History, Invariant, Reader, Subject, Writer},
    process::{Process, Signal, all_in_one},
    stale_cache::StaleCache,
};
use tempfile::TempDir;
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(60);
const EVENTS: usize = 400;

/// What is wrong, one at a time.
const WRONGS: [&str; 11] = [
    "a like that is counted twice",
    "a like that is lost or back",
    "a word that is counted twice",
    "an analysis that outlives its post",
    "a total that lacks a word",
    "a post that is lost",
    "a post that is back from the dead",
    "a post that its author's list lacks",
    "a text that is another",
    "an event that is another",
    "an event that is stored twice",
];

/// A process on a data folder, and its base URL.
async fn start(data: &Path, log: &Path) -> (Process, String) {
    let command = all_in_one(Path::new(env!("CARGO_BIN_EXE_hubbub")), data);
    let mut process = Process::start(command, log);
    let urls = process.ready(PATIENCE).await;
    (process, urls.api)
}

/// The way in, by a base URL.
fn door(url: String) -> Door {
    let (open, door) = Door::closed();
    open.send_replace(Some((url.clone(), url)));
    door
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

/// Changes the first row of a partition that has such a key; the key.
async fn forge_row<T: Table>(
    store: &EmbeddedStore,
    partition: T::Partition,
    is_it: impl Fn(&T::Clustering) -> bool,
    change: impl FnOnce(&mut T::Clustering, &mut T::Row),
) -> T::Clustering {
    let table: Arc<dyn Rows<T>> = store.table(1).unwrap();
    let rows = table.scan(&partition, None, EVENTS).await.unwrap();
    let (mut key, found) = rows.into_iter().find(|(key, _)| is_it(key)).unwrap();
    let mut row = Stored { stamp: Stamp(found.stamp.0 + 1), record: found.record };
    change(&mut key, &mut row.record);
    let rows = vec![(key.clone(), row)];
    table.apply(vec![Change { partition, head: None, rows }]).await.unwrap();
    key
}

/// A post of which something was said, and something else was not.
fn find(writer: &Writer, said: fn(&Action) -> bool, not: fn(&Action) -> bool) -> &History {
    let has = |history: &History, such: fn(&Action) -> bool| {
        history.said.iter().any(|said| such(&said.action))
    };
    writer.histories.iter().find(|history| has(history, said) && !has(history, not)).unwrap()
}

/// Where the last of such requests is in the log.
fn at(history: &History, such: impl Fn(&Action) -> bool) -> String {
    history.said.iter().rfind(|said| such(&said.action)).unwrap().at.unwrap().to_string()
}

fn creates(action: &Action) -> bool {
    matches!(action, Action::Create(_))
}

fn writes(action: &Action) -> bool {
    matches!(action, Action::Create(_) | Action::Edit { .. })
}

fn likes(action: &Action) -> bool {
    matches!(action, Action::Like(_) | Action::Unlike(_))
}

fn deletes(action: &Action) -> bool {
    matches!(action, Action::Delete)
}

/// Makes one thing wrong; what must be told of it: the invariant, whose, and the position of a request.
async fn forge(
    store: &EmbeddedStore,
    writer: &Writer,
    wrong: &str,
) -> (Invariant, Subject, Option<String>) {
    let (live, dead) = (find(writer, likes, deletes), find(writer, deletes, likes));
    let told = |invariant, of: &History, such: fn(&Action) -> bool| {
        (invariant, Subject::Post(of.id.clone()), Some(at(of, such)))
    };
    let (author, dead_key) = ((writer.author.clone(),), (dead.id.clone(),));
    let key = (live.id.clone(),);
    match wrong {
        "a like that is counted twice" => {
            forge_head::<PostLikes>(store, key, |head| head.like_count += 1).await;
            told(Invariant::Likes, live, likes)
        }
        "a like that is lost or back" => {
            let flip = |_: &mut _, row: &mut Like| row.liked = !row.liked;
            let (user,) = forge_row::<PostLikes>(store, key, |_| true, flip).await;
            let is_about = |action: &Action| matches!(action, Action::Like(by) | Action::Unlike(by) if *by == user);
            (Invariant::Likes, Subject::Post(live.id.clone()), Some(at(live, is_about)))
        }
        "a word that is counted twice" => {
            forge_head::<PostAnalysis>(store, key, |head| head.word_count += 1).await;
            told(Invariant::Analysis, live, writes)
        }
        "an analysis that outlives its post" => {
            forge_head::<PostAnalysis>(store, dead_key, |head| head.life = Life::Live).await;
            told(Invariant::Analysis, dead, deletes)
        }
        "a total that lacks a word" => {
            let lack = |_: &mut _, row: &mut AuthorTotals| row.words -= 1;
            let (name,) = author.clone();
            forge_row::<AuthorAnalysis>(store, author, |_| true, lack).await;
            (Invariant::Analysis, Subject::Author(name), None)
        }
        "a post that is lost" => {
            forge_head::<Posts>(store, key, |head| head.life = Life::Deleted).await;
            told(Invariant::Durability, live, creates)
        }
        "a post that is back from the dead" => {
            forge_head::<Posts>(store, dead_key, |head| head.life = Life::Live).await;
            told(Invariant::Analysis, dead, deletes)
        }
        "a post that its author's list lacks" => {
            let hide = |_: &mut _, row: &mut AuthoredPost| row.gone = true;
            forge_row::<PostsByAuthor>(store, author, |(_, id)| *id == live.id, hide).await;
            told(Invariant::Durability, live, creates)
        }
        "a text that is another" => {
            let change = |_: &mut _, row: &mut PostVersion| row.content.push('.');
            forge_row::<Posts>(store, key, |_| true, change).await;
            told(Invariant::Durability, live, writes)
        }
        "an event that is another" => {
            let change = |_: &mut _, row: &mut PostEventRow| row.event_type.push('!');
            forge_row::<PostEvents>(store, key, |_| true, change).await;
            told(Invariant::Durability, live, creates)
        }
        "an event that is stored twice" => {
            let copy = |key: &mut (Offset,), _: &mut _| key.0 = Offset::MAX;
            forge_row::<PostEvents>(store, key, |_| true, copy).await;
            told(Invariant::Uniqueness, live, creates)
        }
        _ => panic!("{wrong} is not forged"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_in_the_tables_is_seen_and_told() {
    let folder = TempDir::new().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let (process, url) = start(&data, &log).await;
    let mut door = door(url);
    let writer = Writer::new(1, door.clone(), watch::Sender::new(0)).run(EVENTS).await;
    Reader::caught_up(door.client().await).await.check_writer(&writer).await.unwrap();
    end(process).await;

    for wrong in WRONGS {
        let copied = folder.path().join(wrong);
        copy(&data, &copied);
        let store = open(&copied);
        let (invariant, subject, position) = forge(&store, &writer, wrong).await;
        drop(store);
        let (process, url) = start(&copied, &log).await;
        let reader = Reader::caught_up(Client::new(&url, &url)).await;
        let violation = reader.check_writer(&writer).await.expect_err(wrong);
        assert_eq!((violation.invariant, &violation.subject), (invariant, &subject), "{wrong}");
        let message = violation.to_string();
        for told in [Some(subject.to_string()), position].into_iter().flatten() {
            assert!(message.contains(&told), "{wrong}: no {told} in {message}");
        }
        end(process).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_answer_to_a_token_is_seen_and_told() {
    let folder = TempDir::new().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let (process, url) = start(&data, &log).await;
    let cache = StaleCache::start(&url).await;
    let mut door = door(cache.url());

    let writer = Writer::new(1, door.clone(), watch::Sender::new(0)).run(EVENTS / 2).await;
    let posts: Vec<_> = writer.histories.iter().map(|history| history.id.clone()).collect();
    // Once others have read what there is, the cache has an answer from before the edits to come.
    let client = door.client().await;
    for post in &posts {
        client.get(&format!("/posts/{post}")).wait(10).await;
    }
    let failed = tokio::spawn(writer.run(EVENTS)).await.err().expect("nothing was seen");
    let message = failed.into_panic().downcast::<String>().unwrap();

    assert!(message.starts_with(&format!("violated {}", Invariant::Consistency)), "{message}");
    let is_named = |post: &String| message.contains(&format!("\n  post {post}\n"));
    assert!(posts.iter().any(is_named), "{message}");
    end(process).await;
}
