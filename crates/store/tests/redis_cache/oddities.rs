//! Whatever stands where an entry should be: a miss, and then gone.

use hubbub_testkit::{server::redis, stack};

use crate::support::{World, cached};

async fn world() -> World {
    World::with_entry(redis::settings(&stack::redis())).await
}

/// The next reader gets what the store has, and the one after it a whole entry.
async fn assert_mended(world: &World, what: &str) {
    let (corrupt, written) = (world.redis("corrupt"), world.counters.fills("written"));
    assert_eq!(world.read("p", 10, -1).await, Some(cached("kept", 7, 10)), "{what}");
    assert_eq!(world.redis("corrupt"), corrupt + 1, "{what}");
    world.until("it is mended", || world.counters.fills("written") > written).await;
    let hits = world.redis("hit");
    assert_eq!(world.read("p", 10, -1).await, Some(cached("kept", 7, 10)), "{what}");
    assert_eq!(world.redis("hit"), hits + 1, "{what}");
}

#[tokio::test]
async fn garbage_is_a_miss_and_gives_way() {
    let world = world().await;
    let mut raw = world.raw().await;
    let key = raw.only_key().await;
    let whole = raw.get(&key).await;
    let with_rank = |rank: &str| [format!("1{rank}01234567").as_bytes(), &whole[47..]].concat();
    for garbage in [
        b"\0".to_vec(),
        b"garbage".to_vec(),
        vec![0xff; 5_000],
        b"1".repeat(39),
        with_rank(&"9".repeat(38)),
        with_rank(&"x".repeat(38)),
        [b"2", &whole[1..]].concat(),
        [&whole[..], b"more"].concat(),
    ] {
        raw.set(&key, &garbage).await;
        assert_mended(&world, &String::from_utf8_lossy(&garbage)).await;
    }
}

#[tokio::test]
async fn a_value_cut_anywhere_is_a_miss() {
    let world = world().await;
    let mut raw = world.raw().await;
    let key = raw.only_key().await;
    let whole = raw.get(&key).await;
    for length in 1..whole.len() {
        raw.set(&key, &whole[..length]).await;
        assert_mended(&world, &format!("{length} bytes")).await;
    }
}

#[tokio::test]
async fn a_value_with_any_bit_flipped_is_a_miss() {
    let world = world().await;
    let mut raw = world.raw().await;
    let key = raw.only_key().await;
    let whole = raw.get(&key).await;
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        raw.set(&key, &flipped).await;
        assert_mended(&world, &format!("byte {at}")).await;
    }
}

#[tokio::test]
async fn a_key_of_another_type_is_a_miss() {
    let world = world().await;
    let mut raw = world.raw().await;
    let key = raw.only_key().await;
    for command in ["LPUSH", "SADD"] {
        raw.run::<i64>("DEL", &[key.as_bytes()]).await;
        raw.run::<i64>(command, &[key.as_bytes(), b"item"]).await;
        assert_mended(&world, command).await;
    }
}

#[tokio::test]
async fn the_value_of_another_key_is_a_miss() {
    let world = world().await;
    let mut raw = world.raw().await;
    let key = raw.only_key().await;
    world.keep("other", "something else", 8, 100).await;
    let other = raw.keys().await.into_iter().find(|other| *other != key).unwrap();
    let value = raw.get(&other).await;
    raw.set(&key, &value).await;
    assert_mended(&world, "foreign").await;
}
