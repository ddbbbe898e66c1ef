//! `GET /explain/posts/{id}` on the operations port, and `hubbub explain post`: which events made a post what it is, and
//! how old each copy of it is.

use std::{process::Command, time::Duration};

use hubbub_testkit::{answer::Answer, client::eventually};
use serde_json::{Value, json};

use crate::{
    hub,
    system::{operations, operations_urls},
    unique, written,
};

/// What is read is kept in the process for a second: a look that came too late is repeated, after another read.
const PATIENCE: Duration = Duration::from_secs(20);

/// A post that was liked, and that somebody else wanted to edit.
struct Story {
    id: String,
    author: String,
    last: Answer,
}

impl Story {
    async fn new() -> Self {
        let hub = hub().await;
        let author = unique("author");
        let post = written(&hub, json!({"user_id": author, "content": "Three little words"})).await;
        let path = format!("/posts/{}", post.id);
        hub.patch(&path, &json!({"content": "Not mine"})).wait(10).await;
        let last = hub.put(&format!("{path}/likes/{author}")).wait(10).await.expect(204);
        Self { id: post.id, author, last }
    }

    async fn read(&self) {
        let hub = hub().await;
        let path = format!("/posts/{}", self.id);
        for read in [&path, &format!("{path}/analysis")] {
            hub.get(read).after(&self.last).wait(10).await.expect(200);
        }
    }

    /// What each operations port tells of it.
    async fn explained(&self) -> Vec<Value> {
        let answers = operations().await.get(&format!("/explain/posts/{}", self.id)).await;
        answers.into_iter().map(|answer| answer.expect(200).json()).collect()
    }

    /// What the command prints about it, of each operations port.
    async fn printed(&self) -> Vec<String> {
        let mut printed = Vec::new();
        for url in operations_urls().await {
            let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
            let output =
                command.args(["explain", "post", &self.id, "--url", url]).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            printed.push(String::from_utf8(output.stdout).unwrap());
        }
        printed
    }
}

/// What a projection made of an event.
fn outcome<'a>(event: &'a Value, projection: &str) -> &'a str {
    let mut projections = event["projections"].as_array().unwrap().iter();
    let found = projections.find(|explained| explained["projection"] == projection).unwrap();
    found["outcome"].as_str().unwrap()
}

/// Its created, refused and liked event.
fn events(told: &Value) -> [&Value; 3] {
    let events: Vec<_> = told["events"].as_array().unwrap().iter().collect();
    events.try_into().unwrap_or_else(|_| panic!("{told:#}"))
}

/// The copies in a tier.
fn copies<'a>(told: &'a Value, tier: &str) -> impl Iterator<Item = &'a Value> {
    told["copies"].as_array().unwrap().iter().filter(move |copy| copy["tier"] == tier)
}

#[tokio::test]
async fn every_event_of_a_post_is_told_with_its_rule_and_what_it_changed() {
    let story = Story::new().await;
    story.read().await;
    for told in story.explained().await {
        let [created, refused, liked] = events(&told);
        assert_eq!(outcome(created, "posts"), "applied");
        assert_eq!(outcome(refused, "posts"), "rejected: not-author");
        assert_eq!(outcome(liked, "likes"), "applied");
        let analysis = &created["projections"][1]["changes"][0];
        assert_eq!(analysis["table"], "post_analysis");
        assert_eq!(analysis["holds"]["word_count"], 3, "{told:#}");
        let likes = &liked["projections"][2]["changes"];
        assert!(likes.as_array().unwrap().iter().any(|row| row["holds"]["like_count"] == 1));

        for table in copies(&told, "table") {
            let event = if table["projection"] == "likes" { liked } else { created };
            assert_eq!(table["reflects"], event["offset"], "{told:#}");
            assert!(table["as_of"].as_i64() >= table["reflects"].as_i64());
            assert_eq!(table["holds"]["life"], "live");
        }
    }
    for answer in operations().await.get("/explain/posts/nobody-wrote-this").await {
        answer.problem(404, "not-found");
    }
}

