//! Scans: the order of rows, pages and their ends.

use hubbub_events::Timestamp;
use hubbub_store::{Rows, Store};
use hubbub_tables::{
    AuthorAnalysis, Change, PostEvents, PostLikes, Posts, PostsByAuthor, Table,
    analysis::AuthorTotals,
    likes::{Like, LikesHead},
    posts::AuthoredPost,
    posts::PostEventRow,
};

use super::{open, post, row_change, stored, unique, version};

fn event(user: &str) -> PostEventRow {
    PostEventRow { event_type: "liked".to_owned(), user_id: user.to_owned(), at: Timestamp(7) }
}

async fn keys<T: Table>(
    table: &dyn Rows<T>,
    of: &T::Partition,
    after: Option<&T::Clustering>,
    limit: usize,
) -> Vec<T::Clustering> {
    let rows = table.scan(of, after, limit).await.unwrap();
    rows.into_iter().map(|(key, _)| key).collect()
}

/// Numbers order as numbers, up or down as the table declares; a head is no row.
pub async fn rows_scan_in_the_tables_order(store: &impl Store) {
    let up = open::<PostEvents>(store);
    let id = (unique("up"),);
    for offset in [300, 2, 70_000, 1, i64::MAX, 0] {
        let change = row_change(id.clone(), (offset,), 5, event(&offset.to_string()));
        up.apply(vec![change]).await.unwrap();
    }
    let rows = up.scan(&id, None, 100).await.unwrap();
    let expected = [0, 1, 2, 300, 70_000, i64::MAX];
    let expected = expected.map(|offset| ((offset,), stored(5, event(&offset.to_string()))));
    assert_eq!(rows, expected);

    let down = open::<Posts>(store);
    let id = (unique("down"),);
    let rows = [9, 10, -1, 2].map(|at| ((at,), stored(3, version(at.to_string()))));
    let change =
        Change { partition: id.clone(), head: Some(stored(3, post("u", 10))), rows: rows.into() };
    down.apply(vec![change]).await.unwrap();
    assert_eq!(keys(&*down, &id, None, 100).await, [(10,), (9,), (2,), (-1,)]);

    let ints = open::<AuthorAnalysis>(store);
    let user = (unique("ints"),);
    for partition in [11, -3, 0, 2, i32::MIN] {
        let change = row_change(user.clone(), (partition,), 1, AuthorTotals::default());
        ints.apply(vec![change]).await.unwrap();
    }
    assert_eq!(keys(&*ints, &user, None, 9).await, [(i32::MIN,), (-3,), (0,), (2,), (11,)]);
}

/// A scan takes up behind a key, whether or not there is a row at it, in both orders.
pub async fn scans_go_on_behind_a_key(store: &impl Store) {
    let up = open::<PostEvents>(store);
    let id = (unique("up"),);
    let rows = (0..25).map(|i| ((i * 2,), stored(1, event("u")))).collect();
    up.apply(vec![Change { partition: id.clone(), head: None, rows }]).await.unwrap();
    let expected: Vec<_> = (0..25).map(|i| (i * 2,)).collect();
    assert_eq!(paged(&*up, &id, 10).await, expected);
    assert_eq!(paged(&*up, &id, 25).await, expected);
    assert_eq!(keys(&*up, &id, Some(&(3,)), 2).await, [(4,), (6,)]);
    assert_eq!(keys(&*up, &id, Some(&(48,)), 2).await, []);

    let down = open::<Posts>(store);
    let id = (unique("down"),);
    let rows = (0..25).map(|i| ((i * 2,), stored(1, version("")))).collect();
    down.apply(vec![Change { partition: id.clone(), head: None, rows }]).await.unwrap();
    let expected: Vec<_> = (0..25).rev().map(|i| (i * 2,)).collect();
    assert_eq!(paged(&*down, &id, 10).await, expected);
    assert_eq!(keys(&*down, &id, Some(&(3,)), 9).await, [(2,), (0,)]);
    assert_eq!(keys(&*down, &id, Some(&(0,)), 9).await, []);
    assert_eq!(keys(&*down, &id, Some(&(i64::MAX,)), 1).await, [(48,)]);
}

