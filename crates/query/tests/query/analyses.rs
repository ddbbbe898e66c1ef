use hubbub_tables::analysis::{AnalysisHead, AuthorTotals};
use serde_json::json;

use crate::world::{ALL, World, partition, within};

fn five_words() -> AnalysisHead {
    AnalysisHead {
        word_count: 5,
        char_sum: 17,
        analyzer: "uax29-nfc/1".to_owned(),
        ..AnalysisHead::created_by("ann")
    }
}

#[tokio::test]
async fn an_analysis_has_the_documented_shape() {
    let world = World::new();
    world.put_analysis("p", five_words(), 4).await;
    world.progress.advanced("analysis", 1, partition("p"), 6);

    let answer = world.get("/posts/p/analysis/").await;
    assert_eq!(answer.status.as_u16(), 200);
    let expected = r#"{"post_id":"p","user_id":"ann","word_count":5,"average_word_length":3.4,"analyzer":"uax29-nfc/1"}"#;
    assert_eq!(answer.body, expected);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.reflects(), [("analysis".to_owned(), partition("p").partition, 6)]);
}

#[tokio::test]
async fn a_text_without_words_and_one_of_nobody() {
    let world = World::new();
    let head = AnalysisHead { word_count: 0, char_sum: 0, user_id: String::new(), ..five_words() };
    world.put_analysis("p", head, 4).await;
    let analysis = world.get("/posts/p/analysis").await.json();
    assert_eq!(analysis["user_id"], json!(null));
    assert_eq!(analysis["average_word_length"], 0.0);
}

#[tokio::test]
async fn an_average_is_an_unrounded_double() {
    let world = World::new();
    let head = AnalysisHead { word_count: 3, char_sum: 10, ..five_words() };
    world.put_analysis("p", head, 4).await;
    let analysis = world.get("/posts/p/analysis").await.json();
    assert_eq!(analysis["average_word_length"], 10.0 / 3.0);
}

#[tokio::test]
async fn why_there_is_no_analysis() {
    let world = World::new();
    world.put_post("waiting", "ann", "text", 3).await;
    world.put_analysis("failed", AnalysisHead { failed: true, ..five_words() }, 3).await;
    world.create("gone", "ann", "text", 3).await;
    world.delete("gone", "ann", &["analysis"], 4).await;
    world.put_post("gone-unseen", "ann", "text", 3).await;
    world.delete("gone-unseen", "ann", &["posts"], 4).await;

    for (id, status, problem, retry_after) in [
        ("never", 404, "post-not-found", None),
        ("waiting", 404, "not-analyzed-yet", Some("1")),
        ("failed", 404, "analysis-failed", None),
        ("gone", 410, "post-deleted", None),
        ("gone-unseen", 410, "post-deleted", None),
    ] {
        // Twice, as some of them are answered from the cache by then.
        for _ in 0..2 {
            let answer = world.get(&format!("/posts/{id}/analysis")).await;
            assert_eq!((answer.status.as_u16(), &*answer.problem()), (status, problem), "{id}");
            assert_eq!(answer.header("retry-after"), retry_after);
        }
    }
    let waiting = world.get("/posts/waiting/analysis").await;
    let posts = ("posts".to_owned(), partition("waiting").partition, 3);
    assert!(waiting.reflects().contains(&posts));
}

#[tokio::test]
async fn totals_are_added_up_over_the_partitions() {
    let world = World::new();
    world.put_totals("ann", 0, AuthorTotals { posts: 1, words: 2, chars: 7 }, 3).await;
    world.put_totals("ann", 3, AuthorTotals { posts: 4, words: 1, chars: 3 }, 9).await;
    for projection in ALL {
        (0..4).for_each(|p| world.progress.advanced(projection, 1, within(p), 5));
    }
    let answer = world.get("/users/ann/analysis").await;
    let expected = r#"{"user_id":"ann","post_count":5,"word_count":3,"average_word_length":3.3333333333333335}"#;
    assert_eq!(answer.body, expected);
    let reflects = [(0, 5), (1, 5), (2, 5), (3, 9)];
    assert_eq!(answer.reflects(), reflects.map(|(p, at)| ("analysis".to_owned(), p, at)));
}

#[tokio::test]
async fn the_totals_of_an_unknown_user_are_zero() {
    let world = World::new();
    let answer = world.get("/users/nobody/analysis").await;
    assert_eq!(answer.status.as_u16(), 200);
    let expected =
        json!({"user_id": "nobody", "post_count": 0, "word_count": 0, "average_word_length": 0.0});
    assert_eq!(answer.json(), expected);
    assert_eq!(world.get("/users/a%2Fb/analysis").await.status.as_u16(), 422);
}