#[tokio::test]
async fn every_copy_in_a_cache_is_told_with_what_it_reflects_and_its_age() {
    let story = Story::new().await;
    eventually(PATIENCE, || async {
        story.read().await;
        let all = story.explained().await;
        let mut found = Vec::new();
        for told in &all {
            let [created, _, liked] = events(told);
            for tier in ["process, post", "process, analysis", "redis"] {
                for copy in copies(told, tier).filter(|copy| !copy["reflects"].is_null()) {
                    let event = if copy["projection"] == "likes" { liked } else { created };
                    assert_eq!(copy["reflects"], event["offset"], "{told:#}");
                    assert!(copy["as_of"].as_i64() >= copy["reflects"].as_i64(), "{told:#}");
                    assert!(copy["age_ms"].is_u64(), "{told:#}");
                    found.push((tier, copy["projection"].as_str().unwrap()));
                }
            }
        }
        let wanted = [
            ("process, post", "posts"),
            ("process, post", "likes"),
            ("process, analysis", "analysis"),
        ];
        match wanted.iter().all(|copy| found.contains(copy)) {
            true => Ok(()),
            false => Err(format!("{found:?} in {all:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn the_command_prints_events_rules_and_copies() {
    let story = Story::new().await;
    eventually(PATIENCE, || async {
        story.read().await;
        let (told, all) = (story.explained().await, story.printed().await);
        for (told, printed) in told.iter().zip(&all) {
            let [created, refused, liked] = events(told);
            let position = |event: &Value| format!("\n@{} ", event["offset"]);
            for part in [
                format!("{} in {}\n", story.id, told["partition"].as_str().unwrap()),
                position(created),
                "post_created.content=Three little words".to_owned(),
                "analysis: applied".to_owned(),
                "word_count=3".to_owned(),
                position(refused),
                "posts: rejected: not-author".to_owned(),
                position(liked),
                format!("user_id={}", story.author),
                "likes: applied".to_owned(),
                match told["copies"].as_array().unwrap().is_empty() {
                    true => "this process has no tables".to_owned(),
                    false => format!("table: reflects @{}", liked["offset"]),
                },
            ] {
                assert!(printed.contains(&part), "no {part:?} in {printed}");
            }
        }
        let is_told =
            |line: &str| line.contains(", process, post: ") && line.contains(", kept for ");
        match all.iter().flat_map(|printed| printed.lines()).any(is_told) {
            true => Ok(()),
            false => Err(all.join("\n")),
        }
    })
    .await;
}

#[tokio::test]
async fn of_a_long_story_its_end_is_told() {
    let hub = hub().await;
    let author = unique("author");
    let post = json!({"user_id": author, "content": "The beginning"});
    let id = written(&hub, post).await.id;
    let edits = 60;
    for number in 1..=edits {
        // More than 4 MiB of answer, all together.
        let content = format!("{number} {}", "a".repeat(60_000));
        let edit = json!({"user_id": author, "content": content});
        let edit = hub.patch(&format!("/posts/{id}"), &edit).wait(10);
        edit.await.expect(200);
    }
    for answer in operations().await.get(&format!("/explain/posts/{id}")).await {
        let told = answer.expect(200).json();
        let events = told["events"].as_array().unwrap();
        let earlier = told["earlier"].as_u64().unwrap() as usize;
        assert_eq!(earlier + events.len(), edits + 1, "{earlier} earlier");
        assert!(earlier > 1, "{earlier} earlier");
        // What came before is folded all the same.
        let last = &events.last().unwrap()["projections"][0];
        let head = last["changes"].as_array().unwrap().iter().find(|row| row["table"] == "posts");
        assert_eq!(head.unwrap()["holds"]["version"], edits + 1);
    }
    for url in operations_urls().await {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubbub"));
        let output = command.args(["explain", "post", &id, "--url", url]).output().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        assert!(printed.contains(" earlier events are not told\n"), "{printed}");
    }
}
