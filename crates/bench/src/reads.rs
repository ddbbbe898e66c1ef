//! Reading a post that is in the process's own cache, against a handler that has it.

use tempfile::TempDir;

use crate::{
    Plan,
    load::{self, CONNECTIONS, Connection},
    measured::Measured,
    server::Server,
};

pub async fn cached(plan: &Plan) -> anyhow::Result<()> {
    let body =
        format!(r#"{{"id":"cached","user_id":"bench-user","content":"{}"}}"#, load::content());
    let create = load::request("POST", "/api/v1/posts", "application/json", body.as_bytes());
    let read = [load::read_request("cached")];
    let (mut ours, mut bare) = (Measured::default(), Measured::default());
    for _ in 0..plan.rounds {
        let data = TempDir::new()?;
        let server = Server::hubbub(&plan.hubbub, &data, &[]).await?;
        let mut connection = Connection::open(server.port).await?;
        connection.exchange(&create, 202).await?;
        connection.exchange(&read[0], 200).await?;
        ours.measure(&server, (&read, 1), (CONNECTIONS, 200), plan.time).await?;
        server.kill().await?;
        let server = Server::bare("memory", &[]).await?;
        bare.measure(&server, (&read, 1), (CONNECTIONS, 200), plan.time).await?;
        server.kill().await?;
    }
    let what = "reading a post from the in-process cache, 64 connections";
    ours.print(what, &bare, "the bare handler");
    Ok(())
}
