//! The folder that holds a process's durable data: locked, of a known format, and
//! with an identity.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hubbub_events::LogIdentity;
use uuid::Uuid;

use crate::segments::{Disk, StdDisk};

/// The format of the folder that this build writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// How long a lock is waited for: that of a process which was just killed is not free yet.
const LOCK_WAIT: Duration = Duration::from_secs(1);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataFolderError {
    /// Another process has it open.
    #[error("the data folder {} is in use by process {holder}", path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The other process's id, as it wrote it.
        holder: String,
    },
    /// A newer build has written it.
    #[error(
        "the data folder {} has format {found}, and this build reads formats up to {supported}",
        path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// The folder's format.
        found: u32,
        /// The newest that this build reads.
        supported: u32,
    },
    /// What the folder says of itself cannot be read.
    #[error("{} {problem}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The file system refused.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
}

/// A data folder that this process holds. Clones share the lock, which ends with the
/// last of them.
#[derive(Debug, Clone)]
pub struct DataFolder {
    held: Arc<Held>,
}

#[derive(Debug)]
struct Held {
    path: PathBuf,
    identity: LogIdentity,
    _lock: File,
}

impl DataFolder {
    /// Opens the folder and locks it, making it first where there is none.
    ///
    /// # Errors
    /// Where another process holds it, a newer build made it, or it cannot be used.
    pub fn open(path: &Path) -> Result<Self, DataFolderError> {
        fs::create_dir_all(path).map_err(|source| failed(path, source))?;
        let lock = lock(path)?;
        let format = path.join("FORMAT");
        let identity = path.join("IDENTITY");
        match read(&format)? {
            Some(found) => check_format(path, &format, &found)?,
            None => {
                // The format comes last: where it stands, the rest is complete.
                if read(&identity)?.is_none() {
                    write(path, &identity, &Uuid::new_v4().to_string())?;
                }
                write(path, &format, &FORMAT.to_string())?;
                let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
                sync_folder(parent.unwrap_or(Path::new(".")))?;
            }
        }
        Ok(Self {
            held: Arc::new(Held {
                path: path.to_owned(),
                identity: read_identity(&identity)?,
                _lock: lock,
            }),
        })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.held.path
    }

    /// Where the event log keeps its files.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.held.path.join("log")
    }

    /// Where the store keeps its files.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.held.path.join("store")
    }

    /// How many bytes may still be written to its file system.
    ///
    /// # Errors
    /// The file system's.
    pub fn free(&self) -> io::Result<u64> {
        StdDisk.free(&self.held.path)
    }

    /// The identity of the log in this folder, made once with the folder.
    #[must_use]
    pub fn identity(&self) -> LogIdentity {
        self.held.identity.clone()
    }
}

/// Takes the lock, and leaves this process's id for those who do not get it.
fn lock(folder: &Path) -> Result<File, DataFolderError> {
    let path = folder.join("LOCK");
    let io = |source| failed(&path, source);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(io)?;
    let patience = Instant::now() + LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < patience => {
                std::thread::sleep(LOCK_PAUSE);
                continue;
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let named = file.read_to_string(&mut holder).is_ok() && !holder.trim().is_empty();
                return Err(DataFolderError::Locked {
                    path: folder.to_owned(),
                    holder: if named { holder.trim().to_owned() } else { "unknown".to_owned() },
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
    }
    // It is held by now, whatever it says: a full disk must not keep a process from starting.
    let named = file.set_len(0).and_then(|()| file.rewind());
    let _ = named.and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn check_format(folder: &Path, file: &Path, found: &str) -> Result<(), DataFolderError> {
    match found.parse::<u32>() {
        Ok(found) if found > FORMAT => {
            Err(DataFolderError::Newer { path: folder.to_owned(), found, supported: FORMAT })
        }
        Ok(FORMAT) => Ok(()),
        _ => Err(DataFolderError::Invalid {
            path: file.to_owned(),
            problem: format!("holds {found:?}, which is no format: {FORMAT} is expected"),
        }),
    }
}

fn read_identity(path: &Path) -> Result<LogIdentity, DataFolderError> {
    let invalid = |problem: String| DataFolderError::Invalid { path: path.to_owned(), problem };
    let Some(text) = read(path)? else {
        return Err(invalid(
            "is missing: without it nothing tells which log the tables were made from".to_owned(),
        ));
    };
    let identity =
        text.parse::<Uuid>().map_err(|_| invalid(format!("holds {text:?}, which is no UUID")))?;
    Ok(LogIdentity(identity.to_string()))
}

/// The text of a small file; none where there is no such file.
fn read(path: &Path) -> Result<Option<String>, DataFolderError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(failed(path, source)),
    }
}

/// Writes a small file whole or not at all.
fn write(folder: &Path, path: &Path, text: &str) -> Result<(), DataFolderError> {
    let draft = path.with_extension("new");
    let io = |source| failed(path, source);
    let mut file = File::create(&draft).map_err(io)?;
    writeln!(file, "{text}").map_err(io)?;
    file.sync_all().map_err(io)?;
    fs::rename(&draft, path).map_err(io)?;
    sync_folder(folder)
}

fn sync_folder(path: &Path) -> Result<(), DataFolderError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> DataFolderError {
    DataFolderError::Io { path: path.to_owned(), source }
}
