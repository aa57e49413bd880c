//! Durable bytes, under three contracts: `Blobs` are written once and read, `Registers` are read
//! and swapped by comparison, `Files` are plain files in a folder that are appended or replaced.
//!
//! Knows keys, bytes and what a crash may do to them. Refuses to know what the bytes mean, to lose
//! what it acknowledged, and to show damage as absence: a store that is broken says so.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

mod barrier;
pub mod files;
mod folder;
mod key;
pub mod memory;
pub mod sled;
mod volume;

pub use folder::OpenError;
pub use key::Key;
pub use volume::{Free, Volume};

/// Opens the blobs and registers that sled keeps in the folder `dir`, or makes them. Blocks.
pub fn sled(dir: &Path, settings: &sled::Settings) -> Result<(Blobs, Registers), OpenError> {
    let (blobs, registers) = sled::open(dir, settings)?;
    Ok((Blobs::Sled(blobs), Registers::Sled(registers)))
}

/// Opens the folder `dir` for plain files, or makes it. Blocks.
pub fn disk(dir: &Path) -> Result<Files, OpenError> {
    Ok(Files::Disk(files::Disk::open(dir)?))
}

/// The plain files of the folder `dir`, which somebody else may have made and may be writing to: every write is refused.
pub fn look(dir: &Path) -> Files {
    Files::Disk(files::Disk::look(dir))
}

/// Most keys or registers that one listing returns.
pub const MAX_LISTED: usize = 1000;
/// Longest key, encoded.
pub const MAX_KEY_BYTES: usize = 512;
/// Longest value of a register.
pub const MAX_REGISTER_BYTES: usize = 8 * 1024;
/// Most bytes that one `put` or `swap` takes: they become one batch in memory.
pub const MAX_BATCH_BYTES: usize = 16 * 1024 * 1024;

/// Bytes that are written once. Cheap to clone; clones are the same store.
///
/// A reader may see a blob whose `put` has not returned yet; after a crash such a blob is there
/// whole or not at all.
#[derive(Clone, Debug)]
pub enum Blobs {
    /// In sled, in a folder.
    Sled(sled::Blobs),
    /// In memory, for tests and the demo.
    Memory(memory::Blobs),
}

impl Blobs {
    /// Stores all of `items` or none; durable once it returns `Ok`. Writing the same bytes again is
    /// `Ok`, other bytes under a key that exists are refused with [`Error::Exists`]. After
    /// [`Error::Unknown`] all of them or none may be there: put the same bytes again, or read.
    ///
    /// Once begun it is finished even if the future is dropped.
    pub async fn put(&self, items: Vec<(Key, Bytes)>) -> Result<(), Error> {
        let mut total = 0_usize;
        for (key, bytes) in &items {
            check_key(key)?;
            total = total.saturating_add(key.len()).saturating_add(bytes.len());
        }
        check_size(total, MAX_BATCH_BYTES)?;
        match self {
            Self::Sled(blobs) => blobs.put(items).await,
            Self::Memory(blobs) => blobs.put(items).await,
        }
    }

    /// The blob under `key`, whole.
    pub async fn get(&self, key: &Key) -> Result<Option<Bytes>, Error> {
        match self {
            Self::Sled(blobs) => blobs.get(key).await,
            Self::Memory(blobs) => blobs.get(key).await,
        }
    }

    /// Keys under `prefix`, in order, after `after`, at most `limit` and at most [`MAX_LISTED`].
    pub async fn keys(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Key>, Error> {
        let range = Range::new(prefix, after, limit);
        match self {
            Self::Sled(blobs) => blobs.keys(range).await,
            Self::Memory(blobs) => blobs.keys(range).await,
        }
    }
}

/// One change of a register. `None` is absence: expect none, or remove.
#[derive(Clone, Debug)]
pub struct Swap {
    /// Which register.
    pub key: Key,
    /// What it must hold now.
    pub expected: Option<Bytes>,
    /// What it holds afterwards.
    pub new: Option<Bytes>,
}

/// Small values that change by comparison. Cheap to clone; clones are the same store.
///
/// They follow the ledger: what is decided is an entry before it is a register, and every write
/// says which entry it follows, so that an old copy is noticed.
#[derive(Clone, Debug)]
pub enum Registers {
    /// In sled, in a folder.
    Sled(sled::Registers),
    /// In memory, for tests and the demo.
    Memory(memory::Registers),
}

impl Registers {
    /// The value under `key`. It may be of a swap that has not returned yet.
    pub async fn get(&self, key: &Key) -> Result<Option<Bytes>, Error> {
        match self {
            Self::Sled(registers) => registers.get(key).await,
            Self::Memory(registers) => registers.get(key).await,
        }
    }

