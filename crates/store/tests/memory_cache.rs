//! The cache in the process.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::{
    future::ready,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytesize::ByteSize;
use futures::FutureExt;
use hubbub_events::Stamp;
use hubbub_store::{Cached, Error, MemoryCache, MemoryCacheSettings};
use tokio::{sync::oneshot, time::advance};

type Loaded = Result<Option<Cached<String>>, Error>;
type Cache = MemoryCache<Cached<String>>;

fn cache() -> Cache {
    let settings =
        MemoryCacheSettings { size: ByteSize::mib(1), time_to_live: Duration::from_secs(1) };
    MemoryCache::new(
        &settings,
        |it| it.value.len(),
        |new, old| (new.stamp, new.as_of) >= (old.stamp, old.as_of),
    )
}

fn value(text: &str, stamp: i64, as_of: i64) -> Cached<String> {
    Cached { value: text.to_owned(), stamp: Stamp(stamp), as_of }
}

fn found(text: &str, stamp: i64, as_of: i64) -> Loaded {
    Ok(Some(value(text, stamp, as_of)))
}

/// A load that must not be needed.
async fn unwanted() -> Loaded {
    panic!("loaded, where an entry or a running load should have served");
}

/// A load that ends when the test says so, and with what.
fn held() -> (oneshot::Sender<Loaded>, impl Future<Output = Loaded> + Send + 'static) {
    let (end, ended) = oneshot::channel();
    (end, async { ended.await.unwrap() })
}

/// Content with what is as of a floor, or with anything.
fn from(floor: Option<i64>) -> impl Fn(&Cached<String>) -> bool {
    move |it| floor.is_none_or(|floor| it.as_of >= floor)
}

