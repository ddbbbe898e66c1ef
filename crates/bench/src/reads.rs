//! Reading a post that is in the process's own cache, against a handler that has it.

use tempfile::TempDir;

use crate::{
    Plan,
    load::{self, CONNECTIONS, Connection},
    server::Server,
    stats::{Figures, print_line},
};

pub async fn cached(plan: &Plan) -> anyhow::Result<()> {
    let body =
        format!(r#"{{"id":"cached","user_id":"bench-user","content":"{}"}}"#, load::content());
    let create = load::request("POST", "/api/v1/posts", "application/json", body.as_bytes());
    let read = load::request("GET", "/api/v1/posts/cached", "application/json", b"");
    let (mut ours, mut bare) = (Figures::default(), Figures::default());
    for _ in 0..plan.rounds {
        let data = TempDir::new()?;
        let server = Server::hubbub(&plan.hubbub, &data, &[]).await?;
        let mut connection = Connection::open(server.port).await?;
        connection.exchange(&create, 202).await?;
        connection.exchange(&read, 200).await?;
        ours.push(load::run(server.port, CONNECTIONS, &read, 200, plan.time).await?.per_second());
        server.kill().await?;
        let server = Server::bare().await?;
        bare.push(load::run(server.port, CONNECTIONS, &read, 200, plan.time).await?.per_second());
        server.kill().await?;
    }
    print_line(
        "reading a post from the in-process cache, 64 connections",
        &ours.show("/s"),
        &bare.show("/s"),
        &format!("{:.0} % of the bare handler", 100.0 * ours.ratio_to(&bare)),
    );
    Ok(())
}