/// All keys of a partition, read page by page.
async fn paged<T: Table>(
    table: &dyn Rows<T>,
    of: &T::Partition,
    limit: usize,
) -> Vec<T::Clustering> {
    let mut found: Vec<T::Clustering> = Vec::new();
    loop {
        let page = keys(table, of, found.last(), limit).await;
        assert!(page.len() <= limit, "{} rows, where {limit} were asked for", page.len());
        if page.is_empty() {
            return found;
        }
        found.extend(page);
    }
}

/// A scan ends with its partition, also where the next one's key continues its own.
pub async fn scans_end_with_their_partition(store: &impl Store) {
    let likes = open::<PostLikes>(store);
    let id = unique("a");
    let ids = [id.clone(), format!("{id}b"), format!("{id}\u{0}"), id[..id.len() - 1].to_owned()];
    for id in &ids {
        let change = row_change((id.clone(),), (format!("u of {id}"),), 1, Like { liked: true });
        likes.apply(vec![change]).await.unwrap();
    }
    for id in ids {
        assert_eq!(keys(&*likes, &(id.clone(),), None, 9).await, [(format!("u of {id}"),)]);
    }
    assert_eq!(keys(&*likes, &(unique("nothing here"),), None, 9).await, []);
    assert_eq!(keys(&*likes, &(id,), None, 0).await, []);
}

/// Texts order by their bytes in UTF-8, prefixes first.
pub async fn texts_order_by_their_bytes(store: &impl Store) {
    let likes = open::<PostLikes>(store);
    let id = (unique("texts"),);
    let mut users =
        ["b", "a", "ab", "B", "é", "😀", "～", "a\u{1}", "aa", "z"].map(|user| (user.to_owned(),));
    for user in &users {
        let change = row_change(id.clone(), user.clone(), 1, Like { liked: true });
        likes.apply(vec![change]).await.unwrap();
    }
    users.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    assert_eq!(paged(&*likes, &id, 3).await, users);
}

/// Keys of several columns order by the first one that differs.
pub async fn times_and_texts_order_newest_first(store: &impl Store) {
    let posts = open::<PostsByAuthor>(store);
    let user = (unique("author"),);
    let mut at: Vec<_> =
        [(5, "a"), (5, "ab"), (5, "b"), (4, "z"), (1_700_000_000_000, ""), (6, "a")]
            .map(|(time, id)| (Timestamp(time), id.to_owned()))
            .into();
    for key in &at {
        let change = row_change(user.clone(), key.clone(), 1, AuthoredPost { gone: false });
        posts.apply(vec![change]).await.unwrap();
    }
    at.sort();
    at.reverse();
    assert_eq!(paged(&*posts, &user, 2).await, at);
}

/// Whoever goes through a table page by page meets each partition once, whether it has a
/// head, rows or both.
pub async fn every_partition_is_listed_once(store: &impl Store) {
    let likes = open::<PostLikes>(store);
    let name = unique("listed");
    let ids: Vec<_> = (0..60).map(|number| (format!("{name}-{number}\0"),)).collect();
    let changes = ids.iter().enumerate().map(|(number, id)| Change {
        partition: id.clone(),
        head: (number % 3 != 0).then(|| stored(9, LikesHead::created_by("ann"))),
        rows: match number % 3 {
            1 => Vec::new(),
            _ => ["ann", "bob"]
                .map(|user| ((user.to_owned(),), stored(9, Like { liked: true })))
                .to_vec(),
        },
    });
    likes.apply(changes.collect()).await.unwrap();
    for limit in [1000, 7] {
        // Other tests may use the same table.
        let mut ours = Vec::new();
        let mut after = None;
        loop {
            let page = likes.partitions(after.as_ref(), limit).await.unwrap();
            assert!(page.len() <= limit);
            let is_last = page.len() < limit;
            after = page.last().cloned();
            ours.extend(page.into_iter().filter(|(id,)| id.starts_with(&name)));
            if is_last {
                break;
            }
        }
        ours.sort_unstable();
        let mut expected = ids.clone();
        expected.sort_unstable();
        assert_eq!(ours, expected, "in pages of {limit}");
    }
    assert_eq!(likes.partitions(None, 0).await.unwrap(), []);
}
