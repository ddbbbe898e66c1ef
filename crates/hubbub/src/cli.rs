//! The command line.

use std::{
    collections::BTreeSet,
    env,
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command as Program, ExitCode},
};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use tokio::runtime::Builder;

use crate::{
    client::{Client, Rebuild},
    demo, fleet, open_files,
    operations::{Resume, Start},
    process::{self, Next, base_url},
    settings::{Layers, ProjectionName, Role, Settings, SettingsError, Sources},
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
  hubbub topics apply && hubbub schema apply      make what a fleet runs on
  hubbub worker --projections analysis            one role of a fleet
  hubbub demo                                     shows what a running hubbub does
  hubbub dead-letters list                        what could not be folded
  hubbub dead-letters repair 3 17 <repaired.pb    appends what one should have said
  hubbub resume --projection posts                lets halted partitions go on
  hubbub rebuild --projection posts               folds it anew, beside what is read
  hubbub explain post 123                         which events made it what it is
  hubbub verify                                   recomputes what is read, and compares

Exit codes: 0 clean, 1 failed, 2 usage or settings.";

/// The backend of a social platform and of its analytics, on one event log.
///
/// Without a command it runs: the write API, the read API and the projections, in one
/// process, durable on disk. `ingest`, `worker` and `query` are the same in processes of
/// their own, on Apache Kafka and Apache Cassandra.
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
    #[command(flatten)]
    Serve(Serve),
    #[command(flatten)]
    Once(Once),
}

/// The commands that run until they are told to end.
#[derive(Debug, Subcommand)]
enum Serve {
    /// Serve the write API: publishes events to Kafka
    Ingest,
    /// Run projections: fold the events in Kafka into the tables in Cassandra
    Worker {
        /// Only these; `worker.projections` in the settings
        #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = ProjectionName::find)]
        projections: Option<Vec<ProjectionName>>,
    },
    /// Serve the read API: answers from the tables in Cassandra
    Query,
}

