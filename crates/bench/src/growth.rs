//! What an edit costs beside ten times as many posts: to hubbub in one process, and to a worker of a
//! fleet.

use std::time::Duration;

use anyhow::Context;
use hubbub_testkit::fleet::Fleet;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::{
    Plan, backlog,
    load::{self, CONNECTIONS},
    posts::BATCH_CONNECTIONS,
    server::Server,
    stats::{Figures, print_line},
};

/// Posts that there are, and edits in each round.
const FEW: usize = 20_000;
const MANY: usize = 10 * FEW;
const EDITS: usize = 30_000;
/// What is less than this in a second is no work that the load before has left behind.
const AT_REST: Duration = Duration::from_millis(50);
const PREFIX: &str = "post";

/// Everything in one process: accepting an edit and all that follows from it.
pub async fn embedded(plan: &Plan) -> anyhow::Result<()> {
    let (few, many) = (Whole::with(plan, FEW).await?, Whole::with(plan, MANY).await?);
    let (mut of_few, mut of_many) = (Figures::default(), Figures::default());
    for round in 1..=plan.rounds {
        of_few.push(few.edit(round).await?);
        of_many.push(many.edit(round).await?);
    }
    print("processor time of an edit in one process, ten times the posts", &of_many, &of_few);
    Ok(())
}

/// A worker of a fleet: the analysis of an edit.
pub async fn fleet(plan: &Plan) -> anyhow::Result<()> {
    let (few, many) = (Split::with(plan, FEW).await?, Split::with(plan, MANY).await?);
    let (mut of_few, mut of_many) = (Figures::default(), Figures::default());
    for _ in 0..plan.rounds {
        of_few.push(few.edit().await?);
        of_many.push(many.edit().await?);
    }
    print(
        "processor time of a worker an edit, ten times the posts in Cassandra",
        &of_many,
        &of_few,
    );
    Ok(())
}

fn print(what: &str, many: &Figures, few: &Figures) {
    let result = format!("{:.2} times that beside {FEW} posts", many.ratio_to(few));
    print_line(what, &many.show("µs"), &few.show("µs"), &result);
}

/// Edits of posts all over the tables.
fn edits(posts: usize) -> Vec<Vec<u8>> {
    const STRIDE: usize = 7919;
    (0..EDITS).map(|n| backlog::edit_request(PREFIX, n * STRIDE % posts)).collect()
}

/// hubbub in one process.
struct Whole {
    server: Server,
    posts: usize,
    edits: Vec<Vec<u8>>,
    _data: TempDir,
}

impl Whole {
    async fn with(plan: &Plan, posts: usize) -> anyhow::Result<Self> {
        let data = TempDir::new()?;
        let server = Server::hubbub(&plan.hubbub, &data, &[]).await?;
        let batches = backlog::batches(PREFIX, posts);
        load::run_once(server.port, BATCH_CONNECTIONS, &batches, 202).await?;
        let whole = Self { server, posts, edits: edits(posts), _data: data };
        whole.folded(0).await?;
        whole.rests().await?;
        Ok(whole)
    }

    /// Waits until the tables are no longer put in order.
    async fn rests(&self) -> anyhow::Result<()> {
        loop {
            let before = self.server.processor_time()?;
            sleep(Duration::from_secs(1)).await;
            if self.server.processor_time()? - before < AT_REST {
                return Ok(());
            }
        }
    }

    async fn edit(&self, round: usize) -> anyhow::Result<f64> {
        let before = self.server.processor_time()?;
        load::run_once(self.server.port, CONNECTIONS, &self.edits, 202).await?;
        self.folded(round).await?;
        self.rests().await?;
        let used = self.server.processor_time()? - before;
        Ok(used.as_secs_f64() * 1e6 / EDITS as f64)
    }

    async fn folded(&self, rounds: usize) -> anyhow::Result<()> {
        for projection in ["posts", "analysis", "likes"] {
            backlog::fold(&self.server, projection, self.posts + rounds * EDITS).await?;
        }
        Ok(())
    }
}

/// A fleet.
struct Split {
    fleet: Fleet,
    ingest: Server,
    edits: Vec<Vec<u8>>,
}

impl Split {
    async fn with(plan: &Plan, posts: usize) -> anyhow::Result<Self> {
        let fleet = Fleet::new(&plan.hubbub).await;
        backlog::append(&fleet, PREFIX, posts).await?;
        let ingest = backlog::role(&fleet, "ingest", &[]).await?;
        let worker = backlog::role(&fleet, "worker", &backlog::ANALYSIS).await?;
        backlog::fold(&worker, "analysis", posts).await?;
        worker.stop().await?;
        Ok(Self { fleet, ingest, edits: edits(posts) })
    }

    async fn edit(&self) -> anyhow::Result<f64> {
        load::run_once(self.ingest.port, CONNECTIONS, &self.edits, 202).await?;
        let worker = backlog::role(&self.fleet, "worker", &backlog::ANALYSIS).await?;
        let samples = backlog::fold(&worker, "analysis", EDITS).await?;
        worker.stop().await?;
        let (_, cost) = samples.result().context("too few edits to measure anything by")?;
        Ok(cost)
    }
}
