//! The signer's keys as OpenSSH files in one folder, 0600, their owner's alone.
//!
//! Never overwrites, and never reads what others could have read or written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{PrivateKey, PublicKey};
use zeroize::Zeroizing;

use super::{Error, new_authority, new_key};

pub(super) const USER_CA: &str = "user_ca";
pub(super) const TARGET_CA: &str = "target_ca";
pub(super) const HOST_CA: &str = "host_ca";
pub(super) const LOG: &str = "log";
pub(super) const SSH_HOST: &str = "ssh_host_ed25519_key";

/// Every lasting key.
pub(super) struct Lasting {
    pub(super) user_ca: PrivateKey,
    pub(super) target_ca: PrivateKey,
    pub(super) host_ca: PrivateKey,
    pub(super) log: PrivateKey,
    pub(super) ssh_host: PrivateKey,
}

impl Lasting {
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Self {
            user_ca: new_authority("sallyport user CA")?,
            target_ca: new_authority("sallyport target CA")?,
            host_ca: new_authority("sallyport host CA")?,
            log: new_key("sallyport ledger")?,
            ssh_host: new_key("sallyport SSH host key")?,
        })
    }

    fn named(&self) -> [(&'static str, &PrivateKey); 5] {
        [
            (USER_CA, &self.user_ca),
            (TARGET_CA, &self.target_ca),
            (HOST_CA, &self.host_ca),
            (LOG, &self.log),
            (SSH_HOST, &self.ssh_host),
        ]
    }
}

/// Writes all keys, and their public halves beside them. Nothing is written if any is there.
pub(super) fn write(dir: &Path, keys: &Lasting) -> Result<(), Error> {
    write_named(dir, &keys.named())
}

