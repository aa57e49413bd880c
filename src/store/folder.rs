//! A folder that one process at a time owns, that says which format it holds, and what it takes to
//! change a file in it for good.
//!
//! Refuses a folder that is in use, newer than this program, damaged, or not ours.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A folder, locked while this lives.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Closing it gives the lock back.
    _lock: File,
}

/// Whether a folder was made ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marked {
    /// It was begun, perhaps by a start that did not finish: it holds nothing acknowledged.
    Begun,
    /// It was ready once, so what should be in it must be in it.
    Ready,
}

/// The format this program writes, and the newest that it reads.
const FORMAT: u32 = 1;
/// Names that begin with a dot are no names of `Files`.
const LOCK: &str = ".lock";
const MARKER: &str = ".format";

impl Folder {
    /// Opens the folder, or makes it, for contents of `kind`.
    pub(super) fn open(path: &Path, kind: &str) -> Result<(Self, Marked), OpenError> {
        let failed = |source| OpenError::Io { path: path.to_owned(), source };
        make_folders(path).map_err(failed)?;
        let lock = private().write(true).create(true).truncate(false).open(path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let folder = Self { path: path.to_owned(), _lock: lock };
        let marked = match read(&path.join(MARKER)).map_err(failed)? {
            Some(text) => folder.parse(&text, kind)?,
            None if folder.holds_anything().map_err(failed)? => return Err(OpenError::Foreign(path.to_owned())),
            None => {
                folder.mark(kind, Marked::Begun).map_err(failed)?;
                Marked::Begun
            }
        };
        Ok((folder, marked))
    }

    /// Says durably how far the folder is.
    pub(super) fn mark(&self, kind: &str, marked: Marked) -> io::Result<()> {
        let begun = if marked == Marked::Begun { " begun" } else { "" };
        let text = format!("sallyport {kind} {FORMAT}{begun}\n");
        replace(&self.path.join(MARKER), text.as_bytes()).map_err(io::Error::from)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn parse(&self, text: &[u8], kind: &str) -> Result<Marked, OpenError> {
        let text = String::from_utf8_lossy(text);
        let mut words = text.split_ascii_whitespace();
        let ours = words.next() == Some("sallyport") && words.next() == Some(kind);
        let found = words.next().and_then(|word| word.parse::<u32>().ok()).filter(|_| ours);
        match (found, words.next()) {
            (Some(found), _) if found > FORMAT => Err(OpenError::Newer { path: self.path.clone(), found }),
            (Some(FORMAT), None) => Ok(Marked::Ready),
            (Some(FORMAT), Some("begun")) => Ok(Marked::Begun),
            _ => Err(OpenError::Damaged {
                path: self.path.clone(),
                what: format!("its {MARKER} file is not a marker of a {kind} folder"),
            }),
        }
    }

    fn holds_anything(&self) -> io::Result<bool> {
        for entry in std::fs::read_dir(&self.path)? {
            // A start that ended before the marker was in place leaves the lock and a temporary file.
            let name = entry?.file_name();
            if name != LOCK && !name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// How far a failed replacement got.
#[derive(Debug)]
pub(super) enum ReplaceError {
    /// The file holds what it held before.
    Before(io::Error),
    /// The file may hold either.
    Late(io::Error),
}

impl From<ReplaceError> for io::Error {
    fn from(error: ReplaceError) -> Self {
        match error {
            ReplaceError::Before(source) | ReplaceError::Late(source) => source,
        }
    }
}

/// Makes the file hold `bytes`, whatever happens in between: a temporary file is synced, then
/// renamed, then the folder is synced. The folder must exist.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), ReplaceError> {
    let mut name = std::ffi::OsString::from(TEMPORARY);
    name.push(path.file_name().unwrap_or_default());
    let temporary = path.with_file_name(name);
    let written = private().write(true).create(true).truncate(true).open(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(source) = written.and_then(|()| std::fs::rename(&temporary, path)) {
        // It holds nothing that anyone was promised; the next replacement overwrites it.
        let _ = std::fs::remove_file(&temporary);
        return Err(ReplaceError::Before(source));
    }
    sync_parent(path).map_err(ReplaceError::Late)
}

const TEMPORARY: &str = ".new-";

/// The whole file, if there is one.
pub(super) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes the folder and those above it, for the owner alone, each entered durably in its parent.
pub(super) fn make_folders(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    if let Some(parent) = parent {
        make_folders(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    sync_parent(path)
}

/// Makes durable which files the folder of `path` holds.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Files for the owner alone.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

/// Why a folder was not opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process, or another handle of this one, has it open.
    #[error("another sallyport uses {0}")]
    InUse(PathBuf),
    /// A later version of this program wrote it.
    #[error("{path} has format {found}, from a newer sallyport; this one reads up to format {FORMAT}")]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It is not as it was left. Move it aside and rebuild; nothing starts empty in its place.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// It holds files, and none says that they are ours.
    #[error("{0} is not empty, and its files are not from sallyport")]
    Foreign(PathBuf),
    /// The system refused.
    #[error("open {path}")]
    Io {
        /// The folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}
