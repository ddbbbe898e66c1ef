//! A folder for an embedded store, gone with the test.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::Path;

use bytesize::ByteSize;
use hubbub_store::{EmbeddedSettings, EmbeddedStore};
use tempfile::TempDir;

pub struct Folder(TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    #[allow(dead_code, reason = "not every test that uses folders needs it")]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn open(&self) -> EmbeddedStore {
        EmbeddedStore::open(&settings(), self.0.path()).unwrap()
    }
}

pub fn settings() -> EmbeddedSettings {
    EmbeddedSettings {
        cache_size: ByteSize::mib(8),
        memtable_size: ByteSize::mib(4),
        queue_size: ByteSize::mib(8),
    }
}
