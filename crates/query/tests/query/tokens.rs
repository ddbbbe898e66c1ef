use std::time::Duration;

use http::Method;
use hubbub_events::LogIdentity;
use hubbub_tables::{Posts, analysis::AnalysisHead};
use hubbub_web::{MAX_TOKENS, ReceiptId, TOKEN_HEADER, Token};
use tokio::time::{Instant, timeout};

use crate::world::{ALL, Answer, World, identity, partition, token, within};

/// Longer than anything that is answered at once, shorter than any wait.
const AT_ONCE: Duration = Duration::from_millis(1_500);

/// A world in which the post p was created at offset 3 of its partition, and all know it.
async fn with_post() -> World {
    let world = World::new();
    world.create("p", "ann", "text", 3).await;
    world
}

fn routes() -> Vec<(String, &'static [&'static str])> {
    let receipt = ReceiptId {
        at: partition("p").at(3),
        identity: identity(),
        time: hubbub_events::Timestamp::now(),
        event_id: "event".to_owned(),
    };
    vec![
        ("/posts/p".to_owned(), &["posts", "likes"]),
        ("/posts/p/analysis".to_owned(), &["posts", "analysis"]),
        ("/posts/p/likes".to_owned(), &["posts", "likes"]),
        ("/posts/p/events".to_owned(), &["posts"]),
        ("/users/ann/posts".to_owned(), &["posts", "likes"]),
        ("/users/ann/analysis".to_owned(), &["analysis"]),
        (format!("/receipts/{}", receipt.seal()), &["posts"]),
    ]
}

