//! Blobs and registers in sled, with a sync barrier of our own; of long blobs sled keeps where they lie (`long`).
//!
//! sled's `flush` ends in `sync_file_range`, which does not reach through a disk's cache, so nothing
//! is acknowledged before an fdatasync of sled's file. Values stay so short that sled never moves
//! them to files of their own, which it does not sync, and nothing here reads a whole tree: sled's
//! cache has no bound then.
//!
//! Refuses to go on writing after a write or sync that failed, and to start empty where there was
//! something.

use std::fs::{File, Permissions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use ::sled::{Db, IVec, Tree};
use bytes::{BufMut, Bytes, BytesMut};
use tokio::task::{JoinError, spawn_blocking};

use super::barrier::Barrier;
use super::files::broken;
use super::folder::{Folder, Marked, OpenError, make_folders, sync_parent};
use super::{Error, Key, MAX_BATCH_BYTES, MAX_KEY_BYTES, MAX_REGISTER_BYTES, Range, Swap, SwapError};

mod changes;
mod long;

use changes::{Changes, part_key, tagged};
use long::{Long, Place};

/// How sled is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How much sled may keep in memory. It takes more while it is scanned.
    pub cache_bytes: u64,
    /// Below this much free space blobs are refused as [`Error::Full`], and registers below a
    /// quarter of it: sled must never meet a full disk, because it does not work again before it is
    /// reopened.
    pub reserve_bytes: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { cache_bytes: 64 << 20, reserve_bytes: 64 << 20 }
    }
}

/// Opens blobs and registers in `folder`, or makes them.
pub(super) fn open(folder: &Path, settings: &Settings) -> Result<(Blobs, Registers), OpenError> {
    let (folder, marked) = Folder::open(folder, KIND)?;
    let path = folder.path().to_owned();
    let failed = |source| OpenError::Io { path: path.clone(), source };
    let damaged = |what: String| OpenError::Damaged { path: path.clone(), what };

    let data = path.join("sled");
    let database = data.join("db");
    if marked == Marked::Ready && !database.is_file() {
        return Err(damaged("sled/db is missing".to_owned()));
    }
    make_folders(&data).map_err(failed)?;
    let config = ::sled::Config::new().path(&data).segment_size(SEGMENT_BYTES).cache_capacity(settings.cache_bytes);
    // sled asserts where it meets what it never wrote.
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let db = open_unlocked(&config)?;
        let (blobs, registers) = (db.open_tree("blobs")?, db.open_tree("registers")?);
        let marks = (blobs.get(MARK)?.is_some(), registers.get(MARK)?.is_some());
        let from = blobs.get(LONG)?;
        Ok((db, blobs, registers, marks, from))
    }));
    let (db, blobs, registers, marks, from) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(::sled::Error::Io(source))) if is_locked(&source) => return Err(OpenError::InUse(path)),
        Ok(Err(::sled::Error::Io(source))) if source.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(failed(source));
        }
        Ok(Err(error)) => return Err(damaged(format!("sled says: {error}"))),
        Err(_) => return Err(damaged("sled cannot read it".to_owned())),
    };
    // sled takes a file that lost its contents for a new one.
    if marked == Marked::Ready && marks != (true, true) {
        return Err(damaged("it was in use before, and its contents are gone".to_owned()));
    }
    let from = from.map_or(Ok(0), |from| number(&from)).map_err(damaged)?;
    let folder_of_long = path.join("long");
    if from > 0 && !folder_of_long.is_dir() {
        return Err(damaged("long is missing".to_owned()));
    }
    let (long, found) = Long::open(&folder_of_long, from).map_err(failed)?;
    for (name, mode) in [("db", 0o600), ("conf", 0o600), ("blobs", 0o700)] {
        let path = data.join(name);
        let tightened = std::fs::set_permissions(&path, Permissions::from_mode(mode));
        // sled writes its settings once and does not sync them.
        tightened.and_then(|()| File::open(&path)?.sync_all()).map_err(failed)?;
    }
    // Which files there are changes only while sled opens, so this is the one time that its folder
    // needs a sync; that a file grows is fdatasync's own affair.
    sync_parent(&database).map_err(failed)?;
    let inner = Inner {
        writer: Mutex::new(()),
        barrier: Barrier::new(),
        broken: OnceLock::new(),
        reserve_bytes: settings.reserve_bytes,
        file: File::open(&database).map_err(failed)?,
        db,
        blobs,
        registers,
        long,
        folder,
    };
    inner.take_in(&found, from).map_err(failed)?;
    if marked == Marked::Begun {
        let begun = inner.blobs.insert(MARK, b"1").and_then(|_| inner.registers.insert(MARK, b"1"));
        begun.map_err(io::Error::from).and_then(|_| inner.sync()).map_err(failed)?;
        inner.folder.mark(KIND, Marked::Ready).map_err(failed)?;
    }
    let inner = Arc::new(inner);
    Ok((Blobs(Arc::clone(&inner)), Registers(inner)))
}

