//! What can be said on the command line, and what `--help` says of it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::{
    operations::Start,
    settings::{ProjectionName, Role},
};

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
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) settings: SettingsArgs,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

#[derive(Debug, Args)]
pub(super) struct SettingsArgs {
    /// A TOML file with settings that differ from the defaults
    #[arg(long, global = true, value_name = "FILE", display_order = 100)]
    pub(super) config: Option<PathBuf>,
    /// The folder of an embedded log and store; `data.path` in the settings
    #[arg(long, global = true, value_name = "DIR", display_order = 101)]
    pub(super) data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Serve(Serve),
    #[command(flatten)]
    Once(Once),
}

/// The commands that run until they are told to end.
#[derive(Debug, Subcommand)]
pub(super) enum Serve {
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
pub(super) enum Once {
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
pub(super) enum Explain {
    /// A post: its text, analysis and likes
    Post {
        /// Its id
        id: String,
        #[command(flatten)]
        operations: OperationsArgs,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Schema {
    /// Make what is missing: the keyspace, tables, columns. Never alters, never drops
    Apply,
}

#[derive(Debug, Subcommand)]
pub(super) enum Topics {
    /// Make those that are missing, and check all of them. Never alters, never deletes
    Apply,
}

#[derive(Debug, Subcommand)]
pub(super) enum DeadLetters {
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
pub(super) struct OperationsArgs {
    /// Where its operations port is; by default `operations.listen` of the settings
    #[arg(long, value_name = "URL")]
    pub(super) url: Option<String>,
}

fn role(name: &str) -> Result<Role, String> {
    let roles = [Role::Ingest, Role::Worker, Role::Query];
    let found = roles.into_iter().find(|role| role.name() == Some(name));
    found.ok_or_else(|| "ingest, worker and query are allowed".to_owned())
}
