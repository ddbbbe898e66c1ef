//! A disk that is small enough to be filled: a file system in memory, which only one process sees.

use std::{
    fs,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{fs::statvfs, process::geteuid};

use crate::process::Process;

const MIB: u64 = 1 << 20;

/// A disk of this size, below a folder.
#[derive(Clone, Debug)]
pub struct SmallDisk {
    folder: PathBuf,
    size_mib: u64,
}

impl SmallDisk {
    /// One that comes to be with the process that has it, and ends with that.
    #[must_use]
    pub fn new(folder: &Path, size_mib: u64) -> Self {
        Self { folder: folder.to_owned(), size_mib }
    }

    /// Whether this process may mount one: as root, or by user namespaces. Containers often forbid both.
    #[must_use]
    pub fn is_allowed() -> bool {
        let mount = unshare().args(["mount", "-t", "tmpfs", "tmpfs", "/tmp"]).output();
        mount.is_ok_and(|mount| mount.status.success())
    }

    /// The same command on this disk.
    ///
    /// # Panics
    /// Where the folder cannot be made.
    #[must_use]
    pub fn command(&self, command: &Command) -> Command {
        const SCRIPT: &str = r#"mount -t tmpfs -o "$1" tmpfs "$2" && shift 2 && exec "$@""#;
        let made = fs::create_dir_all(&self.folder);
        assert!(made.is_ok(), "{} cannot be made: {made:?}", self.folder.display());
        let mut on_it = unshare();
        on_it.args(["sh", "-c", SCRIPT, "sh", &format!("size={}m", self.size_mib)]);
        on_it.arg(&self.folder).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => on_it.env(name, value),
                None => on_it.env_remove(name),
            };
        }
        on_it
    }

    /// Takes the room of a process's disk but for so many bytes.
    ///
    /// # Panics
    /// Where it cannot be taken.
    pub fn fill_but(&self, process: &Process, left: u64) {
        let full = || {
            let mut file = fs::File::create(self.filler(process))?;
            let piece = vec![0; MIB as usize];
            loop {
                let found = statvfs(self.seen_by(process))?;
                let more = (found.f_bavail * found.f_frsize).saturating_sub(left).min(MIB);
                match file.write(&piece[..more as usize]) {
                    Ok(0) => return Ok(()),
                    Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                    written => written?,
                };
            }
        };
        let filled: std::io::Result<()> = full();
        assert!(filled.is_ok(), "the disk cannot be filled: {filled:?}");
    }

    /// Gives that room back.
    ///
    /// # Panics
    /// Where nobody has taken it.
    pub fn make_room(&self, process: &Process) {
        let removed = fs::remove_file(self.filler(process));
        assert!(removed.is_ok(), "the room cannot be given back: {removed:?}");
    }

    fn filler(&self, process: &Process) -> PathBuf {
        self.seen_by(process).join("filler")
    }

    /// The disk, which is only there for the process.
    fn seen_by(&self, process: &Process) -> PathBuf {
        let folder = self.folder.strip_prefix("/").unwrap_or(&self.folder);
        Path::new("/proc").join(process.id().to_string()).join("root").join(folder)
    }
}

/// Runs what is added to it where its mounts are nobody else's.
fn unshare() -> Command {
    let mut unshare = Command::new("unshare");
    unshare.arg("--mount");
    if !geteuid().is_root() {
        unshare.arg("--map-root-user");
    }
    unshare
}
