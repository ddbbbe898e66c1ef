//! What is the embedded store's own: its folder, its fingerprints, its queue.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod folder;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use bytesize::ByteSize;
use hubbub_events::{Stamp, Timestamp};
use hubbub_store::{EmbeddedStore, Engine, Error, Rows, Store, StoreSettings};
use hubbub_tables::{
    Change, PostLikes, Reason, Receipts, Stored, Table,
    likes::Like,
    posts::{Receipt, ReceiptOutcome},
};
use serde::{Deserialize, Serialize};

use crate::folder::{Folder, settings};

fn receipt_at(offset: i64) -> Change<Receipts> {
    let record = Receipt {
        event_id: format!("event {offset}"),
        outcome: ReceiptOutcome::Applied,
        reason: Reason::None,
    };
    Change {
        partition: ("hubbub.posts".to_owned(), 1, 0, offset),
        head: Some(Stored { stamp: Stamp(offset + 1), record }),
        rows: Vec::new(),
    }
}

async fn is_there(receipts: &dyn Rows<Receipts>, offset: i64) -> bool {
    let key = receipt_at(offset).partition;
    receipts.heads(&[key]).await.unwrap()[0].is_some()
}

/// A clock that the test sets, in seconds.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicI64>);

impl Hand {
    fn set(&self, seconds: u64) {
        self.0.store(i64::try_from(seconds).unwrap() * 1000, Ordering::SeqCst);
    }

    fn open(&self, folder: &Folder) -> EmbeddedStore {
        let hand = self.clone();
        let clock = Arc::new(move || Timestamp(hand.0.load(Ordering::SeqCst)));
        EmbeddedStore::open_with_clock(&settings(), folder.path(), clock).unwrap()
    }
}

const WEEK: u64 = Receipts::KEPT.as_secs();

#[tokio::test]
async fn records_are_absent_from_the_end_of_their_time_on() {
    let (folder, hand) = (Folder::new(), Hand::default());
    hand.set(100);
    let receipts = hand.open(&folder).table::<Receipts>(1).unwrap();
    receipts.apply(vec![receipt_at(1)]).await.unwrap();
    hand.set(100 + WEEK - 1);
    receipts.apply(vec![receipt_at(2)]).await.unwrap();
    assert!(is_there(&*receipts, 1).await);
    hand.set(100 + WEEK);
    assert!(!is_there(&*receipts, 1).await);
    assert!(is_there(&*receipts, 2).await);
}

#[tokio::test]
async fn expired_records_are_swept_away_and_live_ones_are_not() {
    let (folder, hand) = (Folder::new(), Hand::default());
    hand.set(100);
    let receipts = hand.open(&folder).table::<Receipts>(1).unwrap();
    receipts.apply((0..1500).map(receipt_at).collect()).await.unwrap();
    hand.set(200);
    // Written again, so that its time begins anew.
    let mut again = receipt_at(7);
    again.head.as_mut().unwrap().stamp = Stamp(5000);
    receipts.apply(vec![again, receipt_at(3000)]).await.unwrap();

    hand.set(150 + WEEK);
    // Each apply lets at least one step go before the next.
    for offset in 4000..4010 {
        receipts.apply(vec![receipt_at(offset)]).await.unwrap();
    }
    // Back in time nothing is hidden any more: what is absent now is gone.
    hand.set(200);
    for offset in (0..1500).filter(|offset| *offset != 7) {
        assert!(!is_there(&*receipts, offset).await, "receipt {offset} was not swept away");
    }
    assert!(is_there(&*receipts, 7).await);
    assert!(is_there(&*receipts, 3000).await);
    assert!(is_there(&*receipts, 4000).await);
}

#[tokio::test]
async fn a_sweep_goes_on_after_a_restart() {
    let (folder, hand) = (Folder::new(), Hand::default());
    hand.set(100);
    let store = hand.open(&folder);
    let receipts = store.table::<Receipts>(1).unwrap();
    receipts.apply(vec![receipt_at(1)]).await.unwrap();
    drop((receipts, store));

    hand.set(100 + WEEK);
    let receipts = hand.open(&folder).table::<Receipts>(1).unwrap();
    for offset in 10..13 {
        receipts.apply(vec![receipt_at(offset)]).await.unwrap();
    }
    hand.set(100);
    assert!(!is_there(&*receipts, 1).await);
    assert!(is_there(&*receipts, 10).await);
}

#[tokio::test]
async fn a_handle_is_made_once() {
    let folder = Folder::new();
    let store = folder.open();
    let first = store.table::<PostLikes>(1).unwrap();
    assert!(Arc::ptr_eq(&first, &store.clone().table::<PostLikes>(1).unwrap()));
    assert!(!Arc::ptr_eq(&first, &store.table::<PostLikes>(2).unwrap()));
}

