//! Readers go over to another build of a projection.

use hubbub_store::{Store, frontiers_table};
use hubbub_tables::{
    Change, Frontiers, PostAnalysis, analysis::AnalysisHead, bookkeeping::Frontier,
};
use hubbub_web::TOKEN_HEADER;

use crate::world::{World, identity, partition, stored};

fn words(word_count: i64) -> AnalysisHead {
    AnalysisHead { word_count, ..AnalysisHead::created_by("ann") }
}

/// What the second build of the analysis says of a post, and how far it is.
async fn fold_anew(world: &World, post_id: &str, head: AnalysisHead, offset: i64) {
    let table = world.store.table::<PostAnalysis>(2).unwrap();
    let head = Some(stored(offset, head));
    let partition_key = (post_id.to_owned(),);
    table.apply(vec![Change { partition: partition_key, head, rows: Vec::new() }]).await.unwrap();
    let frontier = Frontier { log_offset: offset, log_identity: identity().0 };
    let rows = vec![(Frontiers::key(partition(post_id)), stored(offset, frontier))];
    let change = Change { partition: ("analysis".to_owned(), 2), head: None, rows };
    frontiers_table(&world.store).unwrap().apply(vec![change]).await.unwrap();
}

#[tokio::test]
async fn another_build_is_answered_at_once_and_no_token_is_broken() {
    let world = World::new();
    world.create("p", "ann", "text", 5).await;
    let path = "/posts/p/analysis";
    let before = world.get(path).await;
    assert_eq!(before.json()["word_count"], 0);
    let token = before.header(TOKEN_HEADER).unwrap().to_owned();

    fold_anew(&world, "p", words(7), 5).await;
    assert_eq!(world.get(path).await.json()["word_count"], 0, "nobody reads it yet");
    let change = world.reader.prepare("analysis", 2).unwrap();
    world.progress.switch(&world.store, "analysis", 2, change).await.unwrap();
    // Nothing that was kept of the other one is answered.
    assert_eq!(world.get(path).await.json()["word_count"], 7);
    let after = world.get_after(path, &token, "wait=0").await;
    assert_eq!((after.status.as_u16(), after.json()["word_count"].clone()), (200, 7.into()));
    assert_eq!(after.reflects(), before.reflects());
    // The other projections are read as before.
    assert_eq!(world.get("/posts/p").await.json()["content"], "text");
    // What the old build still does is of no account.
    world.progress.advanced("analysis", 1, partition("p"), 90);
    assert_eq!(world.progress.frontier("analysis", partition("p")), 5);
}