/// A dropped sled gives its lock back a moment later, when its last writer thread is done. Our own
/// lock is taken first, so what is waited for here is never another process of ours.
fn open_unlocked(config: &::sled::Config) -> ::sled::Result<Db> {
    for _ in 0..200 {
        match config.open() {
            Err(::sled::Error::Io(error)) if is_locked(&error) => std::thread::sleep(Duration::from_millis(10)),
            opened => return opened,
        }
    }
    config.open()
}

/// sled passes the lock's error on as text only.
fn is_locked(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Other && error.to_string().contains("could not acquire lock")
}

const KIND: &str = "store";
/// Under this key each tree says that it was made: one that lacks it lost its contents.
const MARK: &[u8] = b"mformat";
const FOLLOWS: &[u8] = b"mfollows";
/// The first file of long blobs that sled may not know all of.
const LONG: &[u8] = b"mlong";

/// sled writes a page that is longer than a quarter of this to a file of its own, and never syncs it.
/// A page holds up to 17 values, 20 after a merge, however long they are, or 257 keys: so values,
/// keys and this belong together.
const SEGMENT_BYTES: usize = 1024 * 1024;
/// The longest value that sled is given; a blob that is longer, and comes alone, is long.
const PART_BYTES: usize = 8 * 1024;
const _: () = assert!(20 * (PART_BYTES + MAX_KEY_BYTES + 64) < SEGMENT_BYTES / 4);
const _: () = assert!(20 * (MAX_REGISTER_BYTES + MAX_KEY_BYTES + 64) < SEGMENT_BYTES / 4);
const _: () = assert!(257 * (MAX_KEY_BYTES + 64) < SEGMENT_BYTES / 4);
#[derive(Debug)]
struct Inner {
    /// Held while a batch is compared and applied: sled would put batches one after another anyway.
    writer: Mutex<()>,
    barrier: Barrier,
    /// Set at the first write of which nobody knows what it did.
    broken: OnceLock<Arc<io::Error>>,
    reserve_bytes: u64,
    /// sled's file, opened before any write, so that it hears of every error of a writeback.
    file: File,
    db: Db,
    blobs: Tree,
    registers: Tree,
    long: Long,
    /// Last, so that the lock outlives sled.
    folder: Folder,
}

/// Blobs in sled.
#[derive(Clone, Debug)]
pub struct Blobs(Arc<Inner>);

