//! All three contracts in memory, with faults on demand: for tests and the demo.
//!
//! Refuses to pretend to be durable: what `Memory` holds ends with its last clone.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::{Error, Free, Key, Range, Swap, SwapError};

/// A disk in memory. Clones are the same disk: drop every handle and make new ones from it to play
/// a restart.
#[derive(Clone, Debug)]
pub struct Memory {
    disk: Arc<Mutex<Disk>>,
    faults: Faults,
}

#[derive(Clone, Debug, Default)]
struct Disk {
    blobs: BTreeMap<Key, Bytes>,
    registers: BTreeMap<Key, Bytes>,
    follows: u64,
    files: BTreeMap<String, Vec<u8>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty disk without faults.
    pub fn new() -> Self {
        Self { disk: Arc::default(), faults: Faults::new() }
    }

    /// The blobs on this disk.
    pub fn blobs(&self) -> super::Blobs {
        super::Blobs::Memory(Blobs(self.clone()))
    }

    /// The registers on this disk.
    pub fn registers(&self) -> super::Registers {
        super::Registers::Memory(Registers(self.clone()))
    }

    /// The files on this disk.
    pub fn files(&self) -> super::Files {
        super::Files::Memory(Files(self.clone()))
    }

    /// How much room there is on this disk, as [`Faults::space`] says.
    pub fn volume(&self) -> super::Volume {
        super::Volume::Memory(self.clone())
    }

    pub(super) fn space(&self) -> Free {
        self.faults.plan().space
    }

    /// What goes wrong on this disk.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Another disk with the same contents and no faults, as from a backup.
    pub fn copy(&self) -> Self {
        let disk = self.disk().clone();
        Self { disk: Arc::new(Mutex::new(disk)), faults: Faults::new() }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reading(&self) -> Result<MutexGuard<'_, Disk>, Error> {
        if self.faults.plan().reads_fail {
            return Err(Error::Broken(cause("reads fail")));
        }
        Ok(self.disk())
    }

    /// One durable step. What `check` refuses is no step; `change` is told whether it is torn.
    async fn step<E: From<Error>>(
        &self,
        check: impl FnOnce(&Disk) -> Result<(), E>,
        change: impl FnOnce(&mut Disk, bool),
    ) -> Result<(), E> {
        self.faults.unstalled().await;
        let mut disk = self.disk();
        check(&disk)?;
        let fault = self.faults.plan().step();
        let (kept, outcome) = match fault {
            None => (true, Ok(())),
            Some(Fault::Lost) => (false, Err(Error::Unknown(cause("lost on demand")))),
            Some(Fault::KeptButReportedLost) => (true, Err(Error::Unknown(cause("kept, but reported lost")))),
            Some(Fault::Torn) => (true, Err(Error::Unknown(cause("torn on demand")))),
            Some(Fault::Broken) => (false, Err(Error::Broken(cause("broken on demand")))),
            Some(Fault::Full) => (false, Err(Error::Full)),
        };
        if kept {
            change(&mut disk, fault == Some(Fault::Torn));
        }
        outcome.map_err(E::from)
    }
}

/// The blobs of a `Memory`.
#[derive(Clone, Debug)]
pub struct Blobs(Memory);

impl Blobs {
    pub(super) async fn put(&self, items: Vec<(Key, Bytes)>) -> Result<(), Error> {
        if items.is_empty() {
            return Ok(());
        }
        let check = |disk: &Disk| {
            let mut new = BTreeMap::new();
            for (key, bytes) in &items {
                let stored = disk.blobs.get(key).unwrap_or_else(|| new.entry(key).or_insert(bytes));
                if stored != bytes {
                    return Err(Error::Exists(key.clone()));
                }
            }
            Ok(())
        };
        let change = |disk: &mut Disk, torn: bool| {
            if !torn {
                disk.blobs.extend(items.iter().cloned());
            }
        };
        self.0.step(check, change).await
    }

    pub(super) async fn get(&self, key: &Key) -> Result<Option<Bytes>, Error> {
        Ok(self.0.reading()?.blobs.get(key).cloned())
    }

    pub(super) async fn keys(&self, range: Range) -> Result<Vec<Key>, Error> {
        let disk = self.0.reading()?;
        Ok(within(&disk.blobs, &range).map(|(key, _)| key.clone()).collect())
    }
}

/// The registers of a `Memory`.
#[derive(Clone, Debug)]
pub struct Registers(Memory);

impl Registers {
    pub(super) async fn get(&self, key: &Key) -> Result<Option<Bytes>, Error> {
        Ok(self.0.reading()?.registers.get(key).cloned())
    }

    pub(super) async fn swap(&self, swaps: Vec<Swap>, follows: u64) -> Result<(), SwapError> {
        let check =
            |disk: &Disk| match swaps.iter().find(|swap| disk.registers.get(&swap.key) != swap.expected.as_ref()) {
                Some(swap) => Err(SwapError::Conflict(swap.key.clone())),
                None => Ok(()),
            };
        let change = |disk: &mut Disk, torn: bool| {
            if torn {
                return;
            }
            for swap in &swaps {
                match &swap.new {
                    Some(new) => disk.registers.insert(swap.key.clone(), new.clone()),
                    None => disk.registers.remove(&swap.key),
                };
            }
            disk.follows = disk.follows.max(follows);
        };
        self.0.step(check, change).await
    }

    pub(super) async fn scan(&self, range: Range) -> Result<Vec<(Key, Bytes)>, Error> {
        let disk = self.0.reading()?;
        Ok(within(&disk.registers, &range).map(|(key, bytes)| (key.clone(), bytes.clone())).collect())
    }