/// The same of other keys.
pub(super) fn write_named(dir: &Path, keys: &[(&'static str, &PrivateKey)]) -> Result<(), Error> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io(dir))?;
    for (name, _) in keys {
        let path = dir.join(name);
        if fs::symlink_metadata(&path).is_ok() {
            return Err(Error::Exists { path });
        }
    }
    for (name, key) in keys {
        let private = key.to_openssh(LineEnding::LF).map_err(Error::Build)?;
        let public = key.public_key().to_openssh().map_err(Error::Build)? + "\n";
        for (path, mode, text) in
            [(dir.join(name), 0o600, private.as_bytes()), (dir.join(format!("{name}.pub")), 0o644, public.as_bytes())]
        {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).map_err(io(&path))?;
            file.write_all(text).and_then(|()| file.sync_all()).map_err(io(&path))?;
        }
    }
    // The names must outlast a power cut too.
    File::open(dir).and_then(|folder| folder.sync_all()).map_err(io(dir))
}

/// Reads all keys.
pub(super) fn read(dir: &Path) -> Result<Lasting, Error> {
    folder(dir)?;
    Ok(Lasting {
        user_ca: read_key(dir, USER_CA)?,
        target_ca: read_key(dir, TARGET_CA)?,
        host_ca: read_key(dir, HOST_CA)?,
        log: read_key(dir, LOG)?,
        ssh_host: read_key(dir, SSH_HOST)?,
    })
}

/// Reads one key.
pub(super) fn read_one(dir: &Path, name: &'static str) -> Result<PrivateKey, Error> {
    folder(dir)?;
    read_key(dir, name)
}

/// Every fault at once, and when each file was last written.
pub(super) fn look(dir: &Path) -> (Vec<Error>, Vec<(&'static str, i64)>) {
    let mut faults = Vec::new();
    if let Err(error) = folder(dir) {
        faults.push(error);
        return (faults, Vec::new());
    }
    let (mut ages, mut seen) = (Vec::new(), Vec::<(&'static str, PublicKey)>::new());
    for name in [USER_CA, TARGET_CA, HOST_CA, LOG, SSH_HOST] {
        let key = match read_key(dir, name) {
            Ok(key) => key.public_key().clone(),
            Err(error) => {
                faults.push(error);
                continue;
            }
        };
        let path = dir.join(format!("{name}.pub"));
        // What operators copy to targets and clients must be the half of what signs.
        match fs::read_to_string(&path).ok().and_then(|text| PublicKey::from_openssh(&text).ok()) {
            Some(public) if public.key_data() == key.key_data() => {}
            Some(_) | None => faults.push(Error::Half { path }),
        }
        if let Some((other, _)) = seen.iter().find(|(_, other)| other.key_data() == key.key_data()) {
            faults.push(Error::Twice { name, other });
        }
        seen.push((name, key));
        ages.extend(fs::symlink_metadata(dir.join(name)).map(|meta| (name, meta.mtime())));
    }
    (faults, ages)
}

fn folder(dir: &Path) -> Result<(), Error> {
    let folder = File::open(dir).map_err(|source| Error::Io { path: dir.to_owned(), source })?;
    let meta = folder.metadata().map_err(|source| Error::Io { path: dir.to_owned(), source })?;
    check_owner(dir, &meta)?;
    if meta.mode() & 0o022 != 0 {
        return Err(Error::Rights { path: dir.to_owned(), mode: meta.mode() & 0o7777, want: "700" });
    }
    Ok(())
}

fn read_key(dir: &Path, name: &'static str) -> Result<PrivateKey, Error> {
    let key = read_private(&dir.join(name))?;
    match name {
        // Authorities that were made elsewhere, or before they were made on P-256.
        USER_CA | TARGET_CA | HOST_CA if signs_here(&key) => Ok(key),
        USER_CA | TARGET_CA | HOST_CA => Err(Error::Kind { name, want: "an Ed25519 or ECDSA key" }),
        _ if key.algorithm() == russh::keys::Algorithm::Ed25519 => Ok(key),
        _ => Err(not_ed25519(name)),
    }
}

pub(super) fn not_ed25519(name: &'static str) -> Error {
    Error::Kind { name, want: "an Ed25519 key" }
}

/// Reads the lasting key for a target that knows no certificates.
pub(super) fn read_target_key(path: &Path) -> Result<PrivateKey, Error> {
    let key = read_private(path)?;
    match signs_here(&key) {
        true => Ok(key),
        false => Err(Error::TargetKind { path: path.to_owned() }),
    }
}

/// Whether this process may sign with it: RSA leaks its key by timing in the library that would do it.
pub(super) fn signs_here(key: &PrivateKey) -> bool {
    matches!(key.algorithm(), russh::keys::Algorithm::Ed25519 | russh::keys::Algorithm::Ecdsa { .. })
}

fn read_private(path: &Path) -> Result<PrivateKey, Error> {
    let path = path.to_owned();
    let io = |source| Error::Io { path: path.clone(), source };
    // What is checked and what is read must be one file: open first, then ask the open file. A link
    // could lead to a file of somebody else's choice; O_NONBLOCK so that a FIFO cannot hold the start.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(&path).map_err(io)?;
    let meta = file.metadata().map_err(io)?;
    if !meta.is_file() {
        return Err(Error::NotAFile { path });
    }
    check_owner(&path, &meta)?;
    if meta.mode() & 0o077 != 0 {
        return Err(Error::Rights { path, mode: meta.mode() & 0o7777, want: "600" });
    }
    let mut text = Zeroizing::new(Vec::with_capacity(4096));
    file.take(64 * 1024).read_to_end(&mut text).map_err(io)?;
    let key =
        PrivateKey::from_openssh(text.as_slice()).map_err(|source| Error::Parse { path: path.clone(), source })?;
    if key.is_encrypted() {
        return Err(Error::Encrypted { path });
    }
    Ok(key)
}

pub(super) fn check_owner(path: &Path, meta: &fs::Metadata) -> Result<(), Error> {
    let own = rustix::process::geteuid().as_raw();
    match meta.uid() == own || meta.uid() == 0 {
        true => Ok(()),
        false => Err(Error::Owner { path: path.to_owned(), uid: meta.uid() }),
    }
}
