//! Looks at the lag of a projection's partitions, and for those that silently stand.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use hubbub_events::{Offset, TopicPartition};
use hubbub_stream::Log;
use tokio::time::{MissedTickBehavior, interval};

use crate::{PartitionState, handle::Error, status::Board};

const EVERY: Duration = Duration::from_secs(1);

/// Runs until a partition that has lag, and is neither halted nor retrying, has made no
/// progress for this long, while the log answers. Apart from the runner, so that it sees a
/// runner that stands. Time is counted by looks, so that a process that was frozen is not
/// blamed for it.
pub(crate) async fn watch(board: Board, log: Arc<dyn Log>, stall_timeout: Duration) -> Error {
    let mut seen: BTreeMap<TopicPartition, (Offset, Duration)> = BTreeMap::new();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let statuses = board.snapshot();
        seen.retain(|of, _| statuses.iter().any(|status| status.topic_partition == *of));
        for mut status in statuses {
            let of = status.topic_partition;
            let bounds = log.bounds(of).await;
            if let Ok(bounds) = &bounds {
                status.end = bounds.end;
            }
            board.measure(of, bounds.as_ref().ok().map(|bounds| bounds.end));

            let (frontier, stood) = seen.entry(of).or_insert((status.frontier, Duration::ZERO));
            let waits =
                matches!(status.state, PartitionState::Halted(_) | PartitionState::Retrying(_));
            if *frontier != status.frontier || status.lag() == 0 || waits || bounds.is_err() {
                (*frontier, *stood) = (status.frontier, Duration::ZERO);
                continue;
            }
            *stood += EVERY;
            if *stood < stall_timeout {
                continue;
            }
            // The end is also behind what is no record: the mark of somebody's transaction.
            // And a log that does not answer now is away after all.
            let next = log.read(of, status.frontier + 1, 1).await;
            let is_there = match next {
                Ok(records) => !records.is_empty(),
                Err(hubbub_stream::Error::Transient(_)) => false,
                Err(_) => true,
            };
            if !is_there {
                *stood = Duration::ZERO;
                continue;
            }
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
