use std::time::Duration;

use hubbub_events::{LogIdentity, Position, Timestamp};
use hubbub_tables::{
    Reason,
    posts::{Receipt, ReceiptOutcome},
};
use hubbub_web::ReceiptId;
use serde_json::json;

use crate::world::{World, identity, settings, within};

fn receipt(at: Position) -> ReceiptId {
    ReceiptId { at, identity: identity(), time: Timestamp::now(), event_id: "event".to_owned() }
}

fn row(outcome: ReceiptOutcome, reason: Reason) -> Receipt {
    Receipt { event_id: "event".to_owned(), outcome, reason }
}

async fn get(world: &World, receipt: &ReceiptId) -> crate::world::Answer {
    world.get(&format!("/receipts/{}", receipt.seal())).await
}

#[tokio::test]
async fn what_became_of_events() {
    let world = World::new();
    world.put_receipt(within(1).at(3), row(ReceiptOutcome::Applied, Reason::None)).await;
    world.put_receipt(within(1).at(4), row(ReceiptOutcome::Rejected, Reason::IdTaken)).await;
    // A row may be there before the frontier says so.
    world.put_receipt(within(1).at(8), row(ReceiptOutcome::Applied, Reason::None)).await;
    world.progress.advanced("posts", 1, within(1), 6);

    for (offset, status, problem) in [
        (3, "applied", None),
        (4, "rejected", Some((409, "id-taken"))),
        (5, "dead-letter", Some((500, "dead-letter"))),
        (6, "expired", None),
        (7, "pending", None),
        (8, "applied", None),
    ] {
        let mut asked = receipt(within(1).at(offset));
        // Offset 5 was folded a moment ago and left nothing; offset 6 was long ago.
        asked.time = if offset == 6 { Timestamp(0) } else { Timestamp::now() };
        let answer = get(&world, &asked).await;
        assert_eq!(answer.status.as_u16(), 200);
        let document = answer.json();
        assert_eq!(document["event_id"], "event");
        assert_eq!(document["status"], status, "{offset}");
        match problem {
            None => assert_eq!(document, json!({"event_id": "event", "status": status})),
            Some((status, slug)) => {
                assert_eq!(document["problem"]["status"], status);
                assert_eq!(document["problem"]["type"], format!("urn:hubbub:problem:{slug}"));
            }
        }
        assert_eq!(answer.reflects(), [("posts".to_owned(), 1, if offset == 8 { 8 } else { 6 })]);
    }
}

#[tokio::test]
async fn a_pending_receipt_is_waited_for_a_moment() {
    let mut settings = settings();
    settings.absent_wait = Duration::from_secs(30);
    let world = World::with(settings);
    let asked = receipt(within(0).at(2));
    let applies = async {
        world.put_receipt(asked.at, row(ReceiptOutcome::Applied, Reason::None)).await;
        world.progress.advanced("posts", 1, within(0), 2);
    };
    let (answer, ()) = tokio::join!(get(&world, &asked), applies);
    assert_eq!(answer.json()["status"], "applied");
}

#[tokio::test]
async fn receipts_that_are_none() {
    let world = World::new();
    world.put_receipt(within(1).at(3), row(ReceiptOutcome::Applied, Reason::None)).await;
    world.progress.advanced("posts", 1, within(1), 6);
    let good = receipt(within(1).at(3));

    for text in ["abc", "%20", &good.seal()[1..], &format!("{}x", good.seal())] {
        let answer = world.get(&format!("/receipts/{text}")).await;
        assert_eq!((answer.status.as_u16(), &*answer.problem()), (400, "invalid-receipt"));
    }
    let elsewhere = ReceiptId { at: within(99).at(3), ..good.clone() };
    assert_eq!(get(&world, &elsewhere).await.problem(), "invalid-receipt");

    let of_another_log = ReceiptId { identity: LogIdentity("x".to_owned()), ..good.clone() };
    let of_another_event = ReceiptId { event_id: "other".to_owned(), ..good };
    for receipt in [of_another_log, of_another_event] {
        let answer = get(&world, &receipt).await;
        assert_eq!((answer.status.as_u16(), &*answer.problem()), (404, "not-found"));
    }
}
