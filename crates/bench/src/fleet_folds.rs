//! Folding a backlog into Cassandra, against the bare driver doing the same loads and writes.

use anyhow::Context;
use hubbub_testkit::fleet::Fleet;

use crate::{
    Plan, backlog,
    stats::{Figures, print_line},
};

/// Posts that wait in each round.
const POSTS: usize = 100_000;

pub async fn analysis(plan: &Plan) -> anyhow::Result<()> {
    let (fleet, tables) = (Fleet::new(&plan.hubbub).await, Fleet::new(&plan.hubbub).await);
    let (mut rate, mut cost) = (Figures::default(), Figures::default());
    let (mut bare_rate, mut bare_cost) = (Figures::default(), Figures::default());
    let (mut own, mut memory) = (Figures::default(), Figures::default());
    for round in 0..plan.rounds {
        let prefix = format!("round{round}");
        backlog::append(&fleet, &prefix, POSTS).await?;
        let worker = backlog::role(&fleet, "worker", &backlog::ANALYSIS).await?;
        let samples = backlog::fold(&worker, "analysis", POSTS).await?;
        let (folded, used) = samples.result().context("too few posts to measure anything by")?;
        memory.push(worker.most_resident()? as f64 / 1e6);
        worker.stop().await?;
        rate.push(folded);
        cost.push(used);

        let bare = backlog::fold_bare(&fleet, &tables, &prefix, POSTS).await?;
        bare_rate.push(bare.rate);
        bare_cost.push(bare.consuming + bare.driving);
        own.push(used - bare.consuming - bare.driving);
    }
    print_line(
        "analysis of a backlog of 100,000 posts into Cassandra",
        &rate.show("/s"),
        &bare_rate.show("/s"),
        &format!("{:.0} % of the bare driver", 100.0 * rate.ratio_to(&bare_rate)),
    );
    print_line(
        "– processor time a record; the baseline consumes, reads and writes",
        &cost.show("µs"),
        &bare_cost.show("µs"),
        &format!("{} of our own", own.show("µs")),
    );
    print_line("– resident memory of the worker", &memory.show("MB"), "–", "–");
    Ok(())
}
