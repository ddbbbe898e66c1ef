//! Measures hubbub beside bare baselines, alternating, and prints ratios.
//!
//! The servers run on the first core and the client on the second, as processes of
//! their own, on loopback. A figure is the median of the rounds; its spread stands
//! beside it, and what counts is the ratio of two figures of one run.

#![expect(clippy::print_stdout, reason = "a bench prints")]

mod bare;
mod lag;
mod load;
mod posts;
mod reads;
mod ready;
mod server;
mod stats;

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Measures hubbub beside bare baselines.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// The hubbub binary.
    #[arg(long, default_value = "target/release/hubbub")]
    hubbub: PathBuf,
    /// How often ours and the baseline alternate.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Measure this alone.
    #[arg(long, value_enum)]
    only: Option<Subject>,
    /// How long each measurement lasts, in seconds.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the bare baseline; started by the bench itself.
    Bare {
        /// The port to listen on.
        port: u16,
    },
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    Posts,
    Batches,
    Reads,
    Lag,
    Ready,
}

/// What every line of the bench is told.
struct Plan {
    hubbub: PathBuf,
    rounds: usize,
    time: Duration,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Some(Command::Bare { port }) = cli.command {
        return runtime.block_on(bare::serve(port));
    }
    server::pin_to_client_core();
    let plan =
        Plan { hubbub: cli.hubbub, rounds: cli.rounds, time: Duration::from_secs(cli.seconds) };
    let wanted = |subject| cli.only.is_none_or(|only| only == subject);
    runtime.block_on(async {
        stats::print_machine();
        if wanted(Subject::Posts) {
            posts::single(&plan).await?;
        }
        if wanted(Subject::Batches) {
            posts::batches(&plan).await?;
        }
        if wanted(Subject::Reads) {
            reads::cached(&plan).await?;
        }
        if wanted(Subject::Lag) {
            lag::steady(&plan).await?;
        }
        if wanted(Subject::Ready) {
            ready::times(&plan).await?;
        }
        Ok(())
    })
}
