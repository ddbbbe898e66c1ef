//! Measures hubbub beside bare baselines, alternating, and prints ratios.
//!
//! The servers run on the first core and the client on the second, as processes of
//! their own, on loopback. A figure is the median of the rounds; its spread stands
//! beside it, and what counts is the ratio of two figures of one run.

#![expect(clippy::print_stdout, reason = "a bench prints")]

mod backlog;
mod bare;
mod fleet_folds;
mod fleet_memory;
mod fleet_posts;
mod fleet_reads;
mod growth;
mod lag;
mod load;
mod measured;
mod posts;
mod reads;
mod ready;
mod samples;
mod server;
mod stats;

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};

use crate::bare::Bare;

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
    /// How long the roles of a fleet are watched, in seconds.
    #[arg(long, default_value_t = 60)]
    soak_seconds: u64,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a bare baseline; started by the bench itself.
    #[command(subcommand)]
    Bare(Bare),
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    Posts,
    Batches,
    Reads,
    Lag,
    Ready,
    Growth,
    FleetPosts,
    FleetBatches,
    FleetFolds,
    FleetReads,
    FleetMemory,
    FleetGrowth,
}

/// What every line of the bench is told.
struct Plan {
    hubbub: PathBuf,
    rounds: usize,
    time: Duration,
    soak: Duration,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if let Some(Command::Bare(bare)) = cli.command {
        return runtime.block_on(bare::run(bare));
    }
    server::pin_to_client_core();
    let plan = Plan {
        hubbub: cli.hubbub,
        rounds: cli.rounds,
        time: Duration::from_secs(cli.seconds),
        soak: Duration::from_secs(cli.soak_seconds),
    };
    runtime.block_on(async {
        stats::print_machine();
        for subject in Subject::value_variants() {
            if cli.only.is_none_or(|only| only == *subject) {
                subject.measure(&plan).await?;
            }
        }
        Ok(())
    })
}

impl Subject {
    async fn measure(self, plan: &Plan) -> anyhow::Result<()> {
        match self {
            Self::Posts => posts::single(plan).await,
            Self::Batches => posts::batches(plan).await,
            Self::Reads => reads::cached(plan).await,
            Self::Lag => lag::steady(plan).await,
            Self::Ready => ready::times(plan).await,
            Self::Growth => growth::embedded(plan).await,
            Self::FleetPosts => fleet_posts::single(plan).await,
            Self::FleetBatches => fleet_posts::batches(plan).await,
            Self::FleetFolds => fleet_folds::analysis(plan).await,
            Self::FleetReads => fleet_reads::from_redis(plan).await,
            Self::FleetMemory => fleet_memory::each_role(plan).await,
            Self::FleetGrowth => growth::fleet(plan).await,
        }
    }
}
