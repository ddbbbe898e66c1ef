//! Making the tables, and refusing those that do not fit.

use std::time::Duration;

use hubbub_events::Stamp;
use hubbub_store::{
    Error, Store,
    cassandra::{SCHEMA_VERSION, Schema},
};
use hubbub_tables::{
    Change, Life, PostAnalysis, Posts, Stored, Table, analysis::AnalysisHead, every_table,
};

use crate::keyspace::Keyspace;

fn refused(result: Result<impl Sized, Error>) -> String {
    match result {
        Err(Error::Permanent(problem)) => problem,
        Err(Error::Transient(problem)) => panic!("no try will help, and yet: {problem}"),
        Ok(_) => panic!("this was not refused"),
    }
}

async fn schema(keyspace: &Keyspace) -> Schema {
    Schema::connect(&keyspace.settings()).await.unwrap()
}

#[tokio::test]
async fn applying_makes_everything_once() {
    let keyspace = Keyspace::absent();
    let problem = refused(keyspace.try_open().await);
    assert!(problem.contains("no such keyspace") && problem.contains("schema apply"), "{problem}");

    let schema = schema(&keyspace).await;
    let first = schema.apply().await.unwrap();
    assert_eq!((first.before, first.now), (None, SCHEMA_VERSION));
    let tables = every_table().unwrap();
    for table in &tables {
        assert!(first.added.contains(&format!("table {}", table.name)), "{:?}", first.added);
    }
    assert_eq!(first.added.len(), tables.len() + 1, "{:?}", first.added);
    keyspace.open().await;

    let second = schema.apply().await.unwrap();
    assert_eq!(
        (second.before, second.now, second.added),
        (Some(SCHEMA_VERSION), SCHEMA_VERSION, vec![])
    );
}

/// As a version before would have left it.
const OLDER_POSTS: &str = "CREATE TABLE posts (post_id text, post_version bigint, life text static, \
     user_id text static, version bigint static, created_at timestamp static, \
     edited_at timestamp static, head_position bigint static, content text, at timestamp, \
     position bigint, PRIMARY KEY ((post_id), post_version)) \
     WITH CLUSTERING ORDER BY (post_version DESC)";

#[tokio::test]
async fn what_is_missing_is_named_and_made() {
    let keyspace = Keyspace::new().await;
    let session = keyspace.session().await;
    for statement in [
        "DROP TABLE receipts",
        "DROP TABLE posts",
        OLDER_POSTS,
        &OLDER_POSTS.replace("posts", "posts_b2"),
        "INSERT INTO posts (post_id, life, user_id, version, created_at, edited_at, head_position, \
         post_version, content, at, position) \
         VALUES ('old', 'live', 'ann', 1, 5, 6, 8, 1, 'text', 7, 9) USING TIMESTAMP 9",
    ] {
        session.query_unpaged(statement, ()).await.unwrap();
    }
    let problem = refused(keyspace.try_open().await);
    for named in ["receipts is missing", "hashtags is missing", "fingerprint is missing"] {
        assert!(problem.contains(named), "{problem}");
    }

    let applied = schema(&keyspace).await.apply().await.unwrap();
    let columns =
        ["posts.fingerprint", "posts.hashtags", "posts_b2.fingerprint", "posts_b2.hashtags"];
    let columns = columns.map(|column| format!("column {column}"));
    assert_eq!(applied.added, [&["table receipts".to_owned()], &columns[..]].concat());

    // What was written before the columns were there has nothing in them.
    let posts = keyspace.open().await.table::<Posts>(1).unwrap();
    let id = ("old".to_owned(),);
    let head = posts.heads(std::slice::from_ref(&id)).await.unwrap().remove(0).unwrap();
    assert_eq!((head.stamp, head.record.version, &*head.record.fingerprint), (Stamp(8), 1, ""));
    let rows = posts.scan(&id, None, 10).await.unwrap();
    assert_eq!((rows[0].1.stamp, &*rows[0].1.record.content), (Stamp(9), "text"));
    assert!(rows[0].1.record.hashtags.is_empty());
}

/// Cassandra hides from a column what has a timestamp before the last time it was
/// dropped, and a position is before any time.
#[tokio::test]
async fn a_column_that_was_dropped_once_is_refused() {
    let keyspace = Keyspace::new().await;
    let schema = schema(&keyspace).await;
    let session = keyspace.session().await;
    let refused_by_both = async || {
        for problem in [refused(keyspace.try_open().await), refused(schema.apply().await)] {
            assert!(
                problem.contains("table post_likes: column liked was dropped once"),
                "{problem}"
            );
        }
    };
    session.query_unpaged("ALTER TABLE post_likes DROP liked", ()).await.unwrap();
    refused_by_both().await;
    session.query_unpaged("ALTER TABLE post_likes ADD liked boolean", ()).await.unwrap();
    refused_by_both().await;
    session.query_unpaged("DROP TABLE post_likes", ()).await.unwrap();
    schema.apply().await.unwrap();
    keyspace.open().await;
}

