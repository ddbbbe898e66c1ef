//! Makes what a fleet runs on: one-shot commands, each of which may be run again.

use std::io::{self, Write};

use hubbub_store::cassandra::Schema;
use hubbub_stream::kafka::topics;

use crate::{settings::Settings, telemetry};

/// Makes what is missing of the schema in Cassandra.
///
/// # Errors
/// Where Cassandra does not answer, or something else has one of our names.
pub async fn apply_schema(settings: &Settings) -> anyhow::Result<()> {
    telemetry::start_logging(settings)?;
    let applied = Schema::connect(&settings.cassandra).await?.apply().await?;
    tell_made(&applied.added)?;
    let keyspace = &settings.cassandra.keyspace;
    writeln!(io::stdout(), "keyspace {keyspace} has version {} of the schema", applied.now)?;
    Ok(())
}

/// Makes the topics that are missing in Kafka.
///
/// # Errors
/// Where Kafka does not answer, or a topic is not as it must be.
pub async fn apply_topics(settings: &Settings) -> anyhow::Result<()> {
    telemetry::start_logging(settings)?;
    tell_made(&topics::apply(&settings.kafka).await?)?;
    writeln!(io::stdout(), "the topics are as they must be")?;
    Ok(())
}

fn tell_made(things: &[String]) -> io::Result<()> {
    things.iter().try_for_each(|thing| writeln!(io::stdout(), "made {thing}"))
}
