//! Whatever is done to the files of a log, it never gives wrong data and never panics.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod support;

use hubbub_stream::{AppendError, Error, Log, NewRecord};
use hubbub_testkit::log_conformance::{append, posts, record};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;
use support::{LogFolder, no_floors, unreadable};

#[derive(Debug, Clone)]
enum Mutation {
    /// These bytes instead of those at a place.
    Overwrite(Index, Vec<u8>),
    /// A stretch written over another place, which may be the end.
    Copy { from: Index, to: Index, length: usize },
    /// A stretch left out.
    Remove(Index, usize),
    /// Nothing from here on.
    Cut(Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..64),
        (1..5000_usize).prop_map(|length| vec![0; length]),
    ];
    prop_oneof![
        (any::<Index>(), bytes).prop_map(|(at, bytes)| Mutation::Overwrite(at, bytes)),
        (any::<Index>(), any::<Index>(), 1..30_000_usize)
            .prop_map(|(from, to, length)| Mutation::Copy { from, to, length }),
        (any::<Index>(), 1..10_000_usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        any::<Index>().prop_map(Mutation::Cut),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let size = bytes.len() + 1;
    match mutation {
        Mutation::Overwrite(at, new) => write(bytes, at.index(size), new),
        Mutation::Copy { from, to, length } => {
            let from = from.index(size);
            let copied = bytes[from..bytes.len().min(from + length)].to_vec();
            write(bytes, to.index(size), &copied);
        }
        Mutation::Remove(at, length) => {
            let at = at.index(size);
            bytes.drain(at..bytes.len().min(at + length));
        }
        Mutation::Cut(at) => bytes.truncate(at.index(size)),
    }
}

fn write(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    let end = at + new.len();
    bytes.resize(bytes.len().max(end), 0);
    bytes[at..end].copy_from_slice(new);
}

/// Forty records in four segments and their indexes.
async fn fill(folder: &LogFolder) -> Vec<NewRecord> {
    let log = folder.open();
    let mut appended = Vec::new();
    for number in 0..40 {
        let new = NewRecord { value: vec![number as u8; 5000].into(), ..record(posts(0), number) };
        append(&log, std::slice::from_ref(&new)).await;
        appended.push(new);
    }
    appended
}

async fn check(folder: &LogFolder, appended: &[NewRecord]) {
    let log = match folder.open_with(&no_floors()) {
        Ok(log) => log,
        Err(Error::Permanent(_) | Error::Recreated(_)) => return,
        Err(other) => panic!("{other}"),
    };
    unreadable(&log, posts(0), appended).await;
    let end = log.bounds(posts(0)).await.unwrap().end;
    match log.append(vec![record(posts(1), 0)]).await.as_slice() {
        [Ok(offset)] => assert_eq!(log.read(posts(1), *offset, 1).await.unwrap().len(), 1),
        [Err(AppendError::Storage(_))] => {}
        other => panic!("{other:?}"),
    }
    drop(log);
    let again = folder.open();
    let found = again.bounds(posts(0)).await.unwrap().end;
    assert_eq!(found, end, "it stays as it was found");
}

#[test]
fn mutated_files_never_give_wrong_data() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = LogFolder::new();
    let appended = runtime.block_on(fill(&folder));
    let mut saved = folder.save();
    saved.sort();
    let mutations = prop::collection::vec((any::<Index>(), mutation()), 1..4);
    let mut runner = TestRunner::new(ProptestConfig::with_cases(512));
    let ran = runner.run(&mutations, |mutations| {
        let mut files = saved.clone();
        for (file, mutation) in &mutations {
            mutate(&mut file.get_mut(&mut files).1, mutation);
        }
        folder.restore(&files);
        runtime.block_on(check(&folder, &appended));
        Ok(())
    });
    ran.unwrap();
}