    pub(super) async fn follows(&self) -> Result<u64, Error> {
        Ok(self.0.reading()?.follows)
    }
}

/// The files of a `Memory`.
#[derive(Clone, Debug)]
pub struct Files(Memory);

impl Files {
    pub(super) async fn read(&self, name: &str) -> Result<Option<Bytes>, Error> {
        Ok(self.0.reading()?.files.get(name).map(|bytes| Bytes::copy_from_slice(bytes)))
    }

    pub(super) async fn append(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        let change = |disk: &mut Disk, torn: bool| {
            let kept = if torn { bytes.len() / 2 } else { bytes.len() };
            disk.files.entry(name.to_owned()).or_default().extend(bytes.iter().take(kept));
        };
        self.0.step(|_| Ok(()), change).await
    }

    pub(super) async fn replace(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        let change = |disk: &mut Disk, torn: bool| {
            if !torn {
                disk.files.insert(name.to_owned(), bytes.to_vec());
            }
        };
        self.0.step(|_| Ok(()), change).await
    }

    pub(super) async fn truncate(&self, name: &str, len: u64) -> Result<(), Error> {
        let change = |disk: &mut Disk, torn: bool| {
            if let Some(bytes) = disk.files.get_mut(name).filter(|_| !torn) {
                bytes.truncate(usize::try_from(len).unwrap_or(usize::MAX));
            }
        };
        self.0.step(|_| Ok(()), change).await
    }

    pub(super) async fn remove_folder(&self, name: &str) -> Result<(), Error> {
        let change = |disk: &mut Disk, torn: bool| {
            let inside: Vec<_> = disk.files.keys().filter(|file| is_in(file, name)).cloned().collect();
            let gone = if torn { inside.len() / 2 } else { inside.len() };
            for file in inside.iter().take(gone) {
                disk.files.remove(file);
            }
        };
        self.0.step(|_| Ok(()), change).await
    }
}

fn is_in(file: &str, folder: &str) -> bool {
    file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

fn within<'a>(map: &'a BTreeMap<Key, Bytes>, range: &Range) -> impl Iterator<Item = (&'a Key, &'a Bytes)> {
    let from = match &range.after {
        Some(after) => Bound::Excluded(after),
        None => Bound::Included(&range.prefix),
    };
    map.range((from, Bound::Unbounded)).take_while(|(key, _)| key.is_under(&range.prefix)).take(range.limit)
}

/// What happens to one durable step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing happened; `Unknown` is returned.
    Lost,
    /// It happened; `Unknown` is returned.
    KeptButReportedLost,
    /// Half of an append or of a folder's removal happened, of anything else nothing; `Unknown` is returned.
    Torn,
    /// Nothing happened; `Broken` is returned.
    Broken,
    /// Nothing happened; `Full` is returned.
    Full,
}

/// Faults on demand. Clones speak of the same disk.
///
/// A durable step is one `put` (of at least one item), `swap`, `append`, `replace`, `truncate` or
/// `remove_folder` that is not refused for what it asks.
#[derive(Clone, Debug)]
pub struct Faults {
    plan: Arc<Mutex<Plan>>,
    stalled: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Plan {
    steps: u64,
    /// By the number of the step, counted from the first ever.
    at: BTreeMap<u64, (Fault, bool)>,
    all: Option<Fault>,
    reads_fail: bool,
    space: Free,
}

impl Faults {
    fn new() -> Self {
        Self { plan: Arc::default(), stalled: watch::Sender::new(false) }
    }

    /// How many durable steps were tried so far.
    pub fn steps(&self) -> u64 {
        self.plan().steps
    }

    /// The `n`-th durable step from now (1: the next) meets `fault`; those after it do not.
    pub fn at(&self, n: u64, fault: Fault) {
        let mut plan = self.plan();
        let step = plan.steps + n;
        plan.at.insert(step, (fault, false));
    }

    /// The `n`-th durable step from now meets `fault`, and every one after it is `Broken` until
    /// `mend`: what a process sees that loses its disk, or what a disk sees of a killed process.
    pub fn crash_at(&self, n: u64, fault: Fault) {
        let mut plan = self.plan();
        let step = plan.steps + n;
        plan.at.insert(step, (fault, true));
    }

    /// Every durable step from now on meets `fault`.
    pub fn writes(&self, fault: Fault) {
        self.plan().all = Some(fault);
    }

    /// Every read from now on is `Broken`.
    pub fn reads(&self) {
        self.plan().reads_fail = true;
    }

    /// So much is said to be free from now on; nothing is refused for it here.
    pub fn space(&self, free: u64, total: u64) {
        self.plan().space = Free { free, total };
    }

    /// Durable steps wait from now on, as on a disk that hangs.
    pub fn stall(&self) {
        self.stalled.send_replace(true);
    }

    /// No more faults; what waits goes on.
    pub fn mend(&self) {
        {
            let mut plan = self.plan();
            plan.at.clear();
            plan.all = None;
            plan.reads_fail = false;
        }
        self.stalled.send_replace(false);
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn unstalled(&self) {
        // The sender is `self`, so waiting ends only when the stall does.
        let _ = self.stalled.subscribe().wait_for(|stalled| !stalled).await;
    }
}

impl Plan {
    /// Counts a step and says what it meets.
    fn step(&mut self) -> Option<Fault> {
        self.steps += 1;
        let planned = self.at.remove(&self.steps);
        let fault = self.all.or(planned.map(|(fault, _)| fault));
        if let Some((_, true)) = planned {
            self.all = Some(Fault::Broken);
        }
        fault
    }
}

fn cause(what: &'static str) -> Arc<io::Error> {
    Arc::new(io::Error::other(what))
}
