//! What is read is held against what the log says.

use std::sync::Arc;

use hubbub_events::Topic;
use hubbub_projections::{Analysis, Likes, Posts, Projection};
use hubbub_testkit::{memory_log::MemoryLog, memory_store::MemoryStore, model::Model, story};
use hubbub_worker::{Compared, Side, Verification, Verified};
use tokio::sync::mpsc;

use crate::{
    builds::{Process, fill, forge, until_done, whole},
    support::{create, id_in, posts, put, settings},
};

/// What is told of each table in the end, once these partitions of the log are folded anew.
async fn verified<P: Projection>(
    log: &MemoryLog,
    store: &MemoryStore,
    partitions: Option<&[i32]>,
) -> Vec<Compared> {
    let verification = Verification {
        log: Arc::new(log.reopen()),
        scratch: MemoryStore::new(),
        read: Side { store: store.clone(), build: 1 },
        partitions: partitions.map(|partitions| partitions.iter().copied().collect()),
        settings: settings(),
    };
    let (tell, mut told) = mpsc::channel(1000);
    verification.run::<P>(&tell).await.unwrap();
    drop(tell);
    let mut steps = Vec::new();
    while let Some(step) = told.recv().await {
        steps.push(step);
    }
    let folded = steps.iter().rev().find_map(|step| match step {
        Verified::Folded(folded, of) => Some((*folded, *of)),
        Verified::Compared(_) => None,
    });
    assert!(folded.is_some_and(|(folded, of)| folded == of), "{steps:?}");
    let compared = steps.into_iter().filter_map(|step| match step {
        Verified::Compared(compared) => Some(compared),
        Verified::Folded(..) => None,
    });
    whole(compared.collect())
}

#[tokio::test(start_paused = true)]
async fn what_is_read_is_verified_against_the_log_and_nothing_is_left_behind() {
    let (log, store, mut model) =
        (MemoryLog::new("memory", 2), MemoryStore::new(), Model::default());
    fill(&log, &mut model, 0..40);
    // One in the log that leaves a dead letter.
    log.put(story::raw(b"junk", b"garbage", 2));
    let _worker = Process::start::<Likes>(&log, &store);
    until_done::<Likes>(&log, &store, 1).await;
    let letters = || -> usize {
        log.all(Topic::DeadLetters).into_iter().map(|of| log.acknowledged(of).len()).sum()
    };
    let before = (store.export(), letters());
    let tables = verified::<Likes>(&log, &store, None).await;
    assert_eq!((tables[0].differing, tables[0].partitions), (0, 2), "{tables:?}");
    assert_eq!((store.export(), letters()), before);

    let [a, b] = [id_in(posts(0), 2, "a"), id_in(posts(1), 2, "b")];
    forge(&store, 1, &a, 30);
    forge(&store, 1, "nobody-wrote-this", 3);
    assert_eq!(verified::<Likes>(&log, &store, None).await[0].differing, 2);
    let of_a = verified::<Likes>(&log, &store, Some(&[0])).await;
    assert!(of_a[0].differences[0].key.contains(&a), "{of_a:?}");
    assert_eq!((of_a[0].differing, of_a[0].partitions), (1, 1));
    let of_b = verified::<Likes>(&log, &store, Some(&[1])).await;
    assert_eq!((of_b[0].differing, of_b[0].partitions), (0, 1), "{b}: {of_b:?}");
}

/// Some tables have rows from all partitions of the log in one of their own.
#[tokio::test(start_paused = true)]
async fn a_part_of_the_log_is_verified_where_authors_are_spread() {
    let (log, store) = (MemoryLog::new("memory", 2), MemoryStore::new());
    let ids = [id_in(posts(0), 2, "a"), id_in(posts(1), 2, "b")];
    put(&log, 2, (0..2).map(|number| create(number, &ids[number], "all of ann's")));
    let _workers =
        (Process::start::<Posts>(&log, &store), Process::start::<Analysis>(&log, &store));
    until_done::<Posts>(&log, &store, 1).await;
    until_done::<Analysis>(&log, &store, 1).await;
    for partition in [0, 1] {
        for tables in [
            verified::<Posts>(&log, &store, Some(&[partition])).await,
            verified::<Analysis>(&log, &store, Some(&[partition])).await,
        ] {
            assert!(tables.iter().all(|table| table.differing == 0), "{tables:?}");
        }
    }
}