impl Blobs {
    pub(super) async fn put(&self, items: Vec<(Key, Bytes)>) -> Result<(), Error> {
        if let [(key, bytes)] = &items[..]
            && bytes.len() > PART_BYTES
        {
            let (key, bytes) = (key.clone(), bytes.clone());
            if Inner::change(&self.0, move |inner| inner.put_long(&key, &bytes)).await? {
                return Ok(());
            }
        }
        let prepare = move |inner: &Inner| {
            inner.check_space(inner.reserve_bytes)?;
            let mut changes = Changes::default();
            let mut new = std::collections::BTreeMap::new();
            for (key, bytes) in &items {
                let stored = inner.blob(key)?;
                if stored.as_ref().unwrap_or_else(|| new.entry(key).or_insert(bytes)) != bytes {
                    return Err(Error::Exists(key.clone()));
                }
            }
            for (key, bytes) in new {
                changes.blob(key, bytes);
            }
            Ok(changes)
        };
        Inner::write(&self.0, move |inner| inner.apply(&inner.blobs, prepare)).await
    }

    pub(super) async fn get(&self, key: &Key) -> Result<Option<Bytes>, Error> {
        let key = key.clone();
        Inner::read(&self.0, move |inner| inner.blob(&key)).await
    }

    pub(super) async fn keys(&self, range: Range) -> Result<Vec<Key>, Error> {
        Inner::read(&self.0, move |inner| list(&inner.blobs, b'h', &range, |key, _| key)).await
    }
}

/// Registers in sled.
#[derive(Clone, Debug)]
pub struct Registers(Arc<Inner>);

impl Registers {
    pub(super) async fn get(&self, key: &Key) -> Result<Option<Bytes>, Error> {
        let key = key.clone();
        Inner::read(&self.0, move |inner| inner.register(&key)).await
    }

    pub(super) async fn swap(&self, swaps: Vec<Swap>, follows: u64) -> Result<(), SwapError> {
        Inner::write(&self.0, move |inner| inner.swap(&swaps, follows)).await
    }

    pub(super) async fn note(&self, swaps: Vec<Swap>, follows: u64) -> Result<(), SwapError> {
        Inner::change(&self.0, move |inner| inner.swap(&swaps, follows)).await
    }

    pub(super) async fn scan(&self, range: Range) -> Result<Vec<(Key, Bytes)>, Error> {
        let pair = |key, value: &[u8]| (key, Bytes::copy_from_slice(value));
        Inner::read(&self.0, move |inner| list(&inner.registers, b'r', &range, pair)).await
    }

    pub(super) async fn follows(&self) -> Result<u64, Error> {
        Inner::read(&self.0, Inner::follows).await
    }
}

