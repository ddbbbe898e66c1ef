//! Accepting posts: durably, against a handler that keeps nothing.

use tempfile::TempDir;

use crate::{
    Plan,
    load::{self, CONNECTIONS},
    measured::Measured,
    server::Server,
};

/// Posts of a batch, and connections that send batches.
pub const BATCH: usize = 1_000;
pub const BATCH_CONNECTIONS: usize = 4;

/// An empty list: nothing is folded.
const NO_PROJECTIONS: (&str, &str) = ("HUBBUB__WORKER__PROJECTIONS", "");

/// Single posts at 64 connections: accepted alone, and with all projections behind.
pub async fn single(plan: &Plan) -> anyhow::Result<()> {
    let (mut alone, mut whole) = (Measured::default(), Measured::default());
    let mut bare = Measured::default();
    for _ in 0..plan.rounds {
        for (measured, settings) in [(&mut alone, &[NO_PROJECTIONS][..]), (&mut whole, &[])] {
            let data = TempDir::new()?;
            let server = Server::hubbub(&plan.hubbub, &data, settings).await?;
            create(plan, measured, &server).await?;
            server.kill().await?;
        }
        let server = Server::bare("memory", &[]).await?;
        create(plan, &mut bare, &server).await?;
        server.kill().await?;
    }
    alone.print("durable posts, 64 connections", &bare, "the bare handler");
    whole.print("the same with all projections on the same core", &bare, "the bare handler");
    Ok(())
}

/// Creates posts one by one on 64 connections.
pub async fn create(plan: &Plan, measured: &mut Measured, server: &Server) -> anyhow::Result<()> {
    let requests = [load::create_request()];
    measured.measure(server, (&requests, 1), (CONNECTIONS, 202), plan.time).await?;
    Ok(())
}

/// Batches of a thousand posts on four connections.
pub async fn batches(plan: &Plan) -> anyhow::Result<()> {
    let mut ours = Measured::default();
    for _ in 0..plan.rounds {
        let data = TempDir::new()?;
        let server = Server::hubbub(&plan.hubbub, &data, &[NO_PROJECTIONS]).await?;
        create_batches(plan, &mut ours, &server).await?;
        server.kill().await?;
    }
    ours.print_alone("durable posts in batches of 1,000, no projections");
    Ok(())
}

/// Creates posts by batches.
pub async fn create_batches(
    plan: &Plan,
    measured: &mut Measured,
    server: &Server,
) -> anyhow::Result<()> {
    let line = format!("{{\"user_id\":\"bench-user\",\"content\":\"{}\"}}\n", load::content());
    let requests = [load::batch_request(&line.repeat(BATCH))];
    measured.measure(server, (&requests, BATCH), (BATCH_CONNECTIONS, 202), plan.time).await?;
    Ok(())
}