#[tokio::test]
async fn an_older_schema_is_refused_and_a_newer_one_is_not() {
    let keyspace = Keyspace::new().await;
    let session = keyspace.session().await;
    let record = async |version: i32| {
        let statement = "UPDATE builds SET schema_version = ? WHERE projection = 'schema'";
        session.query_unpaged(statement, (version,)).await.unwrap();
    };
    record(SCHEMA_VERSION - 1).await;
    let problem = refused(keyspace.try_open().await);
    let versions = format!("version {}, {SCHEMA_VERSION} is needed", SCHEMA_VERSION - 1);
    assert!(problem.contains(&versions), "{problem}");

    record(SCHEMA_VERSION + 1).await;
    keyspace.open().await;
    let applied = schema(&keyspace).await.apply().await.unwrap();
    assert_eq!((applied.before, applied.now), (Some(SCHEMA_VERSION + 1), SCHEMA_VERSION + 1));
}

#[tokio::test]
async fn a_table_that_is_not_ours_is_neither_used_nor_touched() {
    let keyspace = Keyspace::absent();
    let schema = schema(&keyspace).await;
    schema.apply().await.unwrap();
    let session = keyspace.session().await;
    for statement in [
        "DROP TABLE author_analysis",
        "CREATE TABLE author_analysis (user_id text, source_partition int, posts int, PRIMARY KEY (user_id, source_partition)) \
         WITH CLUSTERING ORDER BY (source_partition DESC)",
    ] {
        session.query_unpaged(statement, ()).await.unwrap();
    }
    for problem in [refused(keyspace.try_open().await), refused(schema.apply().await)] {
        assert!(problem.contains("author_analysis"), "{problem}");
        assert!(problem.contains("source_partition is ordered desc"), "{problem}");
    }
    let problem = refused(keyspace.try_open().await);
    assert!(problem.contains("posts is int (regular), where bigint (regular)"), "{problem}");
}

#[tokio::test]
async fn a_build_has_tables_of_its_own() {
    let keyspace = Keyspace::new().await;
    let (store, other) = (keyspace.open().await, keyspace.open().await);
    store.make_build(&[PostAnalysis::NAME], 7).await.unwrap();
    store.make_build(&[PostAnalysis::NAME], 7).await.unwrap();
    // Who was there before has to look for it.
    assert!(refused(other.table::<PostAnalysis>(7)).contains("post_analysis_b7"));
    other.open_build(&[PostAnalysis::NAME], 7).await.unwrap();
    other.table::<PostAnalysis>(7).unwrap();
    refused(other.open_build(&[PostAnalysis::NAME], 8).await);
    let problem = refused(store.table::<PostAnalysis>(3));
    assert!(problem.contains("post_analysis_b3"), "{problem}");
    for (tables, build) in [(["builds"], 2), (["frontiers"], 2), (["nothing"], 2), (["posts"], 1)] {
        refused(store.make_build(&tables, build).await);
    }

    let [live, next] = [1, 7].map(|build| store.table::<PostAnalysis>(build).unwrap());
    let head = |word_count| Stored {
        stamp: Stamp::new(1, 5),
        record: AnalysisHead { life: Life::Live, word_count, ..AnalysisHead::created_by("ann") },
    };
    let id = ("one".to_owned(),);
    for (table, words) in [(&live, 3), (&next, 4)] {
        let change = Change { partition: id.clone(), head: Some(head(words)), rows: Vec::new() };
        table.apply(vec![change]).await.unwrap();
    }
    let ids = [id];
    assert_eq!(live.heads(&ids).await.unwrap(), [Some(head(3))]);
    assert_eq!(next.heads(&ids).await.unwrap(), [Some(head(4))]);
}

/// Hubbub does not start without the tables of schema.cql.
#[tokio::test]
async fn the_first_build_is_emptied_where_others_are_dropped() {
    let keyspace = Keyspace::new().await;
    let store = keyspace.open().await;
    let id = ("one".to_owned(),);
    let stamp = Stamp::new(1, 5);
    let head = Some(Stored { stamp, record: AnalysisHead::created_by("ann") });
    let change = Change { partition: id.clone(), head, rows: Vec::new() };
    store.table::<PostAnalysis>(1).unwrap().apply(vec![change]).await.unwrap();
    store.drop_build("analysis", &[PostAnalysis::NAME], 1).await.unwrap();
    let again = keyspace.open().await.table::<PostAnalysis>(1).unwrap();
    assert_eq!(again.heads(&[id]).await.unwrap(), [None]);
    assert!(schema(&keyspace).await.apply().await.unwrap().added.is_empty());
}

#[tokio::test]
async fn a_broken_build_does_not_hinder_the_others() {
    let keyspace = Keyspace::new().await;
    keyspace.open().await.make_build(&[PostAnalysis::NAME], 2).await.unwrap();
    let session = keyspace.session().await;
    let statement = "DROP TABLE post_analysis_b2";
    session.query_unpaged(statement, ()).await.unwrap();
    let statement = "CREATE TABLE post_analysis_b2 (post_id text PRIMARY KEY, life text)";
    session.query_unpaged(statement, ()).await.unwrap();
    let store = keyspace.open().await;
    store.table::<PostAnalysis>(1).unwrap();
    let problem = refused(store.table::<PostAnalysis>(2));
    assert!(problem.contains("post_analysis_b2: column version is missing"), "{problem}");
}

#[tokio::test]
async fn a_datacenter_that_is_not_there_is_named() {
    let mut settings = Keyspace::absent().settings();
    settings.local_datacenter = "nowhere".to_owned();
    settings.start_timeout = Duration::from_secs(5);
    let problem = refused(Schema::connect(&settings).await);
    assert!(problem.contains("nowhere") && problem.contains("datacenter1"), "{problem}");
}
