//! Reading posts that Redis has, against a handler that answers what one key holds.

use anyhow::{Context, ensure};
use hubbub_testkit::{fleet::Fleet, stack};
use redis::AsyncCommands;

use crate::{
    Plan, backlog, bare,
    load::{self, CONNECTIONS},
    measured::Measured,
    server::Server,
};

/// Read in turn.
const POSTS: usize = 2_000;
/// Longer than the bench.
const EXPIRY_SECONDS: u64 = 600;

pub async fn from_redis(plan: &Plan) -> anyhow::Result<()> {
    let fleet = Fleet::new(&plan.hubbub).await;
    backlog::append(&fleet, "post", POSTS).await?;
    let worker = backlog::role(&fleet, "worker", &[]).await?;
    for projection in ["posts", "likes"] {
        backlog::fold(&worker, projection, POSTS).await?;
    }
    worker.stop().await?;
    let reads: Vec<_> = backlog::ids("post", POSTS).map(|id| load::read_request(&id)).collect();
    let keys: Vec<_> = backlog::ids(&fleet.topic_prefix(), POSTS).collect();
    keep(&keys).await?;
    let bare_reads: Vec<_> = keys.iter().map(|key| load::read_request(key)).collect();

    let (mut ours, mut bare) = (Measured::default(), Measured::default());
    for _ in 0..plan.rounds {
        // Nothing is kept in the process, so each read is Redis's to serve.
        let settings =
            [("HUBBUB__QUERY__CACHE__SIZE", "0B"), ("HUBBUB__REDIS__TIME_TO_LIVE", "10m")];
        let server = backlog::role(&fleet, "query", &settings).await?;
        load::run_once(server.port, CONNECTIONS, &reads, 200).await?;
        let before = hits(&server).await?;
        let load = ours.measure(&server, (&reads, 1), (CONNECTIONS, 200), plan.time).await?;
        // A post is two entries: itself and its likes.
        let share = (hits(&server).await? - before) / 2.0 / load.requests as f64;
        ensure!(share > 0.99, "Redis served {share:.2} of the reads");
        server.stop().await?;
        let server = Server::bare("redis", &[&stack::redis()]).await?;
        bare.measure(&server, (&bare_reads, 1), (CONNECTIONS, 200), plan.time).await?;
        server.kill().await?;
    }
    ours.print("reading posts that Redis has, 64 connections", &bare, "the bare Redis handler");
    Ok(())
}

/// How many entries Redis has answered.
async fn hits(server: &Server) -> anyhow::Result<f64> {
    let labels = ["tier=\"redis\"", "result=\"hit\""];
    server.metric("hubbub_cache_requests_total", &labels).await
}

/// Has Redis keep what the baseline answers.
async fn keep(keys: &[String]) -> anyhow::Result<()> {
    let client = redis::Client::open(format!("redis://{}", stack::redis()))?;
    let mut redis = client.get_multiplexed_async_connection().await.context("no Redis")?;
    for key in keys {
        let () = redis.set_ex(key, bare::stored_post(), EXPIRY_SECONDS).await?;
    }
    Ok(())
}
