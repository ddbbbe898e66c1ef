//! How soon the process is ready: from nothing, and after a kill under load.

use tempfile::TempDir;

use crate::{
    Plan,
    load::{self, CONNECTIONS},
    server::Server,
    stats::{Figures, print_line},
};

pub async fn times(plan: &Plan) -> anyhow::Result<()> {
    let (mut fresh, mut killed) = (Figures::default(), Figures::default());
    for _ in 0..plan.rounds {
        let data = TempDir::new()?;
        let server = Server::hubbub(&plan.hubbub, &data, &[]).await?;
        fresh.push(server.started_in.as_secs_f64() * 1e3);
        load::run(server.port, CONNECTIONS, &[load::create_request()], 202, plan.time).await?;
        server.kill().await?;
        let server = Server::hubbub(&plan.hubbub, &data, &[]).await?;
        killed.push(server.started_in.as_secs_f64() * 1e3);
        server.kill().await?;
    }
    print_line("ready on an empty folder", &fresh.show("ms"), "–", "–");
    print_line("ready after kill -9 under load", &killed.show("ms"), "–", "–");
    Ok(())
}