    /// Makes all of `swaps` or none, each key at most once; durable once it returns `Ok`.
    /// [`SwapError::Conflict`] names the first key that does not hold what was expected: nothing
    /// changed. After [`Error::Unknown`] all of them or none may have happened: read again before
    /// deciding anything.
    ///
    /// `follows` is the index of the ledger entry that these values follow, plus one; 0 if none. It
    /// is kept, if larger than before, in the same step, and also when `swaps` is empty.
    ///
    /// Once begun it is finished even if the future is dropped.
    pub async fn swap(&self, swaps: Vec<Swap>, follows: u64) -> Result<(), SwapError> {
        check_swaps(&swaps)?;
        match self {
            Self::Sled(registers) => registers.swap(swaps, follows).await,
            Self::Memory(registers) => registers.swap(swaps, follows).await,
        }
    }

    /// The same, for what can be made again from the ledger: everybody sees it once it returns, but it is durable only with
    /// the next write that says so, or soon.
    pub async fn note(&self, swaps: Vec<Swap>, follows: u64) -> Result<(), SwapError> {
        check_swaps(&swaps)?;
        match self {
            Self::Sled(registers) => registers.note(swaps, follows).await,
            Self::Memory(registers) => registers.swap(swaps, follows).await,
        }
    }

    /// Registers under `prefix`, in order, after `after`, at most `limit` and at most
    /// [`MAX_LISTED`].
    pub async fn scan(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<(Key, Bytes)>, Error> {
        let range = Range::new(prefix, after, limit);
        match self {
            Self::Sled(registers) => registers.scan(range).await,
            Self::Memory(registers) => registers.scan(range).await,
        }
    }

    /// The largest `follows` that any swap carried. At start: older than the log, replay forward;
    /// newer, the log was restored from a copy, and starting would forget what it no longer says.
    pub async fn follows(&self) -> Result<u64, Error> {
        match self {
            Self::Sled(registers) => registers.follows().await,
            Self::Memory(registers) => registers.follows().await,
        }
    }
}

/// Plain files in one folder. Cheap to clone; clones are the same folder.
///
/// Names are relative paths such as `tile/0/x001/067`: segments of ASCII letters, digits, `.`, `_`
/// and `-`, none empty, none beginning with a dot. Folders are made as needed. Writes to one name
/// are the caller's to put in order.
#[derive(Clone, Debug)]
pub enum Files {
    /// In a folder on disk.
    Disk(files::Disk),
    /// In memory, for tests and the demo.
    Memory(memory::Files),
}

impl Files {
    /// The whole file.
    pub async fn read(&self, name: &str) -> Result<Option<Bytes>, Error> {
        check_name(name)?;
        match self {
            Self::Disk(files) => files.read(name).await,
            Self::Memory(files) => files.read(name).await,
        }
    }

    /// Adds `bytes` to the file's end, or makes the file; durable once it returns `Ok`. After a
    /// crash or [`Error::Unknown`] any beginning of `bytes` may be there.
    pub async fn append(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        check_name(name)?;
        match self {
            Self::Disk(files) => files.append(name, bytes).await,
            Self::Memory(files) => files.append(name, bytes).await,
        }
    }

    /// Makes the file hold exactly `bytes`; durable once it returns `Ok`. After a crash or
    /// [`Error::Unknown`] it holds `bytes` or what it held before, never a mixture.
    pub async fn replace(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        check_name(name)?;
        match self {
            Self::Disk(files) => files.replace(name, bytes).await,
            Self::Memory(files) => files.replace(name, bytes).await,
        }
    }

    /// Cuts the file to its first `len` bytes; durable once it returns `Ok`. A file that is shorter
    /// or absent stays as it is.
    pub async fn truncate(&self, name: &str, len: u64) -> Result<(), Error> {
        check_name(name)?;
        match self {
            Self::Disk(files) => files.truncate(name, len).await,
            Self::Memory(files) => files.truncate(name, len).await,
        }
    }

