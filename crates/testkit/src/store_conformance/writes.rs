//! What is written is read back, and what must not be is not.

use hubbub_events::Timestamp;
use hubbub_store::Store;
use hubbub_tables::{
    Attempts, Change, Frontiers, Life, PostAnalysis, PostLikes, Posts, Reason, Receipts, Table,
    analysis::AnalysisHead,
    bookkeeping::{Attempt, Frontier},
    likes::{Like, LikesHead},
    posts::{Receipt, ReceiptOutcome},
};

use super::{head_change, head_of, open, post, row_change, row_of, stored, unique, version};

fn likes_head(count: i64) -> LikesHead {
    LikesHead { life: Life::Live, user_id: "ann".to_owned(), version: 1, like_count: count }
}

/// Nothing is found where nothing was written.
pub async fn absent_is_absent(store: &impl Store) {
    let posts = open::<Posts>(store);
    let id = (unique("absent"),);
    assert_eq!(posts.heads(&[id.clone(), id.clone()]).await.unwrap(), [None, None]);
    assert_eq!(row_of(&*posts, &id, &(1,)).await, None);
    assert_eq!(posts.scan(&id, None, 10).await.unwrap(), []);
    assert_eq!(posts.heads(&[]).await.unwrap(), []);
    assert_eq!(posts.rows(&[]).await.unwrap(), []);
    posts.apply(Vec::new()).await.unwrap();
    posts
        .apply(vec![Change { partition: id.clone(), head: None, rows: Vec::new() }])
        .await
        .unwrap();
    assert_eq!(head_of(&*posts, &id).await, None);
}

/// Every type of column holds its smallest, largest and emptiest values.
pub async fn every_column_comes_back(store: &impl Store) {
    let posts = open::<Posts>(store);
    let tags = vec![String::new(), "rust".to_owned(), "größe😀".to_owned(), "rust".to_owned()];
    for (life, number, time, hashtags) in [
        (Life::Live, i64::MAX, Timestamp::MAX, tags),
        (Life::Deleted, i64::MIN, Timestamp::NEVER, Vec::new()),
        (Life::Live, 0, Timestamp(-1), vec![String::new()]),
    ] {
        let mut head = post("", number);
        (head.life, head.created_at, head.edited_at) = (life, time, time);
        let mut row = version("it's \"quoted\"\n\u{0}\u{7f}\u{1f600}");
        (row.at, row.hashtags) = (time, hashtags);
        let id = (unique("columns"),);
        let change = Change {
            partition: id.clone(),
            head: Some(stored(1 << 49, head.clone())),
            rows: vec![((number,), stored(17, row.clone()))],
        };
        posts.apply(vec![change]).await.unwrap();
        assert_eq!(head_of(&*posts, &id).await, Some(stored(1 << 49, head)));
        assert_eq!(row_of(&*posts, &id, &(number,)).await, Some(stored(17, row)));
    }

    let receipts = open::<Receipts>(store);
    let at = (unique("topic"), -1, i32::MAX, i64::MIN);
    let receipt = Receipt {
        event_id: "e".to_owned(),
        outcome: ReceiptOutcome::Rejected,
        reason: Reason::VersionMoved,
    };
    receipts.apply(vec![head_change(at.clone(), 4, receipt.clone())]).await.unwrap();
    assert_eq!(head_of(&*receipts, &at).await, Some(stored(4, receipt)));

    let analyses = open::<PostAnalysis>(store);
    for failed in [true, false] {
        let head = AnalysisHead {
            life: Life::Live,
            user_id: "ann".to_owned(),
            version: 3,
            word_count: 12,
            char_sum: 60,
            analyzer: "uax29-nfc/1".to_owned(),
            failed,
        };
        let id = (unique("analysis"),);
        analyses.apply(vec![head_change(id.clone(), 4, head.clone())]).await.unwrap();
        assert_eq!(head_of(&*analyses, &id).await, Some(stored(4, head)));
    }

    let frontiers = open::<Frontiers>(store);
    let of = (unique("projection"), 2);
    let key = ("hubbub.posts".to_owned(), 1, 11);
    let frontier = Frontier { log_offset: 41, log_identity: "log".to_owned() };
    let change = row_change(of.clone(), key.clone(), 42, frontier.clone());
    frontiers.apply(vec![change]).await.unwrap();
    assert_eq!(row_of(&*frontiers, &of, &key).await, Some(stored(42, frontier)));
}