#[tokio::test]
async fn a_read_waits_for_the_projections_that_it_uses_and_no_others() {
    for (path, uses) in routes() {
        let world = with_post().await;
        // Also for what the answer does not touch.
        let elsewhere = within((partition("p").partition + 1) % 4);
        let written = token(&[(None, elsewhere.at(9))]).seal();
        for late in uses {
            let answer = world.get_after(&path, &written, "wait=0").await;
            assert_eq!(answer.problem(), "projection-behind", "{path} without {late}");
            assert_eq!(answer.status.as_u16(), 503);
            assert_eq!(answer.header("retry-after"), Some("1"));
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(&format!("projection {late} ")), "{detail}");
            world.progress.advanced(late, 1, elsewhere, 9);
        }
        let answer = world.get_after(&path, &written, "wait=0").await;
        assert_eq!(answer.status.as_u16(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_bound_of_one_projection_holds_up_no_other() {
    let world = with_post().await;
    let of_analysis = token(&[(Some("analysis"), partition("p").at(9))]).seal();
    assert_eq!(world.get_after("/posts/p", &of_analysis, "wait=0").await.status.as_u16(), 200);
    let behind = world.get_after("/posts/p/analysis", &of_analysis, "wait=0").await;
    assert_eq!(behind.problem(), "projection-behind");
    let of_the_future = token(&[(Some("search"), partition("p").at(9))]).seal();
    assert_eq!(world.get_after("/posts/p", &of_the_future, "wait=0").await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_read_goes_on_when_its_token_is_passed() {
    let world = with_post().await;
    let written = token(&[(None, partition("p").at(9))]).seal();
    let catches_up = async {
        tokio::task::yield_now().await;
        world.put_like("p", "bob", true, 1, 9).await;
        world.advance(partition("p"), 9);
    };
    let (answer, ()) = tokio::join!(world.get_after("/posts/p", &written, "wait=10"), catches_up);
    assert_eq!(answer.json()["like_count"], 1);
}

#[tokio::test(start_paused = true)]
async fn how_long_a_read_waits() {
    let world = with_post().await;
    let written = token(&[(None, partition("p").at(9))]).seal();
    for (prefer, seconds) in
        [("handling=lenient", 2), ("wait=0", 0), ("wait=3", 3), ("wait=10", 10)]
    {
        let begun = Instant::now();
        let answer = world.get_after("/posts/p", &written, prefer).await;
        assert_eq!(answer.problem(), "projection-behind");
        assert_eq!(begun.elapsed().as_secs(), seconds, "{prefer}");
    }
    for prefer in ["wait=11", "wait=abc", "wait=-1"] {
        let answer = world.get_after("/posts/p", &written, prefer).await;
        assert_eq!((answer.status.as_u16(), &*answer.problem()), (400, "invalid-prefer"));
    }
}

#[tokio::test]
async fn a_token_of_another_log_and_a_halt_are_answered_at_once() {
    let world = with_post().await;
    let ours = token(&[(None, partition("p").at(9))]);
    let other = Token { identity: LogIdentity("another".to_owned()), ..ours.clone() };
    let answer = at_once(&world, "/posts/p", &other).await;
    assert_eq!((answer.status.as_u16(), &*answer.problem()), (503, "log-replaced"));

    world.progress.halted("likes", 1, partition("p"), Some("newer-event".to_owned()));
    let answer = at_once(&world, "/posts/p", &ours).await;
    assert_eq!((answer.status.as_u16(), &*answer.problem()), (503, "projection-halted"));
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("likes") && detail.contains("newer-event"), "{detail}");
    assert!(answer.header("retry-after").is_some());
}

async fn at_once(world: &World, path: &str, token: &Token) -> Answer {
    timeout(AT_ONCE, world.get_after(path, &token.seal(), "wait=10")).await.unwrap()
}

#[tokio::test]
async fn tokens_are_merged_from_lists_and_repeated_fields() {
    let world = with_post().await;
    let low = token(&[(None, within(0).at(1))]).seal();
    let high = token(&[(None, within(0).at(5))]).seal();
    let elsewhere = token(&[(None, within(1).at(2))]).seal();
    let list = format!("{high}, {low}");
    let fields = [(TOKEN_HEADER, &*list), (TOKEN_HEADER, &*elsewhere), ("prefer", "wait=0")];
    world.advance(within(0), 5);
    let answer = world.request(Method::GET, "/posts/p", &fields).await;
    assert_eq!(answer.problem(), "projection-behind");
    world.advance(within(1), 2);
    assert_eq!(world.request(Method::GET, "/posts/p", &fields).await.status.as_u16(), 200);

    let most = vec![low.clone(); MAX_TOKENS].join(",");
    assert_eq!(world.get_after("/posts/p", &most, "wait=0").await.status.as_u16(), 200);
    let too_many = format!("{most},{low}");
    let answer = world.get_after("/posts/p", &too_many, "wait=0").await;
    assert_eq!((answer.status.as_u16(), &*answer.problem()), (400, "invalid-token"));
}

#[tokio::test]
async fn a_token_that_was_changed_is_refused_on_every_route() {
    let world = with_post().await;
    let good = token(&[(None, partition("p").at(3))]).seal();
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        let answer = world.get_after("/posts/p", &changed, "wait=0").await;
        assert_eq!((answer.status.as_u16(), &*answer.problem()), (400, "invalid-token"), "{at}");
    }
    let nowhere = token(&[(None, within(4).at(3))]).seal();
    for (path, _) in routes() {
        for bad in ["x", &nowhere] {
            let answer = world.get_after(&path, bad, "wait=0").await;
            assert_eq!((answer.status.as_u16(), &*answer.problem()), (400, "invalid-token"));
        }
    }
}

#[tokio::test]
async fn what_is_kept_serves_no_token_above_it() {
    let world = with_post().await;
    assert_eq!(world.get("/posts/p").await.json()["like_count"], 0);
    world.put_like("p", "bob", true, 1, 9).await;
    world.advance(partition("p"), 9);
    // Without a token the stated staleness holds.
    assert_eq!(world.get("/posts/p").await.json()["like_count"], 0);

    let written = token(&[(None, partition("p").at(9))]).seal();
    let answer = world.get_after("/posts/p", &written, "wait=0").await;
    assert_eq!(answer.json()["like_count"], 1);
    let reads = world.control().reads::<Posts>();
    let again = world.get_after("/posts/p", &written, "wait=0").await;
    assert_eq!(again.json()["like_count"], 1);
    assert_eq!(world.get("/posts/p").await.json()["like_count"], 1);
    assert_eq!(world.control().reads::<Posts>(), reads);
}

#[tokio::test]
async fn an_analysis_that_is_kept_serves_no_token_above_it() {
    let world = with_post().await;
    world.get("/posts/p/analysis").await;
    let edited = AnalysisHead { version: 2, word_count: 8, ..AnalysisHead::created_by("ann") };
    world.put_analysis("p", edited, 9).await;
    world.advance(partition("p"), 9);
    assert_eq!(world.get("/posts/p/analysis").await.json()["word_count"], 0);
    let written = token(&[(None, partition("p").at(9))]).seal();
    let answer = world.get_after("/posts/p/analysis", &written, "wait=0").await;
    assert_eq!(answer.json()["word_count"], 8);
}

#[tokio::test]
async fn a_reads_own_token_is_passed_by_the_next_read_of_the_same() {
    let world = with_post().await;
    for projection in ALL {
        (0..4).for_each(|p| world.progress.advanced(projection, 1, within(p), 3));
    }
    for (path, _) in routes() {
        let first = world.get(&path).await;
        let seen = first.header(TOKEN_HEADER).unwrap();
        assert!(!first.reflects().is_empty(), "{path}");
        let second = world.get_after(&path, seen, "wait=0").await;
        assert_eq!(second.status.as_u16(), 200, "{path}");
    }
}

#[tokio::test]
async fn a_row_ahead_of_its_frontier_is_what_the_next_read_waits_for() {
    let world = with_post().await;
    world.put_like("p", "bob", true, 1, 9).await;
    let first = world.get("/posts/p").await;
    let seen = first.header(TOKEN_HEADER).unwrap().to_owned();
    let behind = world.get_after("/posts/p", &seen, "wait=0").await;
    assert_eq!(behind.problem(), "projection-behind");
    world.progress.advanced("likes", 1, partition("p"), 9);
    assert_eq!(world.get_after("/posts/p", &seen, "wait=0").await.json()["like_count"], 1);
}
