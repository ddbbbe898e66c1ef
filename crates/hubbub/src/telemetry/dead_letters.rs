//! How many dead letters the log still has, and how old the oldest is.

use std::{collections::HashMap, sync::Arc, time::Duration};

use hubbub_events::{Offset, Timestamp, Topic, TopicPartition};
use hubbub_stream::{Error, Log};
use metrics::gauge;
use tokio::time::{MissedTickBehavior, interval};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// Looks for as long as it runs. Of each partition the bounds are asked for, and the first record when it is another: what
/// is behind it is not read. While one cannot be read, the gauges stay as they are.
pub async fn watch_dead_letters(log: Arc<dyn Log>) {
    let mut first = HashMap::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match look(&*log, &mut first).await {
            Ok((retained, oldest)) => {
                let age = oldest.map_or(0, |oldest| (Timestamp::now().0 - oldest.0).max(0));
                gauge!("hubbub_dead_letters_retained").set(retained as f64);
                gauge!("hubbub_dead_letters_oldest_seconds").set(age as f64 / 1000.0);
            }
            Err(error) => tracing::debug!(%error, "the dead letters were not counted"),
        }
    }
}

/// How many there are, and the time of the oldest.
async fn look(
    log: &dyn Log,
    first: &mut HashMap<TopicPartition, (Offset, Timestamp)>,
) -> Result<(i64, Option<Timestamp>), Error> {
    let (mut retained, mut oldest) = (0, None::<Timestamp>);
    for partition in 0..log.partitions(Topic::DeadLetters) {
        let of = TopicPartition { topic: Topic::DeadLetters, partition };
        let bounds = log.bounds(of).await?;
        if bounds.is_empty() {
            continue;
        }
        retained += bounds.end - bounds.start;
        let known = first.get(&of).filter(|(offset, _)| *offset == bounds.start);
        let time = match known {
            Some((_, time)) => Some(*time),
            None => {
                let found = log.read(of, bounds.start, 1).await?;
                found.first().map(|record| record.time)
            }
        };
        if let Some(time) = time {
            first.insert(of, (bounds.start, time));
            oldest = Some(oldest.map_or(time, |oldest| oldest.min(time)));
        }
    }
    Ok((retained, oldest))
}
