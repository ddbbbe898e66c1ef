use std::time::Duration;

use hubbub_tables::{Posts, analysis::AnalysisHead};
use tokio::{
    join,
    time::{Instant, timeout},
};

use crate::world::{World, partition, settings};

/// Much longer than anything that does not wait, much shorter than the patient world's wait.
const AT_ONCE: Duration = Duration::from_secs(10);

/// So long that nothing but being woken ends it within a test.
fn patient() -> World {
    let mut settings = settings();
    settings.absent_wait = Duration::from_secs(60);
    World::with(settings)
}

async fn soon(world: &World) {
    while world.control().reads::<Posts>() == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_post_that_arrives_while_it_is_looked_for_is_found() {
    for below in ["", "/likes", "/events"] {
        let world = patient();
        let path = format!("/posts/p{below}");
        let arrives = async {
            soon(&world).await;
            // The partition moves on, and the post is still not there.
            world.advance(partition("p"), 3);
            world.create("p", "ann", "text", 4).await;
        };
        let (answer, ()) = join!(world.get(&path), arrives);
        assert_eq!(answer.status.as_u16(), 200, "{path}");
    }
}

#[tokio::test]
async fn an_analysis_that_arrives_while_it_is_looked_for_is_found() {
    let world = patient();
    world.put_post("p", "ann", "text", 4).await;
    let arrives = async {
        tokio::task::yield_now().await;
        world.put_analysis("p", AnalysisHead::created_by("ann"), 4).await;
        world.progress.advanced("analysis", 1, partition("p"), 4);
    };
    let (answer, ()) = join!(world.get("/posts/p/analysis"), arrives);
    assert_eq!(answer.status.as_u16(), 200);
}

#[tokio::test]
async fn an_absence_is_answered_when_the_wait_is_over_and_not_kept() {
    let world = World::new();
    let begun = Instant::now();
    assert_eq!(world.get("/posts/p").await.status.as_u16(), 404);
    assert!(begun.elapsed() >= settings().absent_wait);
    // No frontier moved, so nobody had a reason to look twice.
    assert_eq!(world.control().reads::<Posts>(), 1);

    world.put_post("p", "ann", "text", 4).await;
    assert_eq!(world.get("/posts/p").await.status.as_u16(), 200);
}

#[tokio::test]
async fn beyond_the_waiters_an_absence_is_answered_at_once() {
    let mut settings = settings();
    settings.absent_wait = Duration::from_secs(60);
    settings.absent_waiters = 0;
    let world = World::with(settings);
    for path in ["/posts/p", "/posts/p/analysis", "/posts/p/likes"] {
        let answer = timeout(AT_ONCE, world.get(path)).await.unwrap();
        assert_eq!(answer.status.as_u16(), 404);
    }
}

#[tokio::test]
async fn where_the_projection_is_halted_nobody_waits() {
    let world = patient();
    world.progress.halted("posts", 1, partition("p"), Some("newer-event".to_owned()));
    let answer = timeout(AT_ONCE, world.get("/posts/p")).await.unwrap();
    assert_eq!(answer.problem(), "post-not-found");
}

#[tokio::test]
async fn a_partition_that_never_rests_does_not_hold_a_request_for_ever() {
    let world = World::new();
    let moves = async {
        for offset in 0.. {
            world.advance(partition("p"), offset);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let begun = Instant::now();
    tokio::select! {
        answer = world.get("/posts/p") => assert_eq!(answer.status.as_u16(), 404),
        () = moves => {}
    }
    assert!(begun.elapsed() < Duration::from_secs(20));
    // A pause that doubles lets few looks into 30 ms.
    assert!(world.control().reads::<Posts>() <= 10);
}
