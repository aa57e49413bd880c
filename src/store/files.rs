//! Plain files in a folder, durable one by one: the home of the evidence log.
//!
//! Refuses to go on writing after a failed sync: the kernel may have dropped what it could not
//! write, and a later sync would not say so.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::Error;
use super::folder::{Folder, Marked, OpenError, ReplaceError, make_folders, private, read, replace, sync_parent};

/// Files on a disk. Clones are the same folder, which is locked until the last is dropped.
#[derive(Clone, Debug)]
pub struct Disk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// `None`: it is only looked at, and nobody else is kept out.
    folder: Option<Folder>,
    /// Set at the first write of which nobody knows what it did.
    broken: OnceLock<Arc<io::Error>>,
}

const KIND: &str = "files";

impl Disk {
    pub(super) fn open(path: &std::path::Path) -> Result<Self, OpenError> {
        let (folder, marked) = Folder::open(path, KIND)?;
        if marked == Marked::Begun {
            folder.mark(KIND, Marked::Ready).map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        }
        Ok(Self(Arc::new(Inner { path: path.to_owned(), folder: Some(folder), broken: OnceLock::new() })))
    }

    pub(super) fn look(path: &std::path::Path) -> Self {
        let broken = OnceLock::from(Arc::new(io::Error::from(io::ErrorKind::ReadOnlyFilesystem)));
        Self(Arc::new(Inner { path: path.to_owned(), folder: None, broken }))
    }

    pub(super) async fn read(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let path = self.0.path.join(name);
        let is_ours = self.0.folder.is_some();
        let bytes = spawn_blocking(move || if is_ours { read(&path) } else { read_foreign(&path) })
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        Ok(bytes.map_err(broken)?.map(Bytes::from))
    }

    pub(super) async fn append(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        self.write(name, move |inner, path| inner.append(&path, &bytes)).await
    }

    pub(super) async fn replace(&self, name: &str, bytes: Bytes) -> Result<(), Error> {
        self.write(name, move |inner, path| {
            let made = path.parent().map_or(Ok(()), make_folders).map_err(ReplaceError::Before);
            match made.and_then(|()| replace(&path, &bytes)) {
                Ok(()) => Ok(()),
                Err(ReplaceError::Before(error)) => Err(not_done(error)),
                Err(ReplaceError::Late(error)) => Err(inner.unknown(error)),
            }
        })
        .await
    }

    pub(super) async fn truncate(&self, name: &str, len: u64) -> Result<(), Error> {
        self.write(name, move |inner, path| {
            let file = match private().write(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                opened => opened.map_err(broken)?,
            };
            if file.metadata().map_err(broken)?.len() <= len {
                return Ok(());
            }
            file.set_len(len).and_then(|()| file.sync_all()).map_err(|error| inner.unknown(error))
        })
        .await
    }

    pub(super) async fn remove_folder(&self, name: &str) -> Result<(), Error> {
        self.write(name, move |inner, path| {
            use io::ErrorKind::{NotADirectory, NotFound};
            match std::fs::remove_dir_all(&path).and_then(|()| sync_parent(&path)) {
                Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(()),
                removed => removed.map_err(|error| inner.unknown(error)),
            }
        })
        .await
    }

    /// Runs `job` on the blocking pool, to its end even if the caller stops waiting.
    async fn write(
        &self,
        name: &str,
        job: impl FnOnce(&Inner, PathBuf) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let inner = Arc::clone(&self.0);
        let path = inner.path.join(name);
        let done = spawn_blocking(move || match inner.broken.get() {
            Some(error) => Err(Error::Broken(Arc::clone(error))),
            None => job(&inner, path),
        });
        match done.await {
            Ok(outcome) => outcome,
            Err(error) if error.is_panic() => Err(self.0.unknown(io::Error::other(error))),
            // The runtime ends, and the job never began.
            Err(error) => Err(broken(io::Error::other(error))),
        }
    }
}

impl Inner {
    fn append(&self, path: &PathBuf, bytes: &[u8]) -> Result<(), Error> {
        let (mut file, made) = match private().append(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                path.parent().map_or(Ok(()), make_folders).map_err(not_done)?;
                (private().append(true).create(true).open(path).map_err(not_done)?, true)
            }
            opened => (opened.map_err(broken)?, false),
        };
        let before = file.metadata().map_err(broken)?.len();
        if let Err(error) = file.write_all(bytes) {
            return Err(self.undo(&file, before, error));
        }
        // The length is part of what fdatasync makes durable; the entry in the folder is not.
        file.sync_data().map_err(|error| self.unknown(error))?;
        if made {
            sync_parent(path).map_err(|error| self.unknown(error))?;
        }
        Ok(())
    }

    /// Takes back a write that stopped half-way, so that a full disk costs nothing but the write.
    fn undo(&self, file: &File, before: u64, error: io::Error) -> Error {
        match file.set_len(before).and_then(|()| file.sync_all()) {
            Ok(()) => not_done(error),
            Err(_) => self.unknown(error),
        }
    }

    /// A write of which nobody knows what it did: it is the last one.
    fn unknown(&self, error: io::Error) -> Error {
        Error::Unknown(Arc::clone(self.broken.get_or_init(|| Arc::new(error))))
    }
}

/// A file that somebody else has made: no more of it than any of ours has, and nothing but a plain file.
fn read_foreign(path: &std::path::Path) -> io::Result<Option<Vec<u8>>> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = match private().read(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut bytes = Vec::new();
    if !file.metadata()?.is_file() || file.take(FOREIGN_BYTES + 1).read_to_end(&mut bytes)? as u64 > FOREIGN_BYTES {
        let what = format!("{} is no file of a log", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(Some(bytes))
}

/// Longer than any file of a log's layout: 256 entries of 32 KiB.
const FOREIGN_BYTES: u64 = 9 * 1024 * 1024;

/// The error of a write that certainly did not happen.
pub(super) fn not_done(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Error::Full,
        _ => broken(error),
    }
}

pub(super) fn broken(error: io::Error) -> Error {
    Error::Broken(Arc::new(error))
}
