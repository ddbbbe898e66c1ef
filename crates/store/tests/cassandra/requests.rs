//! What reaches Cassandra, and what comes of it when it does not answer.

use std::{sync::Arc, time::Duration};

use hubbub_events::{Stamp, Timestamp};
use hubbub_store::{CassandraStore, Error, Rows, Store};
use hubbub_tables::{
    Attempts, AuthorAnalysis, Change, Frontiers, Life, PostAnalysis, PostEvents, PostLikes, Posts,
    PostsByAuthor, Reason, Receipts, Stored, Table,
    analysis::{AnalysisHead, AuthorTotals},
    bookkeeping::{Attempt, Frontier},
    every_table,
    likes::{Like, LikesHead},
    posts::{AuthoredPost, PostEventRow, PostHead, PostVersion, Receipt, ReceiptOutcome},
};
use tokio::time::timeout;

use crate::{
    keyspace::Keyspace,
    proxy::{Proxy, Way},
};

/// What a request may take, where it is to time out and where it is not.
const SHORT: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(60);

fn likes_change(id: &str, stamp: i64) -> Change<PostLikes> {
    let stamp = Stamp::new(1, stamp);
    let head = LikesHead { like_count: stamp.0, ..LikesHead::created_by("ann") };
    Change {
        partition: (id.to_owned(),),
        head: Some(Stored { stamp, record: head }),
        rows: vec![(("bob".to_owned(),), Stored { stamp, record: Like { liked: true } })],
    }
}

fn analysis_change(id: &str) -> Change<PostAnalysis> {
    let head = Stored { stamp: Stamp::new(1, 1), record: AnalysisHead::created_by("ann") };
    Change { partition: (id.to_owned(),), head: Some(head), rows: Vec::new() }
}

async fn through(proxy: &Proxy, keyspace: &Keyspace, timeout: Duration) -> CassandraStore {
    let mut settings = keyspace.settings();
    settings.contact_points = vec![proxy.address()];
    settings.max_in_flight = 4;
    settings.request_timeout = timeout;
    CassandraStore::connect(&settings).await.unwrap()
}

/// Two writes to one head and one row of a table, the second one newer.
async fn write_twice<T: Table>(
    store: &CassandraStore,
    partition: T::Partition,
    head: Option<T::Head>,
    row: Option<(T::Clustering, T::Row)>,
) {
    let table = store.table::<T>(1).unwrap();
    for offset in [70, 3_000_000] {
        let stored = |of: i64| Stamp::new(1, offset + of);
        let change = Change {
            partition: partition.clone(),
            head: head.clone().map(|record| Stored { stamp: stored(0), record }),
            rows: row
                .iter()
                .map(|(key, row)| (key.clone(), Stored { stamp: stored(1), record: row.clone() }))
                .collect(),
        };
        table.apply(vec![change]).await.unwrap();
    }
}

async fn write_every_table(store: &CassandraStore) {
    let id = || ("p".to_owned(),);
    let at = Timestamp(1_700_000_000_000);
    let head = PostHead {
        life: Life::Deleted,
        user_id: "ann".to_owned(),
        version: 2,
        created_at: at,
        edited_at: at,
        fingerprint: "f".to_owned(),
    };
    let version = PostVersion { content: String::new(), hashtags: Vec::new(), at };
    write_twice::<Posts>(store, id(), Some(head), Some(((2,), version))).await;
    let authored = ((at, "p".to_owned()), AuthoredPost { gone: false });
    write_twice::<PostsByAuthor>(store, id(), None, Some(authored)).await;
    let event = PostEventRow { event_type: "liked".to_owned(), user_id: String::new(), at };
    write_twice::<PostEvents>(store, id(), None, Some(((9,), event))).await;
    let receipt = Receipt {
        event_id: "e".to_owned(),
        outcome: ReceiptOutcome::Applied,
        reason: Reason::None,
    };
    write_twice::<Receipts>(store, ("t".to_owned(), 1, 0, 9), Some(receipt), None).await;
    write_twice::<PostAnalysis>(store, id(), Some(AnalysisHead::created_by("ann")), None).await;
    let totals = ((3,), AuthorTotals::default());
    write_twice::<AuthorAnalysis>(store, id(), None, Some(totals)).await;
    let like = (("bob".to_owned(),), Like { liked: true });
    write_twice::<PostLikes>(store, id(), Some(LikesHead::created_by("ann")), Some(like)).await;
    let frontier = Frontier { log_offset: 9, log_identity: "log".to_owned() };
    let key = ("hubbub.posts".to_owned(), 1, 0);
    let of = ("posts".to_owned(), 1);
    write_twice::<Frontiers>(store, of.clone(), None, Some((key.clone(), frontier))).await;
    write_twice::<Attempts>(store, of, None, Some((key, attempt(1)))).await;
}

fn attempt(tries: i32) -> Attempt {
    let (log_identity, program) = ("log".to_owned(), "0.1.0".to_owned());
    Attempt { log_offset: 9, log_identity, last_offset: 12, tries, program }
}