/// A partition may have a head without rows, rows without a head, or both.
pub async fn heads_and_rows_are_apart(store: &impl Store) {
    let posts = open::<Posts>(store);
    let [head_only, rows_only] = ["head", "rows"].map(|name| (unique(name),));
    let head = post("ann", 1);
    posts
        .apply(vec![
            head_change(head_only.clone(), 8, head.clone()),
            row_change(rows_only.clone(), (1,), 9, version("text")),
        ])
        .await
        .unwrap();
    let heads = posts.heads(&[head_only.clone(), rows_only.clone()]).await.unwrap();
    assert_eq!(heads, [Some(stored(8, head.clone())), None]);
    assert_eq!(posts.scan(&head_only, None, 10).await.unwrap(), []);
    let rows = [((1,), stored(9, version("text")))];
    assert_eq!(posts.scan(&rows_only, None, 10).await.unwrap(), rows);

    posts.apply(vec![head_change(rows_only.clone(), 20, head.clone())]).await.unwrap();
    assert_eq!(head_of(&*posts, &rows_only).await, Some(stored(20, head)));
    assert_eq!(posts.scan(&rows_only, None, 10).await.unwrap(), rows);
}

/// Plural reads answer in the order asked for, repeats and absences included.
pub async fn results_stand_in_the_order_asked_for(store: &impl Store) {
    let likes = open::<PostLikes>(store);
    let base = unique("order");
    let id = |i: i64| (format!("{base}-{i}"),);
    let changes = (0..50).map(|i| Change {
        partition: id(i),
        head: Some(stored(i, likes_head(i))),
        rows: vec![(("bob".to_owned(),), stored(i, Like { liked: i % 2 == 0 }))],
    });
    likes.apply(changes.collect()).await.unwrap();
    for asked in [vec![7, 99, 3], vec![3, 3, 77, 3], (0..60).rev().chain(5..9).collect()] {
        let ids: Vec<_> = asked.iter().map(|i| id(*i)).collect();
        let expected: Vec<_> =
            asked.iter().map(|i| (*i < 50).then(|| stored(*i, likes_head(*i)))).collect();
        assert_eq!(likes.heads(&ids).await.unwrap(), expected, "{asked:?}");
        let keys: Vec<_> = ids.into_iter().map(|id| (id, ("bob".to_owned(),))).collect();
        let expected: Vec<_> = asked
            .iter()
            .map(|i| (*i < 50).then(|| stored(*i, Like { liked: i % 2 == 0 })))
            .collect();
        assert_eq!(likes.rows(&keys).await.unwrap(), expected, "{asked:?}");
    }
}

/// A write at an older stamp changes nothing, and one at the same stamp, which by rule
/// has the same bytes, changes nothing either. Each head and row stands by itself.
pub async fn older_writes_lose(store: &impl Store) {
    let likes = open::<PostLikes>(store);
    let id = (unique("older"),);
    let bob = ("bob".to_owned(),);
    let change = |head: i64, row: i64| Change {
        partition: id.clone(),
        head: Some(stored(head, likes_head(head))),
        rows: vec![(bob.clone(), stored(row, Like { liked: row % 2 == 0 }))],
    };
    for (write, newest) in [
        ((10, 20), (10, 20)),
        ((9, 19), (10, 20)),
        ((10, 20), (10, 20)),
        ((11, 19), (11, 20)),
        ((1, 21), (11, 21)),
        ((12, 22), (12, 22)),
    ] {
        likes.apply(vec![change(write.0, write.1)]).await.unwrap();
        let expected = stored(newest.0, likes_head(newest.0));
        assert_eq!(head_of(&*likes, &id).await, Some(expected), "after {write:?}");
        let expected = stored(newest.1, Like { liked: newest.1 % 2 == 0 });
        assert_eq!(row_of(&*likes, &id, &bob).await, Some(expected), "after {write:?}");
    }
    // Also within one call, whichever stands first.
    likes.apply(vec![change(40, 30), change(35, 50), change(39, 49)]).await.unwrap();
    assert_eq!(head_of(&*likes, &id).await, Some(stored(40, likes_head(40))));
    assert_eq!(row_of(&*likes, &id, &bob).await, Some(stored(50, Like { liked: true })));
}

