//! Room on the disk. The log stops before the disk is full, so that the tables beside it can still be written for what is
//! under way, and goes on by itself once there is room.

use std::path::PathBuf;
use std::sync::Arc;

use bytesize::ByteSize;

use super::disk::Disk;

/// The disk that the log is on, and what must stay free of it.
#[derive(Clone)]
pub(super) struct Room {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    reserve: ByteSize,
}

impl Room {
    pub fn new(disk: Arc<dyn Disk>, folder: PathBuf, reserve: ByteSize) -> Self {
        Self { disk, folder, reserve }
    }

    /// Whether so many bytes more leave the reserve whole.
    ///
    /// # Errors
    /// Why they do not.
    pub fn check(&self, bytes: u64) -> Result<(), String> {
        // A disk that does not tell is written to: that tells.
        let Ok(free) = self.disk.free(&self.folder) else {
            return Ok(());
        };
        let missing = self.reserve.as_u64().saturating_add(bytes).saturating_sub(free);
        if missing == 0 {
            return Ok(());
        }
        let (missing, free, reserve) = (ByteSize(missing), ByteSize(free), self.reserve);
        Err(format!(
            "the disk lacks {missing}: {free} are left, of which {reserve} stay free (segments.reserve)"
        ))
    }
}