impl Inner {
    /// Applies what `change` does, then waits until it is durable.
    async fn write<E: From<Error> + Send + 'static>(
        this: &Arc<Self>,
        change: impl FnOnce(&Self) -> Result<(), E> + Send + 'static,
    ) -> Result<(), E> {
        // Weak, because the barrier lets go of it only after it answered: a caller that drops the
        // store then must find its folder free.
        let weak = Arc::downgrade(this);
        let again = move || weak.upgrade().map_or(Ok(()), |inner| inner.sync());
        let round = Self::change(this, move |inner| {
            change(inner)?;
            // Also when the batch is empty because all is there: its writer may not have synced yet.
            Ok::<_, E>(inner.barrier.join(|| inner.sync(), again))
        });
        round.await?.served().await.map_err(|error| this.unknown(error).into())
    }

    /// What writes, on the blocking pool: of one that panics nobody knows what it did.
    async fn change<T: Send + 'static, E: From<Error> + Send + 'static>(
        this: &Arc<Self>,
        job: impl FnOnce(&Self) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E> {
        Self::on_pool(this, job, |error| this.unknown(io::Error::other(error))).await
    }

    /// Runs on the blocking pool, to its end even if the caller stops waiting.
    async fn on_pool<T: Send + 'static, E: From<Error> + Send + 'static>(
        this: &Arc<Self>,
        job: impl FnOnce(&Self) -> Result<T, E> + Send + 'static,
        panicked: impl FnOnce(JoinError) -> Error,
    ) -> Result<T, E> {
        let inner = Arc::clone(this);
        match spawn_blocking(move || job(&inner)).await {
            Ok(outcome) => outcome,
            Err(error) if error.is_panic() => Err(panicked(error).into()),
            // The runtime ends, and the job never began.
            Err(error) => Err(broken(io::Error::other(error)).into()),
        }
    }

    /// The right to write.
    fn writer(&self) -> Result<MutexGuard<'_, ()>, Error> {
        let writer = self.writer.lock();
        if let Some(error) = self.broken.get() {
            return Err(Error::Broken(Arc::clone(error)));
        }
        writer.map_err(|_| broken(io::Error::other("an earlier write panicked")))
    }

    /// Stores a blob that is long, unless its key holds something, or is about to: then it is for others. It is durable before sled
    /// hears of it, so that sled's word needs no sync: what sled lost is read from the file again at the next start.
    fn put_long(&self, key: &Key, bytes: &Bytes) -> Result<bool, Error> {
        let writer = self.writer()?;
        self.check_space(self.reserve_bytes)?;
        if self.blobs.contains_key(tagged(b'h', key)).map_err(unread)? {
            return Ok(false);
        }
        let Some(written) = self.long.append(key, bytes)? else {
            return Ok(false);
        };
        drop(writer);
        self.long.sync(&written).map_err(|error| self.unknown(error))?;
        let _writer = self.writer()?;
        let outcome = match self.blob(key)? {
            // Somebody put it in parts meanwhile.
            Some(stored) if stored != bytes => Err(Error::Exists(key.clone())),
            Some(_) => Ok(true),
            None => self.lies(key, written.place).map(|()| true).map_err(|error| self.unknown(error)),
        };
        // Also of one that was refused, nobody waits any more.
        if let Some(from) = self.long.landed(key, written.place) {
            self.sync().and_then(|()| self.long_from(from)).map_err(|error| self.unknown(error))?;
        }
        outcome
    }

    /// What was found in files of long blobs from a number on, and sled may have lost.
    fn take_in(&self, found: &[(Key, Place)], from: u32) -> io::Result<()> {
        for (key, place) in found {
            if !self.blobs.contains_key(tagged(b'h', key))? {
                self.lies(key, *place)?;
            }
        }
        if self.long.next() > from {
            self.sync()?;
            self.long_from(self.long.next())?;
        }
        Ok(())
    }

    fn lies(&self, key: &Key, place: Place) -> io::Result<()> {
        let head = [&b"f"[..], &place.to_bytes()].concat();
        self.blobs.insert(tagged(b'h', key), head).map(drop).map_err(io::Error::from)
    }

    fn long_from(&self, from: u32) -> io::Result<()> {
        self.blobs.insert(LONG, &from.to_be_bytes()).map(drop).map_err(io::Error::from)
    }

    /// Compares and applies one batch. What `prepare` refuses is not written.
    fn apply<E: From<Error>>(&self, tree: &Tree, prepare: impl FnOnce(&Self) -> Result<Changes, E>) -> Result<(), E> {
        let _writer = self.writer()?;
        prepare(self)?.apply(tree).map_err(|error| self.unknown(error.into()).into())
    }

    fn swap(&self, swaps: &[Swap], follows: u64) -> Result<(), SwapError> {
        self.apply(&self.registers, |inner| {
            inner.check_space(inner.reserve_bytes / 4)?;
            let mut changes = Changes::default();
            for swap in swaps {
                if inner.register(&swap.key)? != swap.expected {
                    return Err(SwapError::Conflict(swap.key.clone()));
                }
                changes.0.push((tagged(b'r', &swap.key), swap.new.as_deref().map(IVec::from)));
            }
            if follows > inner.follows()? {
                changes.0.push((FOLLOWS.to_vec(), Some(IVec::from(&follows.to_be_bytes()))));
            }
            Ok(changes)
        })
    }

    async fn read<T: Send + 'static>(
        this: &Arc<Self>,
        job: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        Self::on_pool(this, job, |_| Error::Damaged("sled panicked while it read".to_owned())).await
    }

    /// Makes everything durable that was applied before the call.
    fn sync(&self) -> io::Result<()> {
        self.db.flush()?;
        self.file.sync_data()
    }

    fn check_space(&self, reserve_bytes: u64) -> Result<(), Error> {
        let space = rustix::fs::statvfs(self.folder.path()).map_err(|error| broken(error.into()))?;
        if space.f_bavail.saturating_mul(space.f_frsize) < reserve_bytes { Err(Error::Full) } else { Ok(()) }
    }

    fn blob(&self, key: &Key) -> Result<Option<Bytes>, Error> {
        let Some(head) = self.blobs.get(tagged(b'h', key)).map_err(unread)? else {
            return Ok(None);
        };
        match head.split_first() {
            Some((b'i', bytes)) => Ok(Some(Bytes::copy_from_slice(bytes))),
            Some((b'p', len)) => self.parts(key, len).map(Some),
            Some((b'f', place)) => {
                let place = Place::from_bytes(place).ok_or_else(|| Error::Damaged(format!("the place of {key}")))?;
                self.long.read(key, place).map(Some)
            }
            _ => Err(Error::Damaged(format!("the head of {key}"))),
        }
    }

    /// A blob in parts, whole or not at all.
    fn parts(&self, key: &Key, len: &[u8]) -> Result<Bytes, Error> {
        let damaged = |what: &str| Error::Damaged(format!("{what} of {key}"));
        let len = u32::from_be_bytes(len.try_into().map_err(|_| damaged("the length"))?);
        let len = usize::try_from(len).map_err(|_| damaged("the length"))?;
        let mut bytes = BytesMut::with_capacity(len.min(MAX_BATCH_BYTES));
        for index in 0..len.div_ceil(PART_BYTES) {
            let part = self.blobs.get(part_key(key, index)).map_err(unread)?.ok_or_else(|| damaged("a part"))?;
            if part.len() != PART_BYTES.min(len - bytes.len()) {
                return Err(damaged("a part"));
            }
            bytes.put_slice(&part);
        }
        Ok(bytes.freeze())
    }

    fn register(&self, key: &Key) -> Result<Option<Bytes>, Error> {
        let value = self.registers.get(tagged(b'r', key)).map_err(unread)?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn follows(&self) -> Result<u64, Error> {
        let Some(value) = self.registers.get(FOLLOWS).map_err(unread)? else {
            return Ok(0);
        };
        let value = value.as_ref().try_into().map_err(|_| Error::Damaged("what the registers follow".to_owned()))?;
        Ok(u64::from_be_bytes(value))
    }

    /// A write of which nobody knows what it did: it is the last one.
    fn unknown(&self, error: io::Error) -> Error {
        Error::Unknown(Arc::clone(self.broken.get_or_init(|| Arc::new(error))))
    }
}

fn list<T>(tree: &Tree, tag: u8, range: &Range, make: impl Fn(Key, &[u8]) -> T) -> Result<Vec<T>, Error> {
    let from = match &range.after {
        Some(after) => Bound::Excluded(tagged(tag, after)),
        None => Bound::Included(tagged(tag, &range.prefix)),
    };
    let end = Bound::Excluded(vec![tag + 1]);
    let mut found = Vec::new();
    for pair in tree.range::<Vec<u8>, _>((from, end)).take(range.limit) {
        let (key, value) = pair.map_err(unread)?;
        let key = Key(key.iter().skip(1).copied().collect());
        if !key.is_under(&range.prefix) {
            break;
        }
        found.push(make(key, &value));
    }
    Ok(found)
}

fn number(bytes: &[u8]) -> Result<u32, String> {
    bytes.try_into().map(u32::from_be_bytes).map_err(|_| "the number of the files of long blobs".to_owned())
}

fn unread(error: ::sled::Error) -> Error {
    match error {
        ::sled::Error::Io(error) => broken(error),
        error => Error::Damaged(format!("sled says: {error}")),
    }
}