#[tokio::test]
async fn a_folder_in_use_is_refused() {
    let folder = Folder::new();
    let _store = folder.open();
    let error = EmbeddedStore::open(&settings(), folder.path()).err().unwrap().to_string();
    assert!(error.contains("in use by another process"), "{error}");
    assert!(error.contains(&folder.path().display().to_string()), "{error}");
}

#[tokio::test]
async fn a_table_with_other_columns_is_refused() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct OtherLike {
        liked: bool,
        since: Timestamp,
    }
    struct OtherLikes;
    impl Table for OtherLikes {
        const NAME: &'static str = PostLikes::NAME;
        const PARTITION: &'static [&'static str] = PostLikes::PARTITION;
        const CLUSTERING: &'static [&'static str] = PostLikes::CLUSTERING;
        type Partition = (String,);
        type Clustering = (String,);
        type Head = <PostLikes as Table>::Head;
        type Row = OtherLike;
    }

    let folder = Folder::new();
    folder.open().table::<PostLikes>(1).unwrap();
    let store = folder.open();
    let Some(Error::Permanent(error)) = store.table::<OtherLikes>(1).err() else {
        panic!("the table was opened, or the error is another");
    };
    let folder = folder.path().display().to_string();
    for part in
        ["post_likes", "row (liked boolean)]", "row (liked boolean, since timestamp)", &folder]
    {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
    store.table::<OtherLikes>(2).unwrap();
    store.table::<PostLikes>(1).unwrap();
}

#[tokio::test]
async fn a_full_queue_makes_applies_wait() {
    let folder = Folder::new();
    let mut settings = settings();
    settings.queue_size = ByteSize::b(1);
    let store = EmbeddedStore::open(&settings, folder.path()).unwrap();
    let receipts = store.table::<Receipts>(1).unwrap();
    let applies = (0..100).map(|offset| receipts.apply(vec![receipt_at(offset)]));
    for applied in futures::future::join_all(applies).await {
        applied.unwrap();
    }
    for offset in 0..100 {
        assert!(is_there(&*receipts, offset).await);
    }
}

#[tokio::test]
async fn a_key_that_is_too_long_is_refused_and_nothing_breaks() {
    let folder = Folder::new();
    let store = folder.open();
    let receipts = store.table::<Receipts>(1).unwrap();
    let mut change = receipt_at(1);
    change.partition.0 = "x".repeat(70_000);
    let long = change.partition.clone();
    let error = receipts.apply(vec![receipt_at(2), change]).await.unwrap_err();
    assert!(error.to_string().contains("receipts is too long"), "{error}");
    assert_eq!(receipts.heads(&[long]).await.unwrap(), [None]);
    receipts.apply(vec![receipt_at(3)]).await.unwrap();
    assert!(is_there(&*receipts, 3).await);

    let likes = store.table::<PostLikes>(1).unwrap();
    let long = ("x".repeat(70_000),);
    let row = Stored { stamp: Stamp(1), record: Like { liked: true } };
    let rows = ["a", "y"].map(|user| ((user.to_owned(),), row.clone())).into();
    let post = ("post".to_owned(),);
    likes.apply(vec![Change { partition: post.clone(), head: None, rows }]).await.unwrap();
    assert_eq!(likes.scan(&long, None, 9).await.unwrap(), []);
    let behind = likes.scan(&post, Some(&long), 9).await.unwrap();
    assert_eq!(behind, [(("y".to_owned(),), row)]);
}

#[tokio::test]
async fn a_writer_that_panics_leaves_nobody_waiting() {
    let folder = Folder::new();
    let clock = Arc::new(|| {
        assert_ne!(std::thread::current().name(), Some("store-writer"), "on purpose");
        Timestamp(0)
    });
    let store = EmbeddedStore::open_with_clock(&settings(), folder.path(), clock).unwrap();
    let receipts = store.table::<Receipts>(1).unwrap();
    let applies = (0..50).map(|offset| receipts.apply(vec![receipt_at(offset)]));
    let applied = futures::future::join_all(applies);
    let applied = tokio::time::timeout(Duration::from_secs(30), applied).await.unwrap();
    let failed = applied.into_iter().find_map(Result::err);
    // The first group may have got through before the first sweep.
    let failed = match failed {
        Some(error) => error,
        None => receipts.apply(vec![receipt_at(99)]).await.unwrap_err(),
    };
    assert!(matches!(&failed, Error::Permanent(why) if why.contains("stopped")), "{failed}");
    assert!(!is_there(&*receipts, 99).await, "reads go on");
}

#[tokio::test]
async fn the_settings_name_the_engine() {
    let folder = Folder::new();
    let settings =
        StoreSettings::Embedded { settings: settings(), folder: folder.path().to_owned() };
    let store = Engine::from_config(settings).await.unwrap();
    let receipts = store.table::<Receipts>(1).unwrap();
    receipts.apply(vec![receipt_at(1)]).await.unwrap();
    assert!(is_there(&*receipts, 1).await);
}
