//! The command line.

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use tokio::runtime::Builder;

use crate::{
    client::Client,
    demo,
    operations::{Resume, Start},
    process::{self, base_url},
    settings::{Layers, ProjectionName, Settings, SettingsError, Sources},
    telemetry,
};

/// Usage and settings; clap's own errors have it too.
const USAGE: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  hubbub                                          everything in one process, data in ./data
  hubbub --config /etc/hubbub.toml                with settings of your own
  HUBBUB__HTTP__LISTEN=0.0.0.0:80 hubbub          with one setting of your own
  hubbub config                                   the settings in effect, and who set them
  hubbub demo                                     shows what a running hubbub does
  hubbub dead-letters list                        what could not be folded
  hubbub resume --projection posts                lets halted partitions go on

Exit codes: 0 clean, 1 failed, 2 usage or settings.";

/// The backend of a social platform and of its analytics, on one event log.
///
/// Without a command it runs: the write API, the read API and the projections, in one
/// process, durable on disk.
#[derive(Debug, Parser)]
#[command(name = "hubbub", version, after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    settings: SettingsArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct SettingsArgs {
    /// A TOML file with settings that differ from the defaults
    #[arg(long, global = true, value_name = "FILE", display_order = 100)]
    config: Option<PathBuf>,
    /// The folder of an embedded log and store; `data.path` in the settings
    #[arg(long, global = true, value_name = "DIR", display_order = 101)]
    data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the settings in effect as TOML, with who set them, and without secrets
    Config,
    /// Ask a running hubbub whether it is ready: exit code 0 or 1
    Healthcheck {
        #[command(flatten)]
        operations: OperationsArgs,
    },
    /// Look at the records that could not be folded
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Let halted partitions go on, once what halted them is mended
    Resume {
        /// Only of this projection
        #[arg(long, value_name = "NAME", value_parser = ProjectionName::ALL.map(ProjectionName::as_str))]
        projection: Option<String>,
        /// Only in this partition of the log
        #[arg(long, value_name = "N")]
        partition: Option<i32>,
        /// Let records die without a limit until the last thousand are clean
        #[arg(long)]
        accept_dead_letters: bool,
        #[command(flatten)]
        operations: OperationsArgs,
    },
    /// Post, like and read against a running hubbub, and verify every answer
    Demo {
        /// Where its API is; by default `http.listen` of the settings
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum DeadLetters {
    /// List them in the order of partition and offset
    List {
        /// Begin there, as the end of a list says
        #[arg(long, value_name = "PARTITION/OFFSET")]
        from: Option<Start>,
        /// How many at most, 1 to 1000
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        #[command(flatten)]
        operations: OperationsArgs,
    },
    /// Print one with all that it holds, as JSON; its value is in base64
    Show {
        /// The first number of its line in the list
        partition: i32,
        /// The second
        offset: i64,
        #[command(flatten)]
        operations: OperationsArgs,
    },
}

#[derive(Debug, Args)]
struct OperationsArgs {
    /// Where its operations port is; by default `operations.listen` of the settings
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// Runs the program with the process's arguments and environment.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let sources = Sources {
        file: cli.settings.config,
        variables: env::vars_os().collect(),
        data: cli.settings.data,
    };
    match cli.command {
        None => serve(&sources),
        Some(command) => report(ask(command, &sources)),
    }
}

fn serve(sources: &Sources) -> ExitCode {
    let settings = match Settings::load(sources) {
        Ok(settings) => settings,
        Err(error) => return report(Err(error.into())),
    };
    let is_text = settings.telemetry.log_format.is_text();
    let served = telemetry::start_logging(&settings.telemetry)
        .and_then(|()| block_on(&mut Builder::new_multi_thread(), process::run(settings)));
    match served {
        Err(error) if !is_text => {
            tracing::error!("{}", told(&error));
            ExitCode::FAILURE
        }
        served => report(served),
    }
}

fn print_settings(sources: &Sources) -> anyhow::Result<()> {
    let text = Layers::read(sources)?.describe()?;
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// The commands that talk to a running hubbub.
fn ask(command: Command, sources: &Sources) -> anyhow::Result<()> {
    let client = |args: OperationsArgs| match args.url {
        Some(url) => Client::new(&url),
        None => Client::new(&base_url(Settings::load(sources)?.operations.listen)),
    };
    block_on(&mut Builder::new_current_thread(), async {
        match command {
            Command::Config => print_settings(sources),
            Command::Healthcheck { operations } => client(operations)?.healthcheck().await,
            Command::DeadLetters(DeadLetters::List { from, limit, operations }) => {
                client(operations)?.list_dead_letters(from.unwrap_or_default(), limit).await
            }
            Command::DeadLetters(DeadLetters::Show { partition, offset, operations }) => {
                client(operations)?.show_dead_letter(partition, offset).await
            }
            Command::Resume { projection, partition, accept_dead_letters, operations } => {
                let what = Resume { projection, partition, accept_dead_letters };
                client(operations)?.resume(&what).await
            }
            Command::Demo { url: Some(url) } => demo::run(&url).await,
            Command::Demo { url: None } => {
                demo::run(&base_url(Settings::load(sources)?.http.listen)).await
            }
        }
    })
}

fn block_on(
    runtime: &mut Builder,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let runtime = runtime.enable_all().build()?;
    let result = runtime.block_on(work);
    // Whatever still blocks a thread is safe to leave: the end of the process ends it.
    runtime.shutdown_background();
    result
}

fn report(result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    let is_usage = error.is::<SettingsError>();
    eprintln!("hubbub: {}", told(&error));
    if is_usage { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
}

/// An error with its causes, but for those that it names itself.
fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| {
        match (told.is_empty(), told.contains(&cause)) {
            (true, _) => cause,
            (_, true) => told,
            _ => format!("{told}: {cause}"),
        }
    })
}
