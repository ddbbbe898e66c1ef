//! Waiting for a cluster that is started together with this process, and needs longer.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::settings::KafkaSettings;
use crate::Error;

/// The waits between tries.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Tries to start until it works, it cannot work, or the time is over.
pub(super) async fn until_started<A, F>(
    settings: &KafkaSettings,
    mut start: impl FnMut() -> F,
) -> Result<A, Error>
where
    F: Future<Output = Result<A, Error>>,
{
    let deadline = Instant::now() + settings.start_timeout;
    let mut wait = FIRST_WAIT;
    loop {
        let error = match start().await {
            Err(Error::Transient(error)) => format!("{}: {error}", settings.brokers.join(", ")),
            settled => return settled,
        };
        if Instant::now() + wait > deadline {
            return Err(Error::Transient(error));
        }
        tracing::warn!(error, wait_ms = wait.as_millis(), "Kafka cannot be used yet");
        sleep(wait).await;
        wait = LONGEST_WAIT.min(wait * 2);
    }
}
