//! `GET /explain/posts/{id}` on the operations port: which events made a post what it is.

use serde_json::{Value, json};

use crate::{hub, system::operations, unique, written};

/// What a projection made of an event.
fn outcome<'a>(event: &'a Value, projection: &str) -> &'a str {
    let mut projections = event["projections"].as_array().unwrap().iter();
    let found = projections.find(|explained| explained["projection"] == projection).unwrap();
    found["outcome"].as_str().unwrap()
}

#[tokio::test]
async fn every_event_of_a_post_is_told_with_its_rule_and_what_it_changed() {
    let (hub, operations) = (hub().await, operations().await);
    let author = unique("author");
    let post = written(&hub, json!({"user_id": author, "content": "Three little words"})).await;
    let path = format!("/posts/{}", post.id);
    hub.patch(&path, &json!({"content": "Not mine"})).wait(10).await;
    let last = hub.put(&format!("{path}/likes/{author}")).wait(10).await.expect(204);
    for read in [&path, &format!("{path}/analysis")] {
        hub.get(read).after(&last).wait(10).await.expect(200);
    }

    for answer in operations.get(&format!("/explain/posts/{}", post.id)).await {
        let told = answer.expect(200).json();
        let [created, refused, liked] = &told["events"].as_array().unwrap()[..] else {
            panic!("{told:#}");
        };
        assert_eq!(outcome(created, "posts"), "applied");
        assert_eq!(outcome(refused, "posts"), "rejected: not-author");
        assert_eq!(outcome(liked, "likes"), "applied");
        let analysis = &created["projections"][1]["changes"][0];
        assert_eq!(analysis["table"], "post_analysis");
        assert_eq!(analysis["holds"]["word_count"], 3, "{told:#}");
        let likes = &liked["projections"][2]["changes"];
        assert!(likes.as_array().unwrap().iter().any(|row| row["holds"]["like_count"] == 1));

        let tables = told["copies"].as_array().unwrap().iter();
        for table in tables.filter(|copy| copy["tier"] == "table") {
            let event = if table["projection"] == "likes" { liked } else { created };
            assert_eq!(table["reflects"], event["offset"], "{told:#}");
            assert!(table["as_of"].as_i64() >= table["reflects"].as_i64());
            assert_eq!(table["holds"]["life"], "live");
        }
    }
    for answer in operations.get("/explain/posts/nobody-wrote-this").await {
        answer.problem(404, "not-found");
    }
}
