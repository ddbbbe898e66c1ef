//! `POST /posts/batch`, as a JSON array and as NDJSON.

use std::time::Duration;

use hubbub_testkit::{
    answer::{Answer, ProblemDocument},
    client::{API, Call, Client, eventually},
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{hub, read_post, system::hub_apart, unique};

/// How long ten thousand posts may take until every projection has them.
const FOLDED: Duration = Duration::from_secs(60);
const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

fn batch(hub: &Client, media_type: &str, body: impl Into<String>) -> Call {
    hub.ingest(Method::POST, &format!("{API}/posts/batch")).body(media_type, body.into())
}

fn lines(items: &[Value]) -> String {
    items.iter().map(|item| format!("{item}\n")).collect()
}

fn results(answer: &Answer) -> Vec<Value> {
    serde_json::from_value(answer.json()["results"].take()).unwrap()
}

/// The ids of the posts that were accepted, in order, each item checked.
fn accepted(answer: &Answer) -> Vec<String> {
    let ids = results(answer).into_iter().filter(|item| item["status"] == "accepted");
    ids.map(|item| {
        assert_eq!(item.as_object().unwrap().len(), 4, "{item}");
        assert!(item["event_id"].is_string() && item["receipt"].is_string(), "{item}");
        item["id"].as_str().unwrap().to_owned()
    })
    .collect()
}

#[tokio::test]
async fn posts_come_in_as_an_array_or_line_by_line() {
    let hub = hub().await;
    for form in [JSON, NDJSON] {
        let user = unique("user");
        let posts = [
            json!({"id": unique("batch"), "user_id": user, "content": "one", "hashtags": ["A"]}),
            json!({"user_id": user, "content": "two words"}),
            json!({"id": unique("batch"), "user_id": user, "content": "now three words"}),
        ];
        let body = if form == JSON { json!(posts).to_string() } else { lines(&posts) };
        let answer = batch(&hub, form, body).await.expect(202);
        let ids = accepted(&answer);
        assert_eq!(ids.len(), 3);
        assert_eq!(
            (json!(ids[0]), json!(ids[2])),
            (posts[0]["id"].clone(), posts[2]["id"].clone())
        );

        // One token for all of them.
        for (id, post) in ids.iter().zip(&posts) {
            let read = read_post(&hub, id, &answer).await;
            assert_eq!((&read["content"], &read["version"]), (&post["content"], &json!(1)));
        }
        let totals = hub
            .get(&format!("/users/{user}/analysis"))
            .after(&answer)
            .wait(10)
            .await
            .expect(200)
            .json();
        assert_eq!((&totals["post_count"], &totals["word_count"]), (&json!(3), &json!(6)));
        for receipt in results(&answer).iter().filter_map(|item| item["receipt"].as_str()) {
            let receipt =
                hub.get(&format!("/receipts/{receipt}")).after(&answer).wait(10).await.expect(200);
            assert_eq!(receipt.string("status"), "applied");
        }
    }
}

#[tokio::test]
async fn blank_lines_and_the_last_lines_end_are_nobodys_posts() {
    let hub = hub().await;
    let post = json!({"content": "x"});
    for body in [format!("{post}"), format!("\n{post}\r\n\n{post}\n\n")] {
        let posts = body.matches("content").count();
        assert_eq!(accepted(&batch(&hub, NDJSON, body).await.expect(202)).len(), posts);
    }
}

#[tokio::test]
async fn bad_items_are_refused_one_by_one() {
    let hub = hub().await;
    let too_long = "x".repeat(65_537);
    let items = [
        (json!({"content": "good"}), None),
        (json!({"content": ""}), Some((422, "validation-failed", "content"))),
        (json!({"contents": "x"}), Some((422, "unknown-field", "contents"))),
        (json!({"id": "a b", "content": "x"}), Some((422, "validation-failed", "id"))),
        (json!({"content": too_long}), Some((413, "too-large", "content"))),
        (
            json!({"content": "x", "hashtags": ["no tag"]}),
            Some((422, "validation-failed", "hashtags")),
        ),
        (json!("a string"), Some((422, "validation-failed", "body"))),
        (json!(["a", "b", "c", []]), Some((422, "validation-failed", "body"))),
        (json!({"user_id": 5, "content": "x"}), Some((422, "validation-failed", "user_id"))),
        (json!({"content": "good too"}), None),
    ];
    let documents: Vec<_> = items.iter().map(|(item, _)| item.clone()).collect();
    for (form, body) in [(JSON, json!(documents).to_string()), (NDJSON, lines(&documents))] {
        let answer = batch(&hub, form, body).await.expect(202);
        let results = results(&answer);
        assert_eq!(results.len(), items.len());
        for (result, (item, expected)) in results.iter().zip(&items) {
            let Some((status, name, field)) = *expected else {
                assert_eq!(result["status"], "accepted", "{item}");
                continue;
            };
            assert_eq!(result["status"], "refused", "{item}");
            assert_eq!(result.as_object().unwrap().len(), 2, "{result}");
            let problem = ProblemDocument(result["problem"].clone());
            problem.is(status, name).says(&[field]);
        }
    }
}

#[tokio::test]
async fn of_ten_thousand_posts_three_bad_ones_cost_nothing_but_themselves() {
    let hub = hub_apart().await;
    let (user, run) = (unique("user"), unique("b"));
    let bad = [17, 5_000, 9_999];
    let mut posts: Vec<_> = (0..10_000)
        .map(|n| json!({"id": format!("{run}.{n}"), "user_id": user, "content": "two words"}))
        .collect();
    posts[bad[0]] = json!({"user_id": user});
    posts[bad[1]] = json!({"user_id": user, "content": "\0"});
    posts[bad[2]] = json!({"user_id": user, "content": "x", "id": "batch"});

    let answer = batch(&hub, JSON, json!(posts).to_string()).await.expect(202);
    let results = results(&answer);
    assert_eq!(results.len(), 10_000);
    for (n, result) in results.iter().enumerate() {
        if bad.contains(&n) {
            assert_eq!(result["status"], "refused", "{n}: {result}");
            ProblemDocument(result["problem"].clone()).is(422, "validation-failed");
            continue;
        }
        let expected = (json!("accepted"), json!(format!("{run}.{n}")));
        assert_eq!((&result["status"], &result["id"]), (&expected.0, &expected.1));
    }
    // That many may take longer to fold than any single request waits.
    let totals = eventually(FOLDED, || async {
        let totals = hub.get(&format!("/users/{user}/analysis")).after(&answer).wait(10).await;
        if totals.status == 200 { Ok(totals.json()) } else { Err(totals) }
    })
    .await;
    assert_eq!(
        totals,
        json!({"user_id": user, "post_count": 9_997, "word_count": 19_994, "average_word_length": 4.0})
    );

    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = eventually(FOLDED, || async {
            let page = hub.get(&format!("/users/{user}/posts?limit=100{cursor}")).after(&answer);
            let page = page.wait(10).await;
            if page.status == 200 { Ok(page.json()) } else { Err(page) }
        })
        .await;
        let items = page["items"].as_array().unwrap();
        found.extend(items.iter().filter_map(|post| post["id"].as_str()).map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    let mut expected: Vec<_> =
        (0..10_000).filter(|n| !bad.contains(n)).map(|n| format!("{run}.{n}")).collect();
    expected.sort();
    found.sort();
    assert!(found == expected, "{} posts of 9,997 are in the author's pages", found.len());
}

#[tokio::test]
async fn a_batch_has_one_to_ten_thousand_posts() {
    let hub = hub().await;
    let user = unique("user");
    let post = json!({"user_id": user, "content": "x"});
    let many = vec![post.clone(); 10_001];
    let refused = batch(&hub, JSON, json!(many).to_string()).await;
    refused.problem(413, "too-large").says(&["10001", "10000"]);
    let refused = batch(&hub, NDJSON, lines(&many)).await;
    refused.problem(413, "too-large").says(&["10001", "10000"]);
    for (form, body) in [(JSON, "[]"), (NDJSON, ""), (NDJSON, "\n \n")] {
        batch(&hub, form, body)
            .await
            .problem(422, "validation-failed")
            .blames("body")
            .says(&["10000"]);
    }
    // Nothing of what was refused was appended before.
    let last = batch(&hub, JSON, json!([post]).to_string()).await.expect(202);
    let totals =
        hub.get(&format!("/users/{user}/analysis")).after(&last).wait(10).await.expect(200).json();
    assert_eq!(totals["post_count"], 1);
}

#[tokio::test]
async fn a_body_that_is_not_json_throughout_appends_nothing() {
    let hub = hub().await;
    let user = unique("user");
    let post = json!({"user_id": user, "content": "x"}).to_string();
    for body in [
        format!("[{post},{post}"),
        format!("[{post},]"),
        format!("[{post} {post}]"),
        format!("{post}\n{post}"),
        format!("[{post}]]"),
        String::new(),
    ] {
        batch(&hub, JSON, body).await.problem(400, "malformed-json");
    }
    for body in
        [format!("{post}\n{{\n{post}"), format!("{post}{post}"), format!("{post}\nnot json")]
    {
        batch(&hub, NDJSON, body).await.problem(400, "malformed-json").says(&["line"]);
    }
    let refused = batch(&hub, NDJSON, format!("{post}\n{post}\n{{\"content\":}}\n")).await;
    refused.problem(400, "malformed-json").says(&["line 3"]);
    for other in ["{}", "null", "\"posts\"", &post] {
        batch(&hub, JSON, other).await.problem(422, "validation-failed").blames("body");
    }
    let mut invalid = format!("[{post}]").into_bytes();
    invalid[post.len() - 2] = 0xff;
    let call = hub.ingest(Method::POST, &format!("{API}/posts/batch")).body(JSON, invalid);
    call.await.problem(400, "malformed-json").says(&["UTF-8"]);

    let last = batch(&hub, JSON, format!("[{post}]")).await.expect(202);
    let totals =
        hub.get(&format!("/users/{user}/analysis")).after(&last).wait(10).await.expect(200).json();
    assert_eq!(totals["post_count"], 1);
}

#[tokio::test]
async fn a_batch_of_bad_items_alone_is_refused_with_each_ones_problem() {
    let hub = hub().await;
    let refused = batch(&hub, JSON, r#"[{"content": ""}, {"content": 5}]"#).await;
    let problem = refused.problem(422, "validation-failed");
    assert!(refused.header("consistency-token").is_none());
    let results = problem.0["results"].as_array().unwrap();
    assert!(
        results.len() == 2 && results.iter().all(|item| item["status"] == "refused"),
        "{results:?}"
    );
}

#[tokio::test]
async fn a_batchs_body_has_16_mib_at_most() {
    let hub = hub().await;
    let post = json!([{"content": "x"}]).to_string();
    let limit = 16 * 1024 * 1024;
    let largest = format!("{post}{}", " ".repeat(limit - post.len()));
    let too_large = format!("{largest} ");
    assert_eq!(accepted(&batch(&hub, JSON, largest).await.expect(202)).len(), 1);
    batch(&hub, JSON, too_large).await.problem(413, "too-large").says(&["16777216"]);
}

#[tokio::test]
async fn a_batch_waits_for_nothing() {
    let hub = hub().await;
    let answer = batch(&hub, JSON, r#"[{"content": "x"}]"#).wait(10).await.expect(202);
    assert_eq!(answer.header("preference-applied"), None);
    assert_eq!(results(&answer)[0]["status"], "accepted");
}

#[tokio::test]
async fn of_one_id_twice_in_a_batch_the_first_counts() {
    let hub = hub().await;
    let (id, user) = (unique("twice"), unique("user"));
    let posts = [
        json!({"id": id, "user_id": user, "content": "the first"}),
        json!({"id": id, "user_id": user, "content": "the second one"}),
        json!({"id": id, "user_id": user, "content": "the first"}),
    ];
    let answer = batch(&hub, JSON, json!(posts).to_string()).await.expect(202);
    assert_eq!(accepted(&answer), [id.as_str(); 3]);
    assert_eq!(read_post(&hub, &id, &answer).await["content"], "the first");
    let mut statuses = Vec::new();
    for receipt in results(&answer).iter().filter_map(|item| item["receipt"].as_str()) {
        let receipt =
            hub.get(&format!("/receipts/{receipt}")).after(&answer).wait(10).await.expect(200);
        statuses.push(receipt.string("status"));
    }
    assert_eq!(statuses, ["applied", "rejected", "applied"]);
    let totals = hub
        .get(&format!("/users/{user}/analysis"))
        .after(&answer)
        .wait(10)
        .await
        .expect(200)
        .json();
    assert_eq!((&totals["post_count"], &totals["word_count"]), (&json!(1), &json!(2)));
}

#[tokio::test]
async fn a_batch_is_json_or_lines_of_json() {
    let hub = hub().await;
    for media_type in ["text/plain", "application/ndjson", "application/json; charset=latin1"] {
        let refused = batch(&hub, media_type, "[]").await;
        refused.problem(415, "unsupported-media-type").says(&[JSON, NDJSON]);
        assert_eq!(refused.header("accept"), Some("application/json, application/x-ndjson"));
    }
}