/// Their positions count from nothing: a note follows the one before, and a late withdrawal loses.
#[tokio::test]
async fn notes_of_attempts_follow_one_another() {
    let keyspace = Keyspace::new().await;
    let table = keyspace.open().await.table::<Attempts>(Attempts::BUILD).unwrap();
    let (partition, key) = (("posts".to_owned(), 1), ("hubbub.posts".to_owned(), 1, 0));
    for (stamp, tries, found) in [(2, 1, 1), (4, 2, 2), (3, 0, 2), (5, 1, 1), (7, 2, 2)] {
        let row = (key.clone(), Stored { stamp: Stamp(stamp), record: attempt(tries) });
        let change = Change { partition: partition.clone(), head: None, rows: vec![row] };
        table.apply(vec![change]).await.unwrap();
        let rows = table.rows(&[(partition.clone(), key.clone())]).await.unwrap();
        assert_eq!(rows[0].as_ref().map(|row| row.record.tries), Some(found), "at {stamp}");
    }
}

#[tokio::test]
async fn every_column_is_written_at_its_position() {
    let keyspace = Keyspace::new().await;
    write_every_table(&keyspace.open().await).await;
    let session = keyspace.session().await;
    for table in every_table().unwrap().iter().filter(|table| table.name != "builds") {
        let has_rows = !table.clustering.is_empty();
        let heads = if has_rows { "head_position" } else { "position" };
        let head = table.head.iter().map(|column| (heads, column.name));
        let row = table.row.iter().map(|column| ("position", column.name));
        for (position, column) in head.chain(row) {
            let statement = format!(
                "SELECT {position}, WRITETIME({position}), WRITETIME({column}) FROM {}",
                table.name
            );
            let rows =
                session.query_unpaged(statement, ()).await.unwrap().into_rows_result().unwrap();
            let (position, own_time, time) = rows.single_row::<(i64, i64, i64)>().unwrap();
            let of = format!("{}.{column}", table.name);
            assert_eq!((own_time, time), (position, position), "{of}");
            assert!((1 << 40) + 3_000_000 < time && time < 1 << 50, "{of} is written at {time}");
        }
    }
}

#[tokio::test]
async fn receipts_alone_expire() {
    let keyspace = Keyspace::new().await;
    write_every_table(&keyspace.open().await).await;
    let session = keyspace.session().await;
    for (table, column, expires) in [
        ("receipts", "outcome", true),
        ("posts", "life", false),
        ("post_analysis", "life", false),
        ("frontiers", "log_offset", false),
    ] {
        let statement = format!("SELECT TTL({column}) FROM {table}");
        let rows = session.query_unpaged(statement, ()).await.unwrap().into_rows_result().unwrap();
        let (left,) = rows.single_row::<(Option<i32>,)>().unwrap();
        let week = Receipts::KEPT.as_secs() as i32;
        assert_eq!(left.is_some_and(|left| week - 600 < left && left <= week), expires, "{table}");
    }
}

#[tokio::test]
async fn older_writes_lose_after_a_restart_too() {
    let keyspace = Keyspace::shared();
    let id = "restarted";
    let likes = keyspace.open().await.table::<PostLikes>(1).unwrap();
    likes.apply(vec![likes_change(id, 9)]).await.unwrap();
    drop(likes);
    let likes = keyspace.open().await.table::<PostLikes>(1).unwrap();
    let mut older = likes_change(id, 8);
    older.rows[0].1.record.liked = false;
    likes.apply(vec![older]).await.unwrap();
    let newest = likes_change(id, 9);
    assert_eq!(likes.heads(&[(id.to_owned(),)]).await.unwrap(), [newest.head]);
    assert_eq!(likes.scan(&(id.to_owned(),), None, 9).await.unwrap(), newest.rows);
}

#[tokio::test]
async fn no_more_requests_are_in_flight_than_allowed() {
    let keyspace = Keyspace::shared();
    let proxy = Proxy::start(Way::Open).await;
    let likes = through(&proxy, &keyspace, LONG).await.table::<PostLikes>(1).unwrap();
    let changes: Vec<_> = (0..40).map(|i| likes_change(&format!("in-flight-{i}"), i)).collect();
    proxy.set(Way::Held);

    // One that is given up goes on to count: its requests are on their way.
    let given_up = tokio::spawn(apply(Arc::clone(&likes), changes.clone()));
    proxy.until_in_flight(4).await;
    given_up.abort();
    let mut waits = tokio::spawn(apply(Arc::clone(&likes), changes.clone()));
    assert!(timeout(Duration::from_millis(300), &mut waits).await.is_err());
    proxy.set(Way::Open);
    waits.await.unwrap().unwrap();

    let ids: Vec<_> = changes.iter().map(|change| change.partition.clone()).collect();
    let heads: Vec<_> = changes.into_iter().map(|change| change.head).collect();
    assert_eq!(likes.heads(&ids).await.unwrap(), heads);
    let keys: Vec<_> = ids.into_iter().map(|id| (id, ("bob".to_owned(),))).collect();
    assert!(likes.rows(&keys).await.unwrap().iter().all(Option::is_some));
    assert_eq!(proxy.peak(), 4);
}

