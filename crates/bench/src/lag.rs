//! Whether the projections keep up with a steady stream of posts, and in how much memory.

use std::{cell::Cell, time::Duration};

use tempfile::TempDir;
use tokio::time::sleep;

use crate::{Plan, load, server::Server, stats::print_line};

const POSTS_A_SECOND: u64 = 10_000;
const TIME: Duration = Duration::from_secs(30);

pub async fn steady(plan: &Plan) -> anyhow::Result<()> {
    let data = TempDir::new()?;
    let server = Server::hubbub(&plan.hubbub, &data, &[]).await?;
    let request = load::create_request();
    let (worst, memory) = (Cell::new(0.0), Cell::new(0));
    let load = {
        let watching = async {
            loop {
                sleep(Duration::from_secs(1)).await;
                worst.set(f64::max(worst.get(), lag(&server).await?));
                memory.set(u64::max(memory.get(), server.resident()?));
            }
        };
        tokio::select! {
            load = load::run_at(server.port, &request, 202, POSTS_A_SECOND, TIME) => load?,
            watched = watching => return watched,
        }
    };
    let behind = lag(&server).await?;
    print_line(
        "a steady 10,000 posts a second for 30 s, all projections",
        &format!("{:.0} /s accepted", load.per_second()),
        "–",
        &format!("lag at most {:.0} records, {behind:.0} at the end", worst.get()),
    );
    print_line(
        "resident memory meanwhile",
        &format!("{:.0} MB at most", memory.get() as f64 / 1e6),
        "–",
        "–",
    );
    server.kill().await
}

/// The records that wait, over all projections and partitions.
async fn lag(server: &Server) -> anyhow::Result<f64> {
    server.metric("hubbub_lag_records", &[]).await
}
