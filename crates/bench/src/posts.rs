//! Accepting posts: durably, against a handler that keeps nothing.

use tempfile::TempDir;

use crate::{
    Plan,
    load::{self, CONNECTIONS},
    server::Server,
    stats::{Figures, print_line},
};

const BATCH: usize = 1_000;

/// An empty list: nothing is folded.
const NO_PROJECTIONS: (&str, &str) = ("HUBBUB__WORKER__PROJECTIONS", "");

/// Single posts at 64 connections: accepted alone, and with all projections behind.
pub async fn single(plan: &Plan) -> anyhow::Result<()> {
    let (mut alone, mut whole) = (Measured::default(), Measured::default());
    let mut bare = Measured::default();
    for _ in 0..plan.rounds {
        let data = TempDir::new()?;
        alone.measure(plan, Server::hubbub(&plan.hubbub, &data, &[NO_PROJECTIONS]).await?).await?;
        let data = TempDir::new()?;
        whole.measure(plan, Server::hubbub(&plan.hubbub, &data, &[]).await?).await?;
        bare.measure(plan, Server::bare().await?).await?;
    }
    alone.print("durable posts, 64 connections", &bare);
    whole.print("the same with all projections on the same core", &bare);
    Ok(())
}

/// What accepting posts came to, round by round.
#[derive(Default)]
struct Measured {
    rate: Figures,
    processor: Figures,
}

impl Measured {
    async fn measure(&mut self, plan: &Plan, server: Server) -> anyhow::Result<()> {
        let before = server.processor_time()?;
        let request = load::create_request();
        let load = load::run(server.port, CONNECTIONS, &request, 202, plan.time).await?;
        let used = server.processor_time()? - before;
        self.rate.push(load.per_second());
        self.processor.push(used.as_secs_f64() * 1e6 / load.requests as f64);
        server.kill().await
    }

    fn print(&self, what: &str, bare: &Self) {
        let share = 100.0 * self.rate.ratio_to(&bare.rate);
        let result = format!("{share:.0} % of the bare handler");
        print_line(what, &self.rate.show("/s"), &bare.rate.show("/s"), &result);
        let times = format!("{:.1} times", self.processor.ratio_to(&bare.processor));
        let (ours, bare) = (self.processor.show("µs"), bare.processor.show("µs"));
        print_line("– processor time a post", &ours, &bare, &times);
    }
}

/// Batches of a thousand posts on four connections.
pub async fn batches(plan: &Plan) -> anyhow::Result<()> {
    let line = format!("{{\"user_id\":\"bench-user\",\"content\":\"{}\"}}\n", load::content());
    let body = line.repeat(BATCH);
    let request =
        load::request("POST", "/api/v1/posts/batch", "application/x-ndjson", body.as_bytes());
    let mut ours = Figures::default();
    for _ in 0..plan.rounds {
        let data = TempDir::new()?;
        let server = Server::hubbub(&plan.hubbub, &data, &[NO_PROJECTIONS]).await?;
        let load = load::run(server.port, 4, &request, 202, plan.time).await?;
        ours.push(load.per_second() * BATCH as f64);
        server.kill().await?;
    }
    print_line("durable posts in batches of 1,000, no projections", &ours.show("/s"), "–", "–");
    Ok(())
}
