//! The disk of the data folder: how much is free, and whether what failed on a full one can be mended.

use std::{sync::Arc, time::Duration};

use bytesize::ByteSize;
use hubbub_stream::{AppendError, DataFolder, Log};
use hubbub_worker::{HaltReason, PartitionState, Supervisor};
use metrics::gauge;
use tokio::time::{MissedTickBehavior, interval};

/// Between two looks at the disk.
const EVERY: Duration = Duration::from_secs(1);

/// A disk, and what is kept on it.
pub struct DiskWatch {
    pub data: DataFolder,
    /// What must stay free of it.
    pub reserve: ByteSize,
    pub log: Arc<dyn Log>,
    pub workers: Vec<Supervisor>,
}

impl DiskWatch {
    /// Tells how much is free, for as long as it is polled. Ends when a disk that was full has room again and something
    /// failed on it: what a failed write leaves in memory is not known to be what is on the disk, so all of it must be
    /// opened anew.
    pub async fn until_mendable(&self) {
        let mut looks = interval(EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // It may have started on a disk that is full by now.
        let (mut was_sound, mut has_been_full) = (!self.is_broken().await, false);
        let mut is_told = false;
        loop {
            looks.tick().await;
            let Ok(free) = self.data.free() else { continue };
            gauge!("hubbub_disk_free_bytes").set(free as f64);
            let (free, reserve) = (ByteSize(free), self.reserve);
            let is_full = free < reserve;
            if is_full != is_told {
                is_told = is_full;
                match is_full {
                    true => {
                        tracing::error!(%free, %reserve, "the disk is full: writes are refused")
                    }
                    false => tracing::info!(%free, "the disk has room again"),
                }
            }
            if is_full {
                // What was broken before is not the full disk's doing, and no new start mends it.
                has_been_full |= was_sound;
                continue;
            }
            let is_broken = self.is_broken().await;
            if is_broken && has_been_full {
                return;
            }
            was_sound = !is_broken;
        }
    }

    async fn is_broken(&self) -> bool {
        let mut statuses = self.workers.iter().flat_map(Supervisor::status);
        let is_halted = statuses.any(|status| match status.state {
            PartitionState::Halted(halt) => halt.reason == HaltReason::Store,
            _ => false,
        });
        is_halted || matches!(self.log.ready().await, Err(AppendError::Storage(_)))
    }
}
