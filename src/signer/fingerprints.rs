//! The key by which a leaked secret is recognised again: 32 bytes in a file of its own, 0600.
//!
//! It signs nothing. Whoever has it can try values against the log's fingerprints; without the file a new one is made, and
//! older fingerprints then match no newer ones.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::{Error, files};

/// The key.
#[derive(Clone)]
pub struct Fingerprints(Arc<hmac::Key>);

impl Fingerprints {
    /// Reads it from `dir`; makes it if it is not there.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let path = dir.join(NAME);
        let io = |source| Error::Io { path: path.clone(), source };
        // Open first, then ask the open file: as with the other keys.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        let opened = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(&path);
        let file = match opened {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let seed = random()?;
                let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
                made.and_then(|mut file| file.write_all(&*seed).and_then(|()| file.sync_all())).map_err(io)?;
                return Ok(Self::of(&seed));
            }
            opened => opened.map_err(io)?,
        };
        let meta = file.metadata().map_err(io)?;
        if !meta.is_file() {
            return Err(Error::NotAFile { path });
        }
        files::check_owner(&path, &meta)?;
        if meta.mode() & 0o077 != 0 {
            return Err(Error::Rights { path, mode: meta.mode() & 0o7777, want: "600" });
        }
        let mut seed = Zeroizing::new([0; 32]);
        file.take(32).read_exact(&mut *seed).map_err(io)?;
        Ok(Self::of(&seed))
    }

    /// A key that is nowhere else and ends with the process.
    pub fn in_memory() -> Result<Self, Error> {
        Ok(Self::of(&*random()?))
    }

    fn of(seed: &[u8; 32]) -> Self {
        Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, seed)))
    }

    /// HMAC-SHA-256 under the key.
    pub fn of_value(&self, value: &[u8]) -> [u8; 32] {
        let mut print = [0; 32];
        print.iter_mut().zip(hmac::sign(&self.0, value).as_ref()).for_each(|(print, byte)| *print = *byte);
        print
    }
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

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_made_once_for_its_owner_alone_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let made = Fingerprints::open(folder.path()).unwrap().of_value(b"value");
        let path = folder.path().join(NAME);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(Fingerprints::open(folder.path()).unwrap().of_value(b"value"), made);
        assert_ne!(Fingerprints::in_memory().unwrap().of_value(b"value"), made);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Fingerprints::open(folder.path()), Err(Error::Rights { .. })));
    }
}
