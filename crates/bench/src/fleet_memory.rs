//! The memory of each role of a fleet while all of them have more to do than they can.

use std::{cell::RefCell, time::Duration};

use hubbub_testkit::fleet::Fleet;
use tokio::time::interval;

use crate::{
    Plan, backlog,
    load::{self, CONNECTIONS},
    server::Server,
    stats::{Figures, print_line},
};

/// Posts that are read.
const POSTS: usize = 2_000;
const ROLES: [&str; 3] = ["ingest", "worker", "query"];
/// What a role may have, in MB.
const MEMORY: f64 = 100.0;
/// What the last third may have more than the middle one, in MB: caches that fill up, a batch more on its way.
const SLACK: f64 = 8.0;

pub async fn each_role(plan: &Plan) -> anyhow::Result<()> {
    let fleet = Fleet::new(&plan.hubbub).await;
    backlog::append(&fleet, "post", POSTS).await?;
    let mut servers = Vec::new();
    for role in ROLES {
        servers.push(backlog::role(&fleet, role, &[]).await?);
    }
    let [ingest, worker, query] = &servers[..] else { anyhow::bail!("three roles") };
    backlog::fold(worker, "posts", POSTS).await?;
    let creates = [load::create_request()];
    let reads: Vec<_> = backlog::ids("post", POSTS).map(|id| load::read_request(&id)).collect();

    let seen = RefCell::new([const { Vec::new() }; ROLES.len()]);
    let watching = async {
        let mut ticks = interval(Duration::from_millis(500));
        loop {
            ticks.tick().await;
            for (seen, server) in seen.borrow_mut().iter_mut().zip(&servers) {
                seen.push(server.resident()? as f64 / 1e6);
            }
        }
    };
    let loads = async {
        let writing = load::run(ingest.port, CONNECTIONS, &creates, 202, plan.soak);
        let reading = load::run(query.port, CONNECTIONS, &reads, 200, plan.soak);
        tokio::try_join!(writing, reading)
    };
    tokio::select! {
        loads = loads => { loads?; }
        watched = watching => return watched,
    }
    let mut outgrown = Vec::new();
    for (role, seen) in ROLES.iter().zip(&*seen.borrow()) {
        let third = seen.len() / 3;
        let [middle, last] = [&seen[third..2 * third], &seen[2 * third..]].map(Figures::of);
        let growth = last.median() - middle.median();
        if last.median() > MEMORY || growth > SLACK {
            outgrown.push(role);
        }
        print_line(
            &format!(
                "resident memory of {role}, {} s of all the load that it takes",
                plan.soak.as_secs()
            ),
            &Figures::of(seen).show("MB"),
            "–",
            &format!("{growth:+.1} MB from the middle third to the last"),
        );
    }
    for server in servers {
        Server::stop(server).await?;
    }
    anyhow::ensure!(
        outgrown.is_empty(),
        "more than {MEMORY} MB, or {SLACK} MB more than before: {outgrown:?}"
    );
    Ok(())
}