/// Whoever reads a partition while changes to it are written sees each whole or not
/// at all: all rows of one scan carry the same stamp.
pub async fn a_change_is_seen_whole(store: &impl Store) {
    let likes = open::<PostLikes>(store);
    let id = (unique("whole"),);
    let writer = {
        let (likes, id) = (likes.clone(), id.clone());
        tokio::spawn(async move {
            for stamp in 1..=200 {
                let row = |i: i32| ((format!("user {i}"),), stored(stamp, Like { liked: true }));
                let change = Change {
                    partition: id.clone(),
                    head: Some(stored(stamp, likes_head(stamp))),
                    rows: (0..20).map(row).collect(),
                };
                likes.apply(vec![change]).await.unwrap();
            }
        })
    };
    let mut scans = 0;
    while !writer.is_finished() || scans == 0 {
        let rows = likes.scan(&id, None, 100).await.unwrap();
        let stamps: Vec<_> = rows.iter().map(|(_, row)| row.stamp.0).collect();
        assert!(stamps.is_empty() || stamps == vec![stamps[0]; 20], "half a change: {stamps:?}");
        scans += 1;
    }
    writer.await.unwrap();
}

/// A post of the largest size, and a change of a mebibyte.
pub async fn a_megabyte_is_one_change(store: &impl Store) {
    let posts = open::<Posts>(store);
    let id = (unique("megabyte"),);
    let content = "äb😀c".repeat(65_536 / 8);
    assert_eq!(content.len(), 65_536);
    let rows = (0..16).map(|i| ((i,), stored(6, version(content.clone()))));
    let change = Change {
        partition: id.clone(),
        head: Some(stored(6, post("ann", 16))),
        rows: rows.collect(),
    };
    posts.apply(vec![change]).await.unwrap();
    let rows = posts.scan(&id, None, 100).await.unwrap();
    assert_eq!(rows.len(), 16);
    assert!(rows.iter().all(|(_, row)| *row == stored(6, version(content.clone()))));
}

/// Keys hold any text, and keys of the same letters are told apart.
pub async fn keys_may_be_any_text(store: &impl Store) {
    let likes = open::<PostLikes>(store);
    let base = unique("any");
    let id = |text: &str| (format!("{base}{text}"),);
    let texts = [
        "",
        " ",
        "ü",
        "u\u{308}",
        "日本語",
        "😀",
        "'",
        "\"",
        "\u{0}",
        "\u{0}\u{0}",
        "\u{ff}",
        "%2F/",
    ];
    for (i, text) in (1..).zip(texts) {
        let change = Change {
            partition: id(text),
            head: Some(stored(i, likes_head(i))),
            rows: vec![((format!("user {text}"),), stored(i, Like { liked: true }))],
        };
        likes.apply(vec![change]).await.unwrap();
    }
    for (i, text) in (1..).zip(texts) {
        assert_eq!(head_of(&*likes, &id(text)).await, Some(stored(i, likes_head(i))));
        let row = ((format!("user {text}"),), stored(i, Like { liked: true }));
        assert_eq!(likes.scan(&id(text), None, 9).await.unwrap(), [row], "{text:?}");
    }

    let receipts = open::<Receipts>(store);
    let outcome = |event_id: &str| Receipt {
        event_id: event_id.to_owned(),
        outcome: ReceiptOutcome::Applied,
        reason: Reason::None,
    };
    let at = |partition, offset| (base.clone(), 1, partition, offset);
    receipts
        .apply(vec![
            head_change(at(1, 256), 5, outcome("a")),
            head_change(at(256, 1), 5, outcome("b")),
        ])
        .await
        .unwrap();
    let found = receipts.heads(&[at(1, 256), at(256, 1), at(1, 1)]).await.unwrap();
    assert_eq!(found, [Some(stored(5, outcome("a"))), Some(stored(5, outcome("b"))), None]);
}

/// One call may write thousands of partitions.
pub async fn thousands_of_changes_at_once(store: &impl Store) {
    let likes = open::<PostLikes>(store);
    let base = unique("many");
    let id = |i: i64| (format!("{base}-{i}"),);
    let changes = (0..3000).map(|i| head_change(id(i), i + 1, likes_head(i)));
    likes.apply(changes.collect()).await.unwrap();
    let ids: Vec<_> = (0..3000).map(id).collect();
    let expected: Vec<_> = (0..3000).map(|i| Some(stored(i + 1, likes_head(i)))).collect();
    assert_eq!(likes.heads(&ids).await.unwrap(), expected);
}

/// The same key in two builds of a table is two records.
pub async fn builds_are_apart(store: &impl Store) {
    let [first, second] = [1, 2].map(|build| store.table::<PostLikes>(build).unwrap());
    let id = (unique("builds"),);
    first.apply(vec![head_change(id.clone(), 9, likes_head(1))]).await.unwrap();
    assert_eq!(head_of(&*second, &id).await, None);
    second.apply(vec![head_change(id.clone(), 5, likes_head(2))]).await.unwrap();
    assert_eq!(head_of(&*first, &id).await, Some(stored(9, likes_head(1))));
    assert_eq!(head_of(&*second, &id).await, Some(stored(5, likes_head(2))));
}

