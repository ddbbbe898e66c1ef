//! A disk that fails when it is told to.

use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use hubbub_stream::segments::{Disk, DiskFile, StdDisk};

/// How a step fails. A step is whatever changes the disk: making a file or folder,
/// writing, syncing, cutting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It does nothing, and answers this error.
    Fails(io::ErrorKind),
    /// A write writes this many of its bytes and answers that the disk is full; so do
    /// other steps, and do nothing.
    Torn(usize),
    /// It panics.
    Panics,
}

/// The file system of the machine, with faults at the steps that a test chooses.
/// Clones are the same disk. A sync that succeeds does nothing: no test pulls the
/// plug, and thousands of them must not wait for a real disk.
#[derive(Debug, Clone, Default)]
pub struct FaultyDisk {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    steps: Mutex<Steps>,
    /// Where a test says how much is free.
    free: Mutex<Option<u64>>,
    held: Mutex<Syncs>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Steps {
    taken: u64,
    faults: Option<(u64, u64, Fault)>,
}

#[derive(Debug, Default)]
struct Syncs {
    held: bool,
    waiting: usize,
}

/// While it lives, every sync of the disk waits.
#[derive(Debug)]
pub struct HeldSyncs {
    state: Arc<State>,
}

impl FaultyDisk {
    /// How many steps were taken so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        lock(&self.state.steps).taken
    }

    /// Lets a step fail, counted from now on: the next is 0.
    pub fn fail_at(&self, step: u64, fault: Fault) {
        let mut steps = lock(&self.state.steps);
        let at = steps.taken + step;
        steps.faults = Some((at, at + 1, fault));
    }

    /// Lets a step, counted from now on, and all after it fail.
    pub fn fail_from(&self, step: u64, fault: Fault) {
        let mut steps = lock(&self.state.steps);
        steps.faults = Some((steps.taken + step, u64::MAX, fault));
    }

    /// Lets no step fail any more.
    pub fn heal(&self) {
        lock(&self.state.steps).faults = None;
    }

    /// Says how many bytes are free; none, what the machine says.
    pub fn set_free(&self, bytes: Option<u64>) {
        *lock(&self.state.free) = bytes;
    }

    /// Holds every sync until the answer is dropped.
    #[must_use]
    pub fn hold_syncs(&self) -> HeldSyncs {
        lock(&self.state.held).held = true;
        HeldSyncs { state: Arc::clone(&self.state) }
    }

    /// Takes a step: its fault, if it has one that is not answered here.
    fn step(&self) -> io::Result<Option<usize>> {
        let fault = {
            let mut steps = lock(&self.state.steps);
            let at = steps.taken;
            steps.taken += 1;
            steps
                .faults
                .filter(|(from, to, _)| (*from..*to).contains(&at))
                .map(|(_, _, fault)| fault)
        };
        match fault {
            None => Ok(None),
            Some(Fault::Torn(bytes)) => Ok(Some(bytes)),
            Some(Fault::Fails(kind)) => Err(io::Error::new(kind, "injected")),
            Some(Fault::Panics) => panic!("injected"),
        }
    }

    /// Takes a step that writes nothing.
    fn plain_step(&self) -> io::Result<()> {
        self.step()?.map_or(Ok(()), |_| Err(full()))
    }

    fn wait_while_held(&self) {
        let mut syncs = lock(&self.state.held);
        syncs.waiting += 1;
        self.state.changed.notify_all();
        while syncs.held {
            syncs = wait(&self.state.changed, syncs);
        }
        syncs.waiting -= 1;
    }
}

impl HeldSyncs {
    /// Waits until a sync is waiting. It blocks.
    pub fn reached(&self) {
        let mut syncs = lock(&self.state.held);
        while syncs.waiting == 0 {
            syncs = wait(&self.state.changed, syncs);
        }
    }
}

impl Drop for HeldSyncs {
    fn drop(&mut self) {
        lock(&self.state.held).held = false;
        self.state.changed.notify_all();
    }
}

impl Disk for FaultyDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.plain_step()?;
        std::fs::create_dir_all(folder)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<(String, u64)>> {
        StdDisk.list(folder)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.plain_step()?;
        Ok(self.wrap(StdDisk.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(self.wrap(StdDisk.open(path)?))
    }

    fn sync_folder(&self, _folder: &Path) -> io::Result<()> {
        self.plain_step()
    }

    fn free(&self, folder: &Path) -> io::Result<u64> {
        let told = *lock(&self.state.free);
        told.map_or_else(|| StdDisk.free(folder), Ok)
    }
}

impl FaultyDisk {
    fn wrap(&self, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(FaultyFile { disk: self.clone(), file })
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    file: Box<dyn DiskFile>,
}

impl DiskFile for FaultyFile {
    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<()> {
        self.file.read_at(buffer, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        let Some(torn) = self.disk.step()? else {
            return self.file.write_at(bytes, at);
        };
        self.file.write_at(&bytes[..torn.min(bytes.len())], at)?;
        Err(full())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.wait_while_held();
        self.disk.plain_step()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.disk.plain_step()?;
        self.file.truncate(length)
    }
}

fn full() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wait<'a, T>(changed: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
}
