//! Looks at the lag of a projection's partitions, and for those that silently stand.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hubbub_events::{Offset, Timestamp, TopicPartition};
use hubbub_stream::Log;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{PartitionState, metric, runner::Error, status::Board};

const EVERY: Duration = Duration::from_secs(1);

/// Runs until a partition that has lag, and is neither halted nor retrying, has made no
/// progress for this long. Apart from the runner, so that it sees a runner that stands.
pub(crate) async fn watch(board: Board, log: Arc<dyn Log>, stall_timeout: Duration) -> Error {
    let mut seen: BTreeMap<TopicPartition, (Offset, Instant)> = BTreeMap::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let statuses = board.snapshot();
        seen.retain(|of, _| statuses.iter().any(|status| status.topic_partition == *of));
        for mut status in statuses {
            let of = status.topic_partition;
            if let Ok(bounds) = log.bounds(of).await {
                status.end = bounds.end;
                board.update(of, |kept| kept.end = bounds.end);
            }
            metric::lag(&status, Timestamp::now());

            let now = Instant::now();
            let (frontier, since) = seen.entry(of).or_insert((status.frontier, now));
            let waits =
                matches!(status.state, PartitionState::Halted(_) | PartitionState::Retrying(_));
            if *frontier != status.frontier || status.lag() == 0 || waits {
                (*frontier, *since) = (status.frontier, now);
            } else if now - *since >= stall_timeout {
                return Error::Stalled {
                    projection: status.projection,
                    topic_partition: of,
                    frontier: status.frontier,
                    lag: status.lag(),
                    after: stall_timeout,
                };
            }
        }
    }
}
