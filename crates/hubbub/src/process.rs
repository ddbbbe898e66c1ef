//! A process from its start to its exit: signals, the greeting, the end.

use std::{
    io::{self, IsTerminal, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::pin,
    process,
    time::Instant,
};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{
    services::Services,
    settings::{Role, Settings, ShutdownSettings},
};

/// What comes after a process's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Its end.
    Exit,
    /// The same again, from the start.
    StartAnew,
}

/// Runs hubbub until a signal ends it, which is no error, or until only a new start mends it.
///
/// # Errors
/// Where it cannot start, or cannot go on.
pub async fn run(settings: Settings) -> anyhow::Result<Next> {
    let started = Instant::now();
    let mut signals = Signals::new()?;
    let on_signal = settings.shutdown;
    let data = settings.data.path.display().to_string();
    let is_greeted = settings.telemetry.log_format.is_text() && settings.role == Role::AllInOne;

    let services = tokio::select! {
        // What is being opened can be left as it lies.
        _ = signals.next() => return Ok(Next::Exit),
        services = Services::spawn(settings) => services?,
    };
    let ready = started.elapsed().as_millis();
    let (api, operations) = (services.api_addr(), services.ops_addr());
    match api {
        Some(api) => tracing::info!(%api, %operations, "ready in {ready} ms"),
        None => tracing::info!(%operations, "ready in {ready} ms"),
    }
    if let Some(api) = api.filter(|_| is_greeted) {
        greet(api, operations, &data)?;
    }

    let (how, mut next) = tokio::select! {
        ended_by = signals.next() => (ended_by.ending(on_signal), Ok(Next::Exit)),
        error = services.failed() => (ShutdownSettings::AT_ONCE, Err(error)),
        () = services.mendable() => {
            tracing::warn!("the process starts anew, as writes to the disk had failed");
            (ShutdownSettings::AT_ONCE, Ok(Next::StartAnew))
        }
    };
    tracing::info!(unready_wait = ?how.unready_wait, finish_timeout = ?how.finish_timeout, "stopping");
    let mut shutdown = pin!(services.shutdown(how));
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            _ = signals.next() => match next {
                // The first signal: nobody had asked for this end.
                Ok(Next::StartAnew) => next = Ok(Next::Exit),
                _ => {
                    tracing::warn!("a second signal: the process ends at once");
                    process::exit(1);
                }
            },
        }
    }
    tracing::info!("stopped");
    next.context("a projection cannot go on")
}

/// A signal that ends the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM: an orchestrator.
    Terminate,
}

impl Ended {
    fn ending(self, on_terminate: ShutdownSettings) -> ShutdownSettings {
        match self {
            Self::Terminate if !io::stdout().is_terminal() => on_terminate,
            Self::Interrupt | Self::Terminate => ShutdownSettings::AT_ONCE,
        }
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let interrupt = signal(SignalKind::interrupt())?;
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { interrupt, terminate })
    }

    async fn next(&mut self) -> Ended {
        tokio::select! {
            _ = self.interrupt.recv() => Ended::Interrupt,
            _ = self.terminate.recv() => Ended::Terminate,
        }
    }
}

/// Says where it listens, with requests to copy.
fn greet(api: SocketAddr, operations: SocketAddr, data: &str) -> io::Result<()> {
    let (api, operations) = (base_url(api), base_url(operations));
    let posts = format!("{api}/api/v1/posts");
    let post = "curl -X POST -H 'Content-Type: application/json' -d";
    writeln!(
        io::stdout().lock(),
        r#"
hubbub listens, with its data in {data}

  API          {api}/api/v1
  operations   {operations}   (/readyz /status /metrics)

Try it from another terminal:

  {post} '{{"id": "123", "content": "This is a sample post."}}' {posts}/
  curl {posts}/123/analysis/
  {post} '{{"user_id": "123", "content": "Excited to share our latest project!"}}' {posts}/
  curl -X PUT -H 'Prefer: wait=2' {posts}/123/likes/alice
  curl {posts}/123

Ctrl-C ends it. What it has accepted is on disk.
"#
    )
}

/// A URL under which this machine reaches an address that is listened on.
#[must_use]
pub fn base_url(address: SocketAddr) -> String {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    format!("http://{}", SocketAddr::new(ip, address.port()))
}
