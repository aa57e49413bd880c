//! New keys, and where a proved one goes: the agent, or files that only their owner may read.
//!
//! A key stays in memory until it is put somewhere on purpose.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;
use zeroize::Zeroizing;

use super::agent::{Agent, Destination};
use super::{Error, SignedIn};
use crate::domain::Timestamp;

/// A fresh ed25519 key.
pub fn new_key(comment: &str) -> Result<PrivateKey, Error> {
    let seed = Zeroizing::new(random()?);
    let mut key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    key.set_comment(comment);
    Ok(key)
}

/// Puts key and certificate into the agent behind `socket` until the certificate's end, usable only
/// towards `destination` where one is given, and takes out those of earlier sign-ins at this bastion.
///
/// An agent that cannot hold to `destination` refuses: that is an error, never done without.
pub async fn into_agent(
    signed_in: &SignedIn,
    socket: &Path,
    destination: Option<&Destination>,
    now: Timestamp,
) -> Result<(), Error> {
    let mut agent = Agent::connect(socket).await?;
    let comment = comment(&signed_in.outcome.bastion);
    let earlier = agent.identities().await?;
    // Rounded up: an identity that went a moment early would be a riddle.
    let life = signed_in.outcome.until.since(now).max(Duration::from_secs(1));
    agent.add(&signed_in.key, &signed_in.certificate, &comment, life, destination).await?;
    for identity in earlier.iter().filter(|identity| identity.comment == comment) {
        agent.remove(&identity.blob).await?;
    }
    Ok(())
}

/// Where key and certificate lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The private key.
    pub key: PathBuf,
    /// The certificate: no secret.
    pub certificate: PathBuf,
}

impl Files {
    /// In the folder `sallyport` of `ssh_folder` (`~/.ssh`), named after the bastion.
    pub fn of(ssh_folder: &Path, bastion: &str) -> Self {
        let folder = ssh_folder.join("sallyport");
        Self { key: folder.join(bastion), certificate: folder.join(format!("{bastion}-cert.pub")) }
    }
}

/// Writes key and certificate, readable by their owner only. Replaces those of an earlier sign-in.
pub fn into_files(signed_in: &SignedIn, ssh_folder: &Path) -> Result<Files, Error> {
    let files = Files::of(ssh_folder, &signed_in.outcome.bastion);
    let text = signed_in.key.to_openssh(LineEnding::LF).map_err(|_| Error::Key)?;
    make_folder(ssh_folder)?;
    // The key first: ssh passes over a certificate that does not fit its key.
    replace(&files.key, text.as_bytes(), OWNER_ONLY)?;
    write_certificate(signed_in, ssh_folder)?;
    Ok(files)
}

/// Writes the certificate alone: ssh's config names it to choose one identity of an agent.
pub fn write_certificate(signed_in: &SignedIn, ssh_folder: &Path) -> Result<PathBuf, Error> {
    let files = Files::of(ssh_folder, &signed_in.outcome.bastion);
    let mut text = signed_in.certificate.to_openssh().map_err(|_| Error::Key)?;
    text.push('\n');
    make_folder(ssh_folder)?;
    replace(&files.certificate, text.as_bytes(), OWNER_ONLY)?;
    Ok(files.certificate)
}

/// 32 bytes that nobody else knows.
pub(super) fn random() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::Key)?;
    Ok(bytes)
}

/// By which identities of ours are known in an agent.
fn comment(bastion: &str) -> String {
    format!("sallyport {bastion}")
}

fn make_folder(ssh_folder: &Path) -> Result<(), Error> {
    let folder = ssh_folder.join("sallyport");
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
    made.map_err(|source| Error::File { path: folder.display().to_string(), source })
}

/// Whole or not at all. The rights are there before the first byte is.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let fault = |source| Error::File { path: path.display().to_string(), source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    // Left behind by a run that was killed. `create_new` follows no link that somebody put there.
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fault(error)),
        _ => {}
    }
    let write = || -> std::io::Result<()> {
        let mut file: File = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    };
    write().map_err(fault)
}

pub(super) const OWNER_ONLY: u32 = 0o600;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use russh::keys::Certificate;
    use russh::keys::ssh_key::certificate::Builder;

    use super::super::Outcome;
    use super::*;

    fn signed_in() -> SignedIn {
        let (key, authority) = (new_key("k").unwrap(), new_key("ca").unwrap());
        let mut draft = Builder::new(vec![7; 16], key.public_key(), 0, 4_000_000_000).unwrap();
        draft.serial(7).unwrap().key_id("sp1:X:alice").unwrap().valid_principal("corp/QQ").unwrap();
        let outcome = Outcome {
            principal: "corp/QQ".to_owned(),
            name: "Alice".to_owned(),
            until: Timestamp::from_secs(4_000_000_000),
            serial: 7,
            record: "X".to_owned(),
            bastion: "bastion.example.com".to_owned(),
            ssh_line: "ssh".to_owned(),
        };
        let certificate = draft.sign(&authority).unwrap();
        SignedIn { key, certificate, outcome, host_ca: authority.public_key().clone() }
    }

    #[test]
    fn files_are_for_their_owner_only_and_a_later_sign_in_replaces_them() {
        let folder = tempfile::tempdir().unwrap();
        let ssh = folder.path().join(".ssh");
        into_files(&signed_in(), &ssh).unwrap();
        let later = signed_in();
        let files = into_files(&later, &ssh).unwrap();
        assert_eq!(files, Files::of(&ssh, "bastion.example.com"));
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&files.key), mode(&files.certificate)), (0o600, 0o600));
        assert_eq!(mode(&ssh.join("sallyport")), 0o700);
        assert_eq!(PrivateKey::read_openssh_file(&files.key).unwrap().public_key(), later.key.public_key());
        assert_eq!(Certificate::read_file(&files.certificate).unwrap().public_key(), later.certificate.public_key());
        assert_eq!(std::fs::read_dir(ssh.join("sallyport")).unwrap().count(), 2);
    }

    #[test]
    fn a_link_in_the_way_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("key"), folder.path().join("victim"));
        std::fs::write(&victim, "mine").unwrap();
        std::os::unix::fs::symlink(&victim, folder.path().join("key.new")).unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        replace(&path, b"secret", OWNER_ONLY).unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "mine");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "secret");
    }

    #[test]
    fn nothing_secret_shows_in_debug() {
        let signed_in = signed_in();
        let text = signed_in.key.to_openssh(LineEnding::LF).unwrap();
        let shown = format!("{signed_in:?}");
        assert!(shown.contains("Alice") && !shown.contains(text.lines().nth(1).unwrap()), "{shown}");
    }
}
