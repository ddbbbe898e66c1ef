//! Hits, misses, keys and times.

use std::time::Duration;

use hubbub_events::LogIdentity;
use hubbub_store::{Partitions, RedisCache, Wanted, read_both};
use hubbub_tables::{
    Change, PostAnalysis, PostLikes, Posts, Stored, analysis::AnalysisHead, likes::LikesHead,
};
use hubbub_testkit::{server::redis, stack};

use crate::support::{World, cached, log, stamp};

#[tokio::test]
async fn what_was_read_is_served_to_the_next_reader_elsewhere() {
    let world = World::new().await;
    world.put("p", "text", 7);
    assert_eq!(world.read("p", 10, -1).await, Some(cached("text", 7, 10)));
    assert_eq!((world.redis("miss"), world.redis("hit")), (1, 0));
    world.until("it is filled", || world.counters.fills("written") == 1).await;

    let operations = world.store.operations();
    let elsewhere = RedisCache::connect(&world.settings, log()).await.unwrap();
    let posts = Partitions::new(&world.store, 1, Some(&elsewhere)).unwrap();
    let partition = ("p".to_owned(),);
    let wanted = Wanted { partition: &partition, frontier: 12, floor: 10 };
    assert_eq!(posts.read(wanted).await.unwrap(), Some(cached("text", 7, 10)));
    assert_eq!((world.redis("miss"), world.redis("hit")), (1, 1));
    assert_eq!(world.store.operations(), operations);
}

#[tokio::test]
async fn what_reflects_less_than_the_reader_must_see_is_read_anew_and_replaced() {
    let world = World::with_entry(redis::settings(&stack::redis())).await;
    assert_eq!(world.read("p", 15, 10).await, Some(cached("kept", 7, 10)));
    assert_eq!(world.redis("stale"), 0);
    assert_eq!(world.read("p", 15, 11).await, Some(cached("kept", 7, 15)));
    assert_eq!(world.redis("stale"), 1);
    world.until("it is replaced", || world.counters.fills("written") == 2).await;
    let hits = world.redis("hit");
    assert_eq!(world.read("p", 15, 15).await, Some(cached("kept", 7, 15)));
    assert_eq!(world.redis("hit"), hits + 1);
}

#[tokio::test]
async fn absences_are_not_kept() {
    let world = World::new().await;
    for _ in 0..3 {
        assert_eq!(world.read("nowhere", 10, -1).await, None);
    }
    assert_eq!(world.redis("miss"), 3);
    world.keep("p", "text", 7, 10).await;
    assert_eq!(world.raw().await.keys().await.len(), 1);
}

#[tokio::test]
async fn two_tables_are_read_in_one_go_each_with_what_it_reflects() {
    let world = World::with_entry(redis::settings(&stack::redis())).await;
    let likes = Partitions::<PostLikes>::new(&world.store, 1, Some(&world.cache)).unwrap();
    let head = LikesHead { like_count: 3, ..LikesHead::created_by("ann") };
    let partition = ("p".to_owned(),);
    let head = Some(Stored { stamp: stamp(8), record: head });
    world
        .store
        .put::<PostLikes>(1, Change { partition: partition.clone(), head, rows: Vec::new() });
    let both = async |posts_floor, likes_floor| {
        let of_posts = Wanted { partition: &partition, frontier: 20, floor: posts_floor };
        let of_likes = Wanted { partition: &partition, frontier: 21, floor: likes_floor };
        let (post, likes) = read_both((&world.posts, of_posts), (&likes, of_likes)).await.unwrap();
        let likes = likes.unwrap();
        assert_eq!((likes.value.head.like_count, likes.stamp), (3, stamp(8)));
        (post.unwrap().as_of, likes.as_of)
    };
    assert_eq!(both(-1, -1).await, (10, 21));
    world.until("the likes are filled", || world.counters.fills("written") == 2).await;
    let hits = world.redis("hit");
    assert_eq!(both(10, 21).await, (10, 21));
    assert_eq!(world.redis("hit"), hits + 2);
    // The floor of one is no concern of the other.
    assert_eq!(both(11, -1).await, (20, 21));
    assert_eq!((world.redis("hit"), world.redis("stale")), (hits + 3, 1));
}

