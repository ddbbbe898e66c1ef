//! Accepting posts into Kafka: one by one against a handler that awaits its post's delivery, and in
//! batches.

use hubbub_testkit::{fleet::Fleet, stack};

use crate::{Plan, backlog, measured::Measured, posts, server::Server};

/// How long a record waits for others: as is the default, and hardly at all, where it is no
/// longer this wait but the processor that bounds what 64 connections come to.
const LINGERS: [u64; 2] = [5, 0];

/// Single posts at 64 connections.
pub async fn single(plan: &Plan) -> anyhow::Result<()> {
    let fleet = Fleet::new(&plan.hubbub).await;
    for linger in LINGERS {
        let (mut ours, mut bare) = (Measured::default(), Measured::default());
        for _ in 0..plan.rounds {
            let setting = ("HUBBUB__KAFKA__LINGER", format!("{linger}ms"));
            let server = backlog::role(&fleet, "ingest", &[(setting.0, &setting.1)]).await?;
            posts::create(plan, &mut ours, &server).await?;
            server.stop().await?;
            let (brokers, topic, linger) =
                (stack::kafka(), backlog::topic(&fleet), linger.to_string());
            let server = Server::bare("log", &[&brokers, &topic, &linger]).await?;
            posts::create(plan, &mut bare, &server).await?;
            server.kill().await?;
        }
        let what = format!("posts into Kafka, 64 connections, linger {linger} ms");
        ours.print(&what, &bare, "the bare producing handler");
    }
    Ok(())
}

/// Batches of a thousand posts on four connections.
pub async fn batches(plan: &Plan) -> anyhow::Result<()> {
    let fleet = Fleet::new(&plan.hubbub).await;
    let mut ours = Measured::default();
    for _ in 0..plan.rounds {
        let server = backlog::role(&fleet, "ingest", &[]).await?;
        posts::create_batches(plan, &mut ours, &server).await?;
        server.stop().await?;
    }
    ours.print_alone("posts into Kafka in batches of 1,000");
    Ok(())
}
