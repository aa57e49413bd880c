//! The key by which a leaked secret is recognised again: in a file of its own, 0600, with the second from which it holds.
//!
//! It signs nothing. Whoever has it can try values against the log's fingerprints: after ninety days another takes its place,
//! and the old one is nowhere any more. Fingerprints match those of the same ninety days only.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use tracing::warn;
use zeroize::Zeroizing;

use super::{Error, files};

/// How long a key holds. Seconds.
pub const PERIOD_S: u64 = 90 * 24 * 3600;

/// The key of now.
#[derive(Clone)]
pub struct Fingerprints(Arc<Kept>);

struct Kept {
    /// The folder of its file, if it has one.
    dir: Option<PathBuf>,
    current: Mutex<Current>,
}

struct Current {
    key: hmac::Key,
    /// When it is replaced. Seconds since 1970.
    until: u64,
}

impl Fingerprints {
    /// Reads it from `dir`; makes it if it is not there. `now` in seconds since 1970.
    pub fn open(dir: &Path, now: u64) -> Result<Self, Error> {
        let current = match read(&dir.join(NAME))? {
            Some(current) => current,
            None => make(dir, now)?,
        };
        Ok(Self(Arc::new(Kept { dir: Some(dir.to_owned()), current: Mutex::new(current) })))
    }

    /// A key that is nowhere else and ends with the process.
    pub fn in_memory() -> Result<Self, Error> {
        let current = Current { until: u64::MAX, ..Current::new(&*random()?, 0) };
        Ok(Self(Arc::new(Kept { dir: None, current: Mutex::new(current) })))
    }

    /// HMAC-SHA-256 under the key of now, in seconds since 1970. Where the period is over the next key is written first.
    pub fn of_value(&self, value: &[u8], now: u64) -> [u8; 32] {
        let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(dir) = self.0.dir.as_deref().filter(|_| now >= current.until) {
            match make(dir, now) {
                Ok(next) => *current = next,
                Err(error) => {
                    warn!(%error, "masking's fingerprints keep the key of the last ninety days");
                    current.until = now.saturating_add(AGAIN_S);
                }
            }
        }
        let mut print = [0; 32];
        print.iter_mut().zip(hmac::sign(&current.key, value).as_ref()).for_each(|(print, byte)| *print = *byte);
        print
    }
}

impl Current {
    fn new(seed: &[u8; 32], since: u64) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, seed), until: since.saturating_add(PERIOD_S) }
    }
}

/// The key in a file; none if there is no such file.
fn read(path: &Path) -> Result<Option<Current>, Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    // Open first, then ask the open file: as with the other keys.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let mut file = match OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(io)?,
    };
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(Error::NotAFile { path: path.to_owned() });
    }
    files::check_owner(path, &meta)?;
    if meta.mode() & 0o077 != 0 {
        return Err(Error::Rights { path: path.to_owned(), mode: meta.mode() & 0o7777, want: "600" });
    }
    let mut seed = Zeroizing::new([0; 32]);
    file.read_exact(&mut *seed).map_err(io)?;
    // One of an earlier version holds since it was written.
    let (mut begin, written) = ([0; 8], u64::try_from(meta.mtime()).unwrap_or(0));
    let since = file.read_exact(&mut begin).map_or(written, |()| u64::from_be_bytes(begin));
    Ok(Some(Current::new(&seed, since)))
}

/// Another key from now on, in the place of the one that is there.
fn make(dir: &Path, now: u64) -> Result<Current, Error> {
    let (path, next) = (dir.join(NAME), dir.join(NEXT));
    let seed = random()?;
    let write = || {
        // What a crash left of one that was never used.
        match fs::remove_file(&next) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
        file.write_all(&*seed)?;
        file.write_all(&now.to_be_bytes())?;
        file.sync_all()?;
        fs::rename(&next, &path)?;
        File::open(dir)?.sync_all()
    };
    write().map_err(|source| Error::Io { path: path.clone(), source })?;
    Ok(Current::new(&seed, now))
}

impl std::fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fingerprints")
    }
}

fn random() -> Result<Zeroizing<[u8; 32]>, Error> {
    let mut seed = Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(&mut *seed).map_err(|_| Error::Random)?;
    Ok(seed)
}

const NAME: &str = "fingerprints";
const NEXT: &str = "fingerprints.next";

/// When it is tried again if the next key could not be written. Seconds.
const AGAIN_S: u64 = 3600;

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    #[test]
    fn it_is_made_once_for_its_owner_alone_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let made = Fingerprints::open(folder.path(), NOW).unwrap().of_value(b"value", NOW);
        let path = folder.path().join(NAME);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(Fingerprints::open(folder.path(), NOW + 5).unwrap().of_value(b"value", NOW + 5), made);
        assert_ne!(Fingerprints::in_memory().unwrap().of_value(b"value", NOW), made);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Fingerprints::open(folder.path(), NOW), Err(Error::Rights { .. })));
    }

    #[test]
    fn after_its_period_another_takes_its_place_for_good() {
        let folder = tempfile::tempdir().unwrap();
        let prints = Fingerprints::open(folder.path(), NOW).unwrap();
        let first = prints.of_value(b"value", NOW);
        assert_eq!(prints.of_value(b"value", NOW + PERIOD_S - 1), first);
        fs::write(folder.path().join(NEXT), b"left by a crash").unwrap();
        let second = prints.of_value(b"value", NOW + PERIOD_S);
        assert_ne!(second, first);
        assert_eq!(prints.of_value(b"value", NOW + 2 * PERIOD_S - 1), second);
        let again = Fingerprints::open(folder.path(), NOW + PERIOD_S).unwrap();
        assert_eq!(again.of_value(b"value", NOW + PERIOD_S), second);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_key_of_an_earlier_version_holds_since_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        fs::write(&path, [7; 32]).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let written = u64::try_from(fs::metadata(&path).unwrap().mtime()).unwrap();
        let prints = Fingerprints::open(folder.path(), written).unwrap();
        let first = prints.of_value(b"value", written);
        assert_eq!(prints.of_value(b"value", written + PERIOD_S - 1), first);
        assert_ne!(prints.of_value(b"value", written + PERIOD_S), first);
    }

    #[test]
    fn where_no_other_can_be_written_the_old_one_goes_on_and_it_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let prints = Fingerprints::open(folder.path(), NOW).unwrap();
        let first = prints.of_value(b"value", NOW);
        // A folder in its place is not taken away.
        fs::create_dir(folder.path().join(NEXT)).unwrap();
        assert_eq!(prints.of_value(b"value", NOW + PERIOD_S), first);
        fs::remove_dir(folder.path().join(NEXT)).unwrap();
        assert_eq!(prints.of_value(b"value", NOW + PERIOD_S + AGAIN_S - 1), first);
        assert_ne!(prints.of_value(b"value", NOW + PERIOD_S + AGAIN_S), first);
    }
}