#[tokio::test]
async fn every_id_has_a_key_of_its_own_that_is_bounded_and_safe() {
    let world = World::new().await;
    let ids = [
        "p",
        "P",
        "~0aZ_-.:",
        "{",
        "}",
        "{}",
        "a/b",
        "a%2Fb",
        "a b",
        "ü",
        "\0",
        "\r\n",
        "#",
        "",
        &"x".repeat(128),
        &"x".repeat(1000),
        &"{".repeat(1000),
        &"#".repeat(200),
    ];
    for id in ids {
        world.keep(id, &format!("of {id:?}"), 7, 10).await;
    }
    let keys = world.raw().await.keys().await;
    assert_eq!(keys.len(), ids.len());
    for key in &keys {
        assert!(key.len() < 400, "{key}");
        assert!(key.bytes().all(|byte| byte.is_ascii_graphic()), "{key}");
        let braces = key.matches(['{', '}']).collect::<String>();
        assert_eq!(braces, "{}", "{key}");
    }
    assert!(keys.iter().any(|key| key.contains(":{p}:posts.1.")), "{keys:?}");
}

#[tokio::test]
async fn entries_of_one_post_share_a_hash_tag() {
    let world = World::with_entry(redis::settings(&stack::redis())).await;
    let analyses = Partitions::<PostAnalysis>::new(&world.store, 1, Some(&world.cache)).unwrap();
    let partition = ("p".to_owned(),);
    let head = Some(Stored { stamp: stamp(8), record: AnalysisHead::created_by("ann") });
    let change = Change { partition: partition.clone(), head, rows: Vec::new() };
    world.store.put::<PostAnalysis>(1, change);
    let wanted = Wanted { partition: &partition, frontier: 9, floor: -1 };
    analyses.read(wanted).await.unwrap();
    world.until("it is filled", || world.counters.fills("written") == 2).await;
    let keys = world.raw().await.keys().await;
    let tag = |key: &String| key.split(['{', '}']).nth(1).unwrap().to_owned();
    assert_eq!(keys.iter().map(tag).collect::<Vec<_>>(), ["p", "p"]);
}

#[tokio::test]
async fn another_log_build_or_prefix_has_entries_of_its_own() {
    let world = World::with_entry(redis::settings(&stack::redis())).await;
    let other_log = LogIdentity("another log".to_owned());
    let other_log = RedisCache::connect(&world.settings, other_log).await.unwrap();
    let other_prefix = redis::settings(&stack::redis());
    let other_prefix = RedisCache::connect(&other_prefix, log()).await.unwrap();
    let hits = world.redis("hit");
    for (cache, build) in [(&other_log, 1), (&other_prefix, 1), (&world.cache, 2)] {
        let posts = Partitions::<Posts>::new(&world.store, build, Some(cache));
        let partition = ("p".to_owned(),);
        let wanted = Wanted { partition: &partition, frontier: 9, floor: -1 };
        posts.unwrap().read(wanted).await.unwrap();
    }
    assert_eq!(world.redis("hit"), hits);
    assert_eq!(world.content("p").await, "kept");
    assert_eq!(world.redis("hit"), hits + 1);
}

#[tokio::test]
async fn entries_end_after_the_time_to_live_give_or_take_a_tenth() {
    let world = World::new().await;
    for number in 0..100 {
        world.keep(&format!("p{number}"), "text", 7, 10).await;
    }
    let mut raw = world.raw().await;
    let mut times = Vec::new();
    for key in raw.keys().await {
        times.push(raw.time_to_live(&key).await);
    }
    times.sort_unstable();
    let (least, most) = (times[0], times[99]);
    // Some of it is over by now.
    assert!(least > 40_000 && most <= 66_000, "{times:?}");
    assert!(most - least > 6_000, "{times:?}");
}

#[tokio::test]
async fn the_age_of_an_entry_is_told_by_the_time_that_it_has_left() {
    let world = World::with_entry(redis::settings(&stack::redis())).await;
    let age = async || {
        let found = world.cache.peek::<Posts>(1, &("p".to_owned(),)).await.unwrap();
        let (found, age) = found.unwrap();
        assert_eq!(found, cached("kept", 7, 10));
        age
    };
    let young = age().await.unwrap();
    assert!(young < Duration::from_secs(4), "{young:?}");

    let mut raw = world.raw().await;
    let key = raw.only_key().await;
    let left = raw.time_to_live(&key).await - 20_000;
    let _: i64 = raw.run("PEXPIRE", &[key.as_bytes(), left.to_string().as_bytes()]).await;
    let aged = (age().await.unwrap() - young).as_secs_f64();
    assert!((19.9..24.0).contains(&aged), "{aged}");

    let _: i64 = raw.run("PERSIST", &[key.as_bytes()]).await;
    assert_eq!(age().await, None);
}