async fn get(
    cache: &Cache,
    floor: Option<i64>,
    load: impl Future<Output = Loaded> + Send + 'static,
) -> Option<Cached<String>> {
    cache.get_or_load("key", from(floor), load).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_entry_is_served_until_its_time_is_over() {
    let cache = cache();
    let first = value("first", 1, 1);
    assert_eq!(get(&cache, None, ready(Ok(Some(first.clone())))).await, Some(first.clone()));
    advance(Duration::from_millis(999)).await;
    assert_eq!(get(&cache, None, unwanted()).await, Some(first));
    advance(Duration::from_millis(1)).await;
    let second = value("second", 2, 2);
    assert_eq!(get(&cache, None, ready(Ok(Some(second.clone())))).await, Some(second));
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_value_is_served_anew() {
    let cache = cache();
    for _ in 0..3 {
        get(&cache, None, ready(found("same", 1, 1))).await;
        advance(Duration::from_millis(900)).await;
        get(&cache, None, unwanted()).await;
        advance(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn keys_are_apart() {
    let cache = cache();
    get(&cache, None, ready(found("a", 1, 1))).await;
    let other = cache.get_or_load("other", from(None), ready(found("b", 1, 1))).await.unwrap();
    assert_eq!(other, Some(value("b", 1, 1)));
}

#[tokio::test]
async fn absences_and_errors_are_not_kept() {
    let cache = cache();
    assert_eq!(get(&cache, None, ready(Ok(None))).await, None);
    let failing = ready(Err(Error::Transient("away".to_owned())));
    let error = cache.get_or_load("key", from(None), failing).await.unwrap_err();
    assert!(matches!(error, Error::Transient(why) if why == "away"));
    assert_eq!(get(&cache, None, ready(found("there", 1, 1))).await, Some(value("there", 1, 1)));
}

#[tokio::test]
async fn an_entry_below_the_floor_is_loaded_anew() {
    let cache = cache();
    get(&cache, None, ready(found("old", 5, 7))).await;
    assert_eq!(get(&cache, Some(7), unwanted()).await, Some(value("old", 5, 7)));
    let new = get(&cache, Some(8), ready(found("new", 9, 8))).await;
    assert_eq!(new, Some(value("new", 9, 8)));
    assert_eq!(get(&cache, Some(8), unwanted()).await, Some(value("new", 9, 8)));
}

#[tokio::test]
async fn a_value_never_gives_way_to_an_older_one() {
    let cache = cache();
    get(&cache, Some(0), ready(found("new", 9, 8))).await;
    for (stamp, as_of) in [(8, 100), (9, 7)] {
        // The loader is given what it loaded, the next reader what is newest.
        let loaded = get(&cache, Some(9), ready(found("old", stamp, as_of))).await;
        assert_eq!(loaded, Some(value("old", stamp, as_of)));
        assert_eq!(get(&cache, None, unwanted()).await, Some(value("new", 9, 8)));
    }
    get(&cache, Some(9), ready(found("same", 9, 9))).await;
    assert_eq!(get(&cache, Some(9), unwanted()).await, Some(value("same", 9, 9)));
}

#[tokio::test]
async fn readers_of_one_key_share_a_load() {
    let cache = cache();
    let loads = Arc::new(AtomicUsize::new(0));
    let (end, ended) = oneshot::channel();
    let ended = ended.shared();
    let reads = (0..100).map(|_| {
        let (loads, ended) = (Arc::clone(&loads), ended.clone());
        cache.get_or_load("key", from(None), async move {
            loads.fetch_add(1, Ordering::SeqCst);
            ended.await.unwrap();
            found("one", 1, 1)
        })
    });
    let mut reads = Box::pin(futures::future::join_all(reads));
    assert!(reads.as_mut().now_or_never().is_none());
    end.send(()).unwrap();
    for read in reads.await {
        assert_eq!(read.unwrap(), Some(value("one", 1, 1)));
    }
    assert_eq!(loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_reader_who_leaves_does_not_end_the_load() {
    let cache = cache();
    let (end, load) = held();
    let mut first = Box::pin(cache.get_or_load("key", from(None), load));
    assert!(first.as_mut().now_or_never().is_none());
    let second = cache.get_or_load("key", from(None), unwanted());
    drop(first);
    end.send(found("kept on", 1, 1)).unwrap();
    assert_eq!(second.await.unwrap(), Some(value("kept on", 1, 1)));
}

#[tokio::test]
async fn a_running_load_below_the_floor_is_not_answered() {
    for running in [found("old", 1, 4), Ok(None), Err(Error::Transient("away".to_owned()))] {
        let cache = cache();
        let (end, load) = held();
        let mut plain = Box::pin(cache.get_or_load("key", from(None), load));
        assert!(plain.as_mut().now_or_never().is_none());
        let mut strict =
            Box::pin(cache.get_or_load("key", from(Some(5)), ready(found("new", 2, 5))));
        assert!(strict.as_mut().now_or_never().is_none());
        end.send(running.clone()).unwrap();
        assert_eq!(strict.await.unwrap(), Some(value("new", 2, 5)));
        assert_eq!(format!("{:?}", plain.await), format!("{running:?}"));
    }
}

#[tokio::test]
async fn strict_readers_share_their_load_too() {
    let cache = cache();
    let (end_old, old) = held();
    let (end_new, new) = held();
    let mut plain = Box::pin(cache.get_or_load("key", from(None), old));
    assert!(plain.as_mut().now_or_never().is_none());
    let mut first = Box::pin(cache.get_or_load("key", from(Some(5)), new));
    let mut second = Box::pin(cache.get_or_load("key", from(Some(5)), unwanted()));
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    end_old.send(found("old", 1, 4)).unwrap();
    plain.await.unwrap();
    assert!(first.as_mut().now_or_never().is_none());
    assert!(second.as_mut().now_or_never().is_none());
    end_new.send(found("new", 2, 5)).unwrap();
    assert_eq!(first.await.unwrap(), Some(value("new", 2, 5)));
    assert_eq!(second.await.unwrap(), Some(value("new", 2, 5)));
}

#[tokio::test]
async fn a_load_that_panics_is_an_error_and_no_more() {
    let cache = cache();
    let error = cache.get_or_load("key", from(None), unwanted()).await.unwrap_err();
    assert!(matches!(error, Error::Permanent(_)), "{error}");
    assert_eq!(get(&cache, None, ready(found("next", 1, 1))).await, Some(value("next", 1, 1)));
}

#[tokio::test]
async fn what_is_kept_is_bounded_in_bytes() {
    let cache = cache();
    let large = "x".repeat(100_000);
    for i in 0..100 {
        let loaded = found(&large, 1, 1);
        cache.get_or_load(&format!("key {i}"), from(None), ready(loaded)).await.unwrap();
    }
    let kept = Arc::new(AtomicUsize::new(100));
    for i in 0..100 {
        let missed = Arc::clone(&kept);
        let load = async move {
            missed.fetch_sub(1, Ordering::SeqCst);
            Ok(None)
        };
        cache.get_or_load(&format!("key {i}"), from(None), load).await.unwrap();
    }
    let kept = kept.load(Ordering::SeqCst);
    assert!((1..=10).contains(&kept), "{kept} entries of 100 kB in 1 MiB");
}

#[tokio::test]
async fn what_is_forgotten_is_loaded_anew() {
    let cache = cache();
    get(&cache, None, ready(found("old", 1, 1))).await;
    let other = || cache.get_or_load("other", from(None), ready(found("other", 1, 1)));
    other().await.unwrap();
    cache.forget(["key".to_owned(), "unknown".to_owned()]);
    assert_eq!(get(&cache, None, ready(found("new", 2, 2))).await, Some(value("new", 2, 2)));
    assert_eq!(get(&cache, None, unwanted()).await, Some(value("new", 2, 2)));
    let kept = cache.get_or_load("other", from(None), unwanted()).await.unwrap();
    assert_eq!(kept, Some(value("other", 1, 1)));
}

#[tokio::test]
async fn a_load_that_was_begun_before_is_neither_joined_nor_kept() {
    let cache = cache();
    let (end, old) = held();
    let mut before = Box::pin(cache.get_or_load("key", from(None), old));
    assert!(before.as_mut().now_or_never().is_none());
    cache.forget(["key".to_owned()]);
    // Not joined while it runs, and not put in the place of what came after it.
    assert_eq!(get(&cache, None, ready(found("new", 2, 2))).await, Some(value("new", 2, 2)));
    cache.forget(["key".to_owned()]);
    end.send(found("old", 3, 3)).unwrap();
    assert_eq!(before.await.unwrap(), Some(value("old", 3, 3)));
    assert_eq!(get(&cache, None, ready(found("newer", 4, 4))).await, Some(value("newer", 4, 4)));
}

/// Not all that is loaded now is as of now: another tier may have kept it.
#[tokio::test]
async fn a_strict_reader_is_not_content_with_a_later_load_that_brings_less() {
    let cache = cache();
    let (end_old, old) = held();
    let mut first = Box::pin(cache.get_or_load("key", from(None), old));
    assert!(first.as_mut().now_or_never().is_none());
    let (end_new, new) = held();
    let mut strict = Box::pin(cache.get_or_load("key", from(Some(5)), new));
    assert!(strict.as_mut().now_or_never().is_none());
    end_old.send(Ok(None)).unwrap();
    first.await.unwrap();
    // It began after the strict reader's call, and is that of a reader who is not strict.
    let (end_other, other) = held();
    let mut other = Box::pin(cache.get_or_load("key", from(None), other));
    assert!(other.as_mut().now_or_never().is_none());
    assert!(strict.as_mut().now_or_never().is_none());
    end_other.send(found("of another tier", 1, 4)).unwrap();
    assert_eq!(other.await.unwrap(), Some(value("of another tier", 1, 4)));
    assert!(strict.as_mut().now_or_never().is_none());
    end_new.send(found("new", 2, 5)).unwrap();
    assert_eq!(strict.await.unwrap(), Some(value("new", 2, 5)));
}