/// A build is made, used, dropped with all that is known of it, and the others stay.
pub async fn a_build_that_is_dropped_is_gone(store: &impl Store) {
    let tables = [Receipts::NAME, PostLikes::NAME];
    store.make_build(&tables, 7).await.unwrap();
    store.make_build(&tables, 7).await.unwrap();
    store.open_build(&tables, 7).await.unwrap();
    let [first, seventh] = [1, 7].map(|build| store.table::<PostLikes>(build).unwrap());
    let id = (unique("dropped"),);
    for likes in [&first, &seventh] {
        likes.apply(vec![head_change(id.clone(), 9, likes_head(1))]).await.unwrap();
    }
    let receipt = (unique("topic"), 1, 0, 5);
    let record = Receipt {
        event_id: "event".to_owned(),
        outcome: ReceiptOutcome::Applied,
        reason: Reason::None,
    };
    let receipts = store.table::<Receipts>(7).unwrap();
    receipts.apply(vec![head_change(receipt, 9, record)]).await.unwrap();
    let (frontiers, attempts) = (open::<Frontiers>(store), open::<Attempts>(store));
    // The name of a projection is part of the program.
    let projection: &'static str = unique("projection").leak();
    let of = |build| (projection.to_owned(), build);
    let key = ("hubbub.posts".to_owned(), 1, 0);
    for build in [1, 7] {
        let frontier = Frontier { log_offset: 41, log_identity: "log".to_owned() };
        let change = row_change(of(build), key.clone(), 42, frontier);
        frontiers.apply(vec![change]).await.unwrap();
        let attempt = Attempt {
            log_offset: 41,
            log_identity: "log".to_owned(),
            last_offset: 50,
            tries: 1,
            program: "0.1.0".to_owned(),
        };
        let change = row_change(of(build), key.clone(), 2, attempt);
        attempts.apply(vec![change]).await.unwrap();
    }
    store.drop_build(projection, &tables, 7).await.unwrap();
    assert_eq!(head_of(&*first, &id).await, Some(stored(9, likes_head(1))));
    assert!(row_of(&*frontiers, &of(1), &key).await.is_some());
    assert_eq!(row_of(&*frontiers, &of(7), &key).await, None);
    assert!(row_of(&*attempts, &of(1), &key).await.is_some());
    assert_eq!(row_of(&*attempts, &of(7), &key).await, None);
    // Whoever was late writes nothing any more, and does nobody harm.
    let _ = seventh.apply(vec![head_change(id.clone(), 10, likes_head(2))]).await;
    first.apply(vec![head_change(id.clone(), 10, likes_head(2))]).await.unwrap();
    assert_eq!(head_of(&*first, &id).await, Some(stored(10, likes_head(2))));
}

/// The same key in two tables is two records.
pub async fn tables_are_apart(store: &impl Store) {
    let id = (unique("tables"),);
    open::<PostLikes>(store).apply(vec![head_change(id.clone(), 9, likes_head(1))]).await.unwrap();
    assert_eq!(head_of(&*open::<Posts>(store), &id).await, None);
    assert_eq!(head_of(&*open::<PostAnalysis>(store), &id).await, None);
}

/// What was acknowledged is there when the store is opened again, and still wins over
/// what is older.
pub async fn reopening_keeps_everything<S, F>(store: S, reopen: impl FnOnce(S) -> F)
where
    S: Store,
    F: Future<Output = S>,
{
    let id = (unique("reopened"),);
    let bob = ("bob".to_owned(),);
    let change = Change {
        partition: id.clone(),
        head: Some(stored(10, likes_head(1))),
        rows: vec![(bob.clone(), stored(10, Like { liked: true }))],
    };
    open::<PostLikes>(&store).apply(vec![change]).await.unwrap();
    let store = reopen(store).await;
    let likes = open::<PostLikes>(&store);
    likes.apply(vec![head_change(id.clone(), 9, likes_head(0))]).await.unwrap();
    assert_eq!(head_of(&*likes, &id).await, Some(stored(10, likes_head(1))));
    let rows = likes.scan(&id, None, 10).await.unwrap();
    assert_eq!(rows, [(bob, stored(10, Like { liked: true }))]);
}
