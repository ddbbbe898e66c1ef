//! A log in a temporary folder, and what tests do with it.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use bytesize::ByteSize;
use hubbub_events::{Offset, TopicPartition};
use hubbub_stream::segments::{Disk, Segments, SegmentsSettings};
use hubbub_stream::{DataFolder, Error, Log, NewRecord};
use hubbub_testkit::faulty_disk::FaultyDisk;
use hubbub_testkit::log_conformance::{Fixture, assert_same};
use tempfile::TempDir;

/// Floors that ask for nothing.
pub fn no_floors() -> HashMap<TopicPartition, Offset> {
    HashMap::new()
}

/// The folder of a log, and its settings.
pub struct LogFolder {
    data: DataFolder,
    disk: Arc<dyn Disk>,
    pub settings: SegmentsSettings,
    _temporary: TempDir,
}

impl LogFolder {
    /// A new one, with the smallest segments that are allowed. Nothing is synced.
    pub fn new() -> Self {
        Self::on(Arc::new(FaultyDisk::default()))
    }

    /// A new one on this disk.
    pub fn on(disk: Arc<dyn Disk>) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        Self {
            data: DataFolder::open(&temporary.path().join("data")).unwrap(),
            settings: SegmentsSettings {
                partitions: 4,
                segment_size: ByteSize::kib(64),
                ..SegmentsSettings::default()
            },
            disk,
            _temporary: temporary,
        }
    }

    pub fn open(&self) -> Segments {
        self.open_with(&no_floors()).unwrap()
    }

    pub fn open_with(&self, floors: &HashMap<TopicPartition, Offset>) -> Result<Segments, Error> {
        Segments::open(&self.settings, &self.data, floors, Arc::clone(&self.disk))
    }

    pub fn open_on(&self, disk: &FaultyDisk) -> Result<Segments, Error> {
        Segments::open(&self.settings, &self.data, &no_floors(), Arc::new(disk.clone()))
    }

    /// A file of the log.
    pub fn file(&self, name: &str) -> PathBuf {
        self.data.log().join(name)
    }

    pub fn segment(&self, number: u64) -> PathBuf {
        self.file(&format!("{number:020}.log"))
    }

    pub fn index(&self, number: u64) -> PathBuf {
        self.file(&format!("{number:020}.index"))
    }

    /// How many segments there are.
    pub fn segments(&self) -> u64 {
        (1..).take_while(|number| self.segment(*number).exists()).count() as u64
    }

    /// The contents of all files of the log.
    pub fn save(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = fs::read_dir(self.data.log()).unwrap();
        let paths = files.map(|entry| entry.unwrap().path());
        paths.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
    }

    /// Makes the files of the log those that were saved.
    pub fn restore(&self, saved: &[(PathBuf, Vec<u8>)]) {
        fs::create_dir_all(self.data.log()).unwrap();
        for entry in fs::read_dir(self.data.log()).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
        for (path, bytes) in saved {
            fs::write(path, bytes).unwrap();
        }
    }
}

impl Fixture for LogFolder {
    async fn open(&self) -> Arc<dyn Log> {
        Arc::new(self.open())
    }
}

/// What a partition gives, offset by offset: the record's number is not known, so it is
/// compared with what was appended there; what cannot be read is listed.
pub async fn unreadable(log: &Segments, of: TopicPartition, appended: &[NewRecord]) -> Vec<Offset> {
    let end = log.bounds(of).await.unwrap().end;
    assert!(end as usize <= appended.len(), "{of} holds more than was appended");
    let mut missing = Vec::new();
    let mut next = 0;
    while next < end {
        match log.read(of, next, 64 * 1024).await {
            Ok(records) => {
                assert!(!records.is_empty(), "{of} has nothing at {next} before its end {end}");
                for read in records {
                    assert_eq!(read.offset, next);
                    assert_same(&read, &appended[next as usize]);
                    next += 1;
                }
            }
            Err(Error::Permanent(_)) => {
                missing.push(next);
                next += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    missing
}

/// Asserts that a partition holds these records and nothing else.
pub async fn assert_holds(log: &Segments, of: TopicPartition, appended: &[NewRecord]) {
    assert_eq!(log.bounds(of).await.unwrap(), 0..appended.len() as Offset);
    assert!(unreadable(log, of, appended).await.is_empty());
}