async fn apply(
    table: Arc<dyn Rows<PostLikes>>,
    changes: Vec<Change<PostLikes>>,
) -> Result<(), Error> {
    table.apply(changes).await
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_may_be_there_and_may_be_repeated() {
    let keyspace = Keyspace::shared();
    let proxy = Proxy::start(Way::Open).await;
    let analyses = through(&proxy, &keyspace, SHORT).await.table::<PostAnalysis>(1).unwrap();
    let change = analysis_change("answer lost");
    proxy.set(Way::Held);
    let error = analyses.apply(vec![change.clone()]).await.unwrap_err();
    assert!(matches!(error, Error::Transient(_)), "{error}");
    proxy.set(Way::Open);
    analyses.apply(vec![change.clone()]).await.unwrap();
    let ids = [change.partition];
    assert_eq!(analyses.heads(&ids).await.unwrap(), [change.head]);
}

#[tokio::test]
async fn a_cluster_that_goes_away_is_found_again() {
    let keyspace = Keyspace::shared();
    let proxy = Proxy::start(Way::Open).await;
    let analyses = through(&proxy, &keyspace, SHORT).await.table::<PostAnalysis>(1).unwrap();
    let change = analysis_change("away");
    analyses.apply(vec![change.clone()]).await.unwrap();
    proxy.set(Way::Cut);
    proxy.until_refused(1).await;
    for result in [
        analyses.apply(vec![change.clone()]).await,
        analyses.heads(std::slice::from_ref(&change.partition)).await.map(drop),
    ] {
        assert!(matches!(result, Err(Error::Transient(_))), "{result:?}");
    }
    proxy.set(Way::Open);
    let found_again = timeout(Duration::from_secs(30), async {
        loop {
            match analyses.heads(std::slice::from_ref(&change.partition)).await {
                Ok(heads) => return heads,
                Err(Error::Transient(_)) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    });
    assert_eq!(found_again.await.unwrap(), [change.head]);
}

#[tokio::test]
async fn a_start_waits_for_the_cluster() {
    let keyspace = Keyspace::shared();
    let proxy = Proxy::start(Way::Cut).await;
    let connected = async { through(&proxy, &keyspace, SHORT).await };
    let awakened = async {
        proxy.until_refused(2).await;
        proxy.set(Way::Open);
    };
    let (store, ()) = tokio::join!(connected, awakened);
    store.table::<PostLikes>(1).unwrap();
}

#[tokio::test]
async fn a_start_gives_up_in_time() {
    let proxy = Proxy::start(Way::Cut).await;
    let mut settings = Keyspace::absent().settings();
    settings.contact_points = vec![proxy.address()];
    settings.start_timeout = Duration::from_secs(1);
    let connect = timeout(Duration::from_secs(10), CassandraStore::connect(&settings));
    let error = connect.await.unwrap().err().unwrap();
    assert!(matches!(error, Error::Transient(_)), "{error}");
}

#[tokio::test]
async fn what_no_try_will_help_is_permanent() {
    let keyspace = Keyspace::new().await;
    let store = keyspace.open().await;
    let posts = store.table::<Posts>(1).unwrap();
    let version = |content| PostVersion { content, hashtags: Vec::new(), at: Timestamp::NEVER };
    let change = |id: String, content| Change::<Posts> {
        partition: (id,),
        head: None,
        rows: vec![((1,), Stored { stamp: Stamp(1), record: version(content) })],
    };
    for (why, change) in [
        ("too large", change("large".to_owned(), "x".repeat(20 << 20))),
        ("too long a key", change("k".repeat(70_000), String::new())),
        ("no key", change(String::new(), String::new())),
    ] {
        let error = posts.apply(vec![change]).await.unwrap_err();
        assert!(matches!(error, Error::Permanent(_)), "{why}: {error}");
    }

    keyspace.session().await.query_unpaged("DROP TABLE posts", ()).await.unwrap();
    let id = ("gone".to_owned(),);
    for result in [
        posts.apply(vec![change(id.0.clone(), String::new())]).await,
        posts.heads(std::slice::from_ref(&id)).await.map(drop),
        posts.scan(&id, None, 1).await.map(drop),
    ] {
        assert!(matches!(result, Err(Error::Permanent(_))), "{result:?}");
    }
}

#[tokio::test]
async fn files_for_tls_are_named_when_they_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("ca.pem");
    std::fs::write(&empty, "").unwrap();
    let missing = folder.path().join("missing.pem");
    for (ca, cert, named) in [
        (&missing, None, "missing.pem"),
        (&empty, None, "no certificate in PEM"),
        (&empty, Some(&missing), "no certificate in PEM"),
    ] {
        let mut settings = Keyspace::absent().settings();
        settings.tls.enabled = true;
        settings.tls.ca_file = ca.clone();
        settings.tls.certificate_file = cert.cloned().unwrap_or_default();
        let error = CassandraStore::connect(&settings).await.err().unwrap();
        assert!(matches!(&error, Error::Permanent(problem) if problem.contains(named)), "{error}");
    }
}
