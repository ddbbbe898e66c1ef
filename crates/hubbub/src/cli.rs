//! The command line.

mod arguments;

use std::{
    collections::BTreeSet,
    env,
    io::{self, ErrorKind, Read, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command as Program, ExitCode},
};

use anyhow::Context;
use clap::Parser;
use tokio::runtime::Builder;

use self::arguments::{
    Cli, Command, DeadLetters, Explain, Once, OperationsArgs, Schema, Serve, Topics,
};
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
        Some(Command::Once(command)) => {
            // What is half done says so.
            let is_said = matches!(command, Once::Rebuild { .. });
            match once(command, &sources) {
                Err(error) if !is_said && is_unread(&error) => ExitCode::FAILURE,
                done => report(done),
            }
        }
    }
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

/// Whether whoever reads the output, such as `head`, wanted no more of it.
fn is_unread(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
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
