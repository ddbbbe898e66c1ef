//! The disk of the data folder: told when it has too little room, and what failed on a full one is opened again once there
//! is some.

use std::{sync::Arc, time::Duration};

use bytesize::ByteSize;
use hubbub_stream::{AppendError, DataFolder, Log};
use hubbub_worker::{HaltReason, PartitionState, Supervisor};
use metrics::gauge;
use tokio::time::{MissedTickBehavior, interval};

/// Between two looks at the disk.
const EVERY: Duration = Duration::from_secs(1);

/// A disk, and what is kept on it.
pub struct Room {
    pub data: DataFolder,
    /// What must stay free of it.
    pub reserve: ByteSize,
    pub log: Arc<dyn Log>,
    pub workers: Vec<Supervisor>,
}

impl Room {
    /// Waits until the disk has been full, has room again, and left something behind that must be opened anew: what a
    /// failed write leaves in memory is not known to be what is on the disk.
    pub async fn broken_and_back(&self) {
        let mut looks = interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut is_full, mut was_full) = (false, false);
        loop {
            looks.tick().await;
            // A disk that does not tell is no full one.
            let free = self.data.free().map_or(u64::MAX, |free| free);
            gauge!("hubbub_disk_free_bytes").set(free as f64);
            let (free, reserve) = (ByteSize(free), self.reserve);
            if is_full != (free < reserve) {
                is_full = free < reserve;
                match is_full {
                    true => {
                        tracing::error!(%free, %reserve, "the disk is full: writes are refused")
                    }
                    false => tracing::info!(%free, "the disk has room again"),
                }
            }
            was_full |= is_full;
            if was_full && !is_full && self.is_broken().await {
                return;
            }
        }
    }

    async fn is_broken(&self) -> bool {
        let mut states = self.workers.iter().flat_map(Supervisor::status);
        let of_the_store = |state: &PartitionState| match state {
            PartitionState::Halted(halt) => halt.reason == HaltReason::Store,
            _ => false,
        };
        states.any(|status| of_the_store(&status.state))
            || matches!(self.log.ready().await, Err(AppendError::Storage(_)))
    }
}
