//! Room on the disk. The log stops before the disk is full, so that what it has already taken can still be folded into
//! the tables beside it, and goes on by itself once there is room.

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
        if free >= self.reserve.as_u64().saturating_add(bytes) {
            return Ok(());
        }
        let (free, reserve) = (ByteSize(free), self.reserve);
        Err(format!("the disk has {free} left, and segments.reserve keeps {reserve} of it"))
    }
}