/// The commands that end by themselves.
#[derive(Debug, Subcommand)]
enum Once {
    /// The tables in Cassandra
    #[command(subcommand)]
    Schema(Schema),
    /// The topics in Kafka
    #[command(subcommand)]
    Topics(Topics),
    /// Print the settings in effect as TOML, with who set them, and without secrets
    Config {
        /// Those of a role of a fleet
        #[arg(long, value_parser = role)]
        role: Option<Role>,
    },
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
    /// Fold a projection anew from the log, beside the tables that are read, then read that
    ///
    /// Goes on with what was begun. The tables that were read before are kept, and followed,
    /// until they are dropped.
    Rebuild {
        /// The projection
        #[arg(long, value_name = "NAME", value_parser = ProjectionName::find)]
        projection: ProjectionName,
        /// Do not hold the new tables against those that are read
        #[arg(long, conflicts_with_all = ["rollback", "drop"])]
        no_compare: bool,
        /// Leave it at the new tables, and do not read them yet
        #[arg(long, conflicts_with_all = ["rollback", "drop"])]
        no_switch: bool,
        /// Read the tables again that were read before
        #[arg(long, conflicts_with = "drop")]
        rollback: bool,
        /// Drop the tables that are not read
        #[arg(long)]
        drop: bool,
        #[command(flatten)]
        operations: OperationsArgs,
    },
    /// Show which events made something what it is, and how old each copy of it is
    #[command(subcommand)]
    Explain(Explain),
    /// Recompute what is read from the log, and tell every row that differs: exit code 0 or 1
    Verify {
        /// Only this projection
        #[arg(long, value_name = "NAME", value_parser = ProjectionName::find)]
        projection: Option<ProjectionName>,
        /// Only what these partitions of the log make
        #[arg(long, value_name = "N,…", value_delimiter = ',')]
        partitions: Option<Vec<i32>>,
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
enum Explain {
    /// A post: its text, analysis and likes
    Post {
        /// Its id
        id: String,
        #[command(flatten)]
        operations: OperationsArgs,
    },
}

#[derive(Debug, Subcommand)]
enum Schema {
    /// Make what is missing: the keyspace, tables, columns. Never alters, never drops
    Apply,
}

#[derive(Debug, Subcommand)]
enum Topics {
    /// Make those that are missing, and check all of them. Never alters, never deletes
    Apply,
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
    /// Print one with all that it holds, as JSON; its value in base64, and read as far as it goes
    Show {
        /// The first number of its line in the list
        partition: i32,
        /// The second
        offset: i64,
        #[command(flatten)]
        operations: OperationsArgs,
    },
    /// Append what one should have said as a new event, once however often it is run
    Repair {
        /// The first number of its line in the list
        partition: i32,
        /// The second
        offset: i64,
        /// The repaired value, protobuf as in the log; by default it is read from standard input
        #[arg(long, value_name = "FILE")]
        value_file: Option<PathBuf>,
        /// Only check the value and print what it says
        #[arg(long)]
        dry_run: bool,
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
        ..Sources::default()
    };
    match cli.command {
        None => serve(&sources),
        Some(Command::Serve(Serve::Ingest)) => serve(&Sources { role: Role::Ingest, ..sources }),
        Some(Command::Serve(Serve::Query)) => serve(&Sources { role: Role::Query, ..sources }),
        Some(Command::Serve(Serve::Worker { projections })) => {
            serve(&Sources { role: Role::Worker, projections, ..sources })
        }
        Some(Command::Once(command)) => report(once(command, &sources)),
    }
}

fn role(name: &str) -> Result<Role, String> {
    let roles = [Role::Ingest, Role::Worker, Role::Query];
    let found = roles.into_iter().find(|role| role.name() == Some(name));
    found.ok_or_else(|| "ingest, worker and query are allowed".to_owned())
}

fn serve(sources: &Sources) -> ExitCode {
    let mut settings = match Settings::load(sources) {
        Ok(settings) => settings,
        Err(error) => return report(Err(error.into())),
    };
    let is_text = settings.telemetry.log_format.is_text();
    let traces = match telemetry::start(&settings) {
        Ok(traces) => traces,
        Err(error) => return report(Err(error)),
    };
    open_files::reserve(&mut settings.http);
    let served = block_on(&mut Builder::new_multi_thread(), process::run(settings));
    traces.finish();
    let served = served.and_then(|next| match next {
        Next::Exit => Ok(()),
        Next::StartAnew => start_anew(),
    });
    match served {
        Err(error) if !is_text => {
            tracing::error!("{}", told(&error));
            ExitCode::FAILURE
        }
        served => report(served),
    }
}

/// Replaces the program in this process by itself, so that nothing of the old one is left; does not return but with an
/// error.
fn start_anew() -> anyhow::Result<()> {
    let installed = env::current_exe().ok().filter(|program| program.exists());
    // Where an upgrade has replaced the file, this is still the program that runs.
    let program = installed.unwrap_or_else(|| PathBuf::from("/proc/self/exe"));
    let error = Program::new(program).args(env::args_os().skip(1)).exec();
    Err(anyhow::Error::from(error).context("the program cannot be started anew"))
}

fn print_settings(sources: &Sources, role: Option<Role>) -> anyhow::Result<()> {
    let sources = Sources { role: role.unwrap_or_default(), ..sources.clone() };
    let text = Layers::read(&sources)?.describe()?;
    Ok(io::stdout().write_all(text.as_bytes())?)
}

fn once(command: Once, sources: &Sources) -> anyhow::Result<()> {
    let settings = || Settings::load(sources);
    let client = |args: OperationsArgs| match args.url {
        Some(url) => Client::new(&url),
        None => Client::new(&base_url(settings()?.operations.listen)),
    };
    block_on(&mut Builder::new_current_thread(), async {
        match command {
            Once::Schema(Schema::Apply) => fleet::apply_schema(&settings()?).await,
            Once::Topics(Topics::Apply) => fleet::apply_topics(&settings()?).await,
            Once::Config { role } => print_settings(sources, role),
            Once::Healthcheck { operations } => client(operations)?.healthcheck().await,
            Once::DeadLetters(DeadLetters::List { from, limit, operations }) => {
                client(operations)?.list_dead_letters(from.unwrap_or_default(), limit).await
            }
            Once::DeadLetters(DeadLetters::Show { partition, offset, operations }) => {
                client(operations)?.show_dead_letter(partition, offset).await
            }
            Once::DeadLetters(DeadLetters::Repair {
                partition,
                offset,
                value_file,
                dry_run,
                operations,
            }) => {
                let value = read_value(value_file.as_deref())?;
                let at = Start { partition, offset };
                client(operations)?.repair_dead_letter(at, &value, dry_run).await
            }
            Once::Resume { projection, partition, accept_dead_letters, operations } => {
                let what = Resume { projection, partition, accept_dead_letters };
                client(operations)?.resume(&what).await
            }
            Once::Rebuild { projection, no_compare, no_switch, rollback, drop, operations } => {
                let client = client(operations)?;
                let how = Rebuild { is_compared: !no_compare, is_switched: !no_switch };
                match (rollback, drop) {
                    (true, _) => client.roll_back(projection).await,
                    (_, true) => client.drop_build(projection).await,
                    (false, false) => client.rebuild(projection, how).await,
                }
            }
            Once::Explain(Explain::Post { id, operations }) => {
                client(operations)?.explain_post(&id).await
            }
            Once::Verify { projection, partitions, operations } => {
                let projections =
                    projection.map_or(ProjectionName::ALL.to_vec(), |projection| vec![projection]);
                let partitions = partitions.map(BTreeSet::from_iter);
                client(operations)?.verify(&projections, partitions.as_ref()).await
            }
            Once::Demo { url: Some(url) } => demo::run(&url).await,
            Once::Demo { url: None } => demo::run(&base_url(settings()?.http.listen)).await,
        }
    })
}

fn read_value(file: Option<&Path>) -> anyhow::Result<Vec<u8>> {
    let Some(file) = file else {
        let mut value = Vec::new();
        io::stdin().read_to_end(&mut value)?;
        return Ok(value);
    };
    std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

fn block_on<T>(
    runtime: &mut Builder,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
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