    /// Removes the folder `name` with all files in it; durable once it returns `Ok`. After a crash or
    /// [`Error::Unknown`] any of its files may be gone. What is absent, or is a file, stays as it is.
    pub async fn remove_folder(&self, name: &str) -> Result<(), Error> {
        check_name(name)?;
        match self {
            Self::Disk(files) => files.remove_folder(name).await,
            Self::Memory(files) => files.remove_folder(name).await,
        }
    }
}

/// Which keys a listing covers.
#[derive(Clone, Debug)]
struct Range {
    prefix: Key,
    after: Option<Key>,
    limit: usize,
}

impl Range {
    fn new(prefix: &Key, after: Option<&Key>, limit: usize) -> Self {
        // A key before the prefix excludes nothing, and keys after it would come first.
        let after = after.filter(|after| *after >= prefix).cloned();
        Self { prefix: prefix.clone(), after, limit: limit.min(MAX_LISTED) }
    }
}

fn check_key(key: &Key) -> Result<(), Error> {
    check_size(key.len(), MAX_KEY_BYTES)
}

fn check_swaps(swaps: &[Swap]) -> Result<(), Error> {
    let mut total = 0_usize;
    let mut seen = std::collections::BTreeSet::new();
    for swap in swaps {
        check_key(&swap.key)?;
        let bytes = swap.new.as_ref().map_or(0, Bytes::len);
        check_size(bytes, MAX_REGISTER_BYTES)?;
        total = total.saturating_add(swap.key.len()).saturating_add(bytes);
        if !seen.insert(&swap.key) {
            return Err(Error::Repeated(swap.key.clone()));
        }
    }
    check_size(total, MAX_BATCH_BYTES)
}

fn check_size(bytes: usize, limit: usize) -> Result<(), Error> {
    if bytes > limit { Err(Error::TooLarge { bytes, limit }) } else { Ok(()) }
}

fn check_name(name: &str) -> Result<(), Error> {
    let fits = |segment: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        !segment.is_empty() && segment.len() <= 128 && !segment.starts_with('.') && segment.bytes().all(plain)
    };
    if name.len() <= MAX_KEY_BYTES && name.split('/').all(fits) { Ok(()) } else { Err(Error::Name(name.to_owned())) }
}

/// Why a store did not do what was asked.
#[derive(Clone, Debug, Error)]
pub enum Error {
    /// The key holds other bytes already. Nothing was written.
    #[error("{0} exists already, with other contents")]
    Exists(Key),
    /// The write failed late: it may have happened, now or after a restart.
    #[error("a write to the store failed, and may have happened nevertheless")]
    Unknown(#[source] Arc<io::Error>),
    /// The store cannot be used. If a write was asked for, it did not happen.
    #[error("the store is broken")]
    Broken(#[source] Arc<io::Error>),
    /// There is no space left. Nothing was written.
    #[error("the store is full")]
    Full,
    /// What is stored is not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// A key, a value or a whole batch is longer than is taken. Nothing was written.
    #[error("{bytes} bytes, where at most {limit} are taken")]
    TooLarge {
        /// How long it was.
        bytes: usize,
        /// How long it may be.
        limit: usize,
    },
    /// One swap names a key twice. Nothing was written.
    #[error("{0} is named twice")]
    Repeated(Key),
    /// Not a name of a file in the folder.
    #[error("not a name for a stored file: {0:?}")]
    Name(String),
}

/// Why registers were not swapped.
#[derive(Clone, Debug, Error)]
pub enum SwapError {
    /// The register holds something else than was expected. Nothing was changed.
    #[error("{0} does not hold what was expected")]
    Conflict(Key),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_in_the_folder() {
        for good in ["checkpoint", "tile/0/x001/067", "tile/entries/000.p/12", "a_b-c"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "/etc/passwd", "..", "a/../b", "a//b", "a/", ".hidden", "a/.b", "a b", "a\0", "ä", "a\\b"]
        {
            assert!(matches!(check_name(bad), Err(Error::Name(_))), "{bad:?}");
        }
    }
}
