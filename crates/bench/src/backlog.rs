//! Posts in a fleet's log, and the folding of them.

use std::process::Stdio;

use anyhow::Context;
use hubbub_testkit::{fleet::Fleet, stack};
use tokio::time::interval;

use crate::{
    bare::Folded,
    load,
    posts::{BATCH, BATCH_CONNECTIONS},
    samples::{self, Samples},
    server::{Server, on_first_core},
};

/// Between whom posts are shared out.
const AUTHORS: usize = 100;
/// Ends at once when told to; nothing is measured then.
pub const AT_ONCE: (&str, &str) = ("HUBBUB__SHUTDOWN__UNREADY_WAIT", "0s");

/// A worker of nothing but the analysis, which refreshes no cache: as little as the baseline does.
pub const ANALYSIS: [(&str, &str); 2] =
    [("HUBBUB__WORKER__PROJECTIONS", "analysis"), ("HUBBUB__CACHE__KIND", "none")];

/// The author of a post by its id, of which the end is a number.
pub fn author_of(id: &str) -> String {
    let digits = id.rsplit('-').next().unwrap_or_default();
    author(digits.parse().unwrap_or_default())
}

fn author(post: usize) -> String {
    format!("author-{}", post % AUTHORS)
}

/// The ids of so many posts.
pub fn ids(prefix: &str, posts: usize) -> impl Iterator<Item = String> {
    (0..posts).map(move |number| format!("{prefix}-{number}"))
}

/// The requests that create so many posts.
pub fn batches(prefix: &str, posts: usize) -> Vec<Vec<u8>> {
    let content = load::content();
    let lines: Vec<_> = ids(prefix, posts)
        .map(|id| {
            let author = author_of(&id);
            format!("{{\"id\":\"{id}\",\"user_id\":\"{author}\",\"content\":\"{content}\"}}\n")
        })
        .collect();
    lines.chunks(BATCH).map(|lines| load::batch_request(&lines.concat())).collect()
}

/// The request that edits one of them.
pub fn edit_request(prefix: &str, number: usize) -> Vec<u8> {
    let (author, content) = (author(number), load::content());
    let body = format!("{{\"user_id\":\"{author}\",\"content\":\"{content}\"}}");
    let path = format!("/api/v1/posts/{prefix}-{number}");
    load::request("PATCH", &path, "application/json", body.as_bytes())
}

/// A process of a fleet, with settings of its own.
pub async fn role(fleet: &Fleet, role: &str, settings: &[(&str, &str)]) -> anyhow::Result<Server> {
    let mut command = fleet.command(&[role]);
    command.envs([AT_ONCE]).envs(settings.iter().copied());
    Server::of_fleet(&command).await.with_context(|| format!("hubbub {role}"))
}

/// Appends posts to a fleet's log; their ids are the prefix and a number.
pub async fn append(fleet: &Fleet, prefix: &str, posts: usize) -> anyhow::Result<()> {
    let server = role(fleet, "ingest", &[]).await?;
    load::run_once(server.port, BATCH_CONNECTIONS, &batches(prefix, posts), 202).await?;
    server.stop().await
}

/// Has a worker fold what waits for a projection, which is so many records.
pub async fn fold(worker: &Server, projection: &str, records: usize) -> anyhow::Result<Samples> {
    let label = format!("projection=\"{projection}\"");
    let mut samples = Samples::new(records);
    let mut ticks = interval(samples::EVERY);
    loop {
        ticks.tick().await;
        let folded = worker.metric("hubbub_records_total", &[&label]).await?;
        if !samples.note(worker.processor_time()?, folded) {
            return Ok(samples);
        }
    }
}

/// The topic of a fleet's posts.
pub fn topic(fleet: &Fleet) -> String {
    format!("{}hubbub.posts.v1", fleet.topic_prefix())
}

/// Has the bare drivers consume one fleet's posts and fold those with a prefix into another's tables.
pub async fn fold_bare(
    from: &Fleet,
    into: &Fleet,
    prefix: &str,
    posts: usize,
) -> anyhow::Result<Folded> {
    let mut command = on_first_core(&std::env::current_exe()?);
    command
        .args(["bare", "fold", &stack::kafka(), &topic(from), &stack::cassandra()])
        .args([&into.keyspace(), prefix, &posts.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    let output = command.output().await?;
    serde_json::from_slice(&output.stdout).context("the bare drivers did not get to the end")
}
