//! The holder of lasting private keys: three authorities, the ledger's key and the SSH host key.
//!
//! It signs typed requests only and refuses what its own rules forbid, whoever asks: a mistake in a
//! caller cannot make a certificate that opens more, or longer, than the rules say. Knows no policy,
//! no clock and no serials; its callers bring them. The one key that leaves is the SSH host key,
//! which the SSH listener needs in its hands.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::encoding::{AsBigEndian as _, EcPrivateKeyBin};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use russh::keys::ssh_key::certificate::{Builder, CertType, Certificate};
use russh::keys::ssh_key::private::{EcdsaKeypair, Ed25519Keypair, KeypairData};
use russh::keys::ssh_key::public::{EcdsaPublicKey, KeyData};
use russh::keys::{Algorithm, PrivateKey, PublicKey};
use thiserror::Error;

mod files;
pub mod fingerprints;
#[cfg(test)]
mod tests;
pub mod witness;

/// Certificates begin this long before now, for clocks that are behind. Seconds.
pub const BACKDATE_S: u64 = 60;
/// The longest life of a user certificate, without the backdate.
pub const USER_LIFE_S: u64 = 8 * 3600;
/// The longest life of a target certificate, without the backdate.
pub const TARGET_LIFE_S: u64 = 120;
/// The longest life of a host certificate for a target, without the backdate.
pub const TARGET_HOST_LIFE_S: u64 = 24 * 3600;
/// The longest life of the bastion's own host certificate, without the backdate.
pub const BASTION_HOST_LIFE_S: u64 = 90 * 24 * 3600;
/// A user or host certificate is smaller than this.
pub const CERTIFICATE_LIMIT_BYTES: usize = 8 * 1024;
/// The longest `force-command`.
pub const FORCE_COMMAND_LIMIT_BYTES: usize = 32 * 1024;
/// The private extension of user certificates.
pub const IDENTITY_EXTENSION: &str = "identity@sallyport";

/// The keys of one bastion. Cheap to clone; clones are the same keys.
#[derive(Clone)]
pub struct Signer(Arc<Keys>);

struct Keys {
    user_ca: PrivateKey,
    target_ca: PrivateKey,
    host_ca: PrivateKey,
    log: Ed25519KeyPair,
    log_public: [u8; 32],
    ssh_host: PrivateKey,
}

/// A certificate from a client to the bastion.
#[derive(Clone, Debug)]
pub struct UserDraft {
    /// The client's key.
    pub public_key: PublicKey,
    /// Not zero; the ledger has it already.
    pub serial: u64,
    /// Names the record and the human.
    pub key_id: String,
    /// The identity's name, `issuer/base64url(subject)`.
    pub principal: String,
    /// Seconds since 1970.
    pub valid_after: u64,
    /// Seconds since 1970.
    pub valid_before: u64,
    /// `permit-pty` and [`IDENTITY_EXTENSION`] at most.
    pub extensions: BTreeMap<String, String>,
}

/// A certificate from the bastion to a target, for one upstream connection.
#[derive(Clone, Debug)]
pub struct TargetDraft {
    /// A key made for this connection; Ed25519.
    pub public_key: PublicKey,
    /// Not zero; the ledger has it already.
    pub serial: u64,
    /// Names the session and the human, so that the target's own log does.
    pub key_id: String,
    /// The one principal: the account.
    pub login: String,
    /// Seconds since 1970.
    pub valid_after: u64,
    /// Seconds since 1970.
    pub valid_before: u64,
    /// Our address as the target sees it.
    pub source: IpAddr,
    /// The one command that may run.
    pub force_command: Option<String>,
    /// Whether a terminal may be asked for.
    pub pty: bool,
    /// Whether it may open forwarded connections.
    pub forward: bool,
    /// Whether it may use the client's agent.
    pub agent: bool,
    /// Whether it may use the client's display.
    pub display: bool,
}

/// Whose host certificate it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// The bastion's own.
    Bastion,
    /// A target's in jump mode.
    Target,
}

/// A host certificate.
#[derive(Clone, Debug)]
pub struct HostDraft {
    /// The host's key.
    pub public_key: PublicKey,
    /// Not zero; the ledger has it already.
    pub serial: u64,
    /// Names the record and the host.
    pub key_id: String,
    /// Exactly the names it is good for; never none, which would be any host at all.
    pub names: Vec<String>,
    /// Seconds since 1970.
    pub valid_after: u64,
    /// Seconds since 1970.
    pub valid_before: u64,
    /// Whose it is.
    pub host: Host,
}

impl Signer {
    /// Makes every key and writes it to `dir`, which is made if need be. Refuses to overwrite any.
    pub fn create(dir: &Path) -> Result<Self, Error> {
        let keys = files::Lasting::new()?;
        files::write(dir, &keys)?;
        Self::of(keys)
    }

    /// Reads the keys from `dir`. Refuses files that others could read, or that belong to others.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        Self::of(files::read(dir)?)
    }

    /// Keys that are nowhere else and end with the process.
    pub fn in_memory() -> Result<Self, Error> {
        Self::of(files::Lasting::new()?)
    }

    fn of(keys: files::Lasting) -> Result<Self, Error> {
        let KeypairData::Ed25519(log) = keys.log.key_data() else { return Err(files::not_ed25519(files::LOG)) };
        let log =
            Ed25519KeyPair::from_seed_unchecked(log.private.as_ref()).map_err(|_| files::not_ed25519(files::LOG))?;
        let mut log_public = [0; 32];
        log_public.copy_from_slice(log.public_key().as_ref());
        let files::Lasting { user_ca, target_ca, host_ca, ssh_host, .. } = keys;
        Ok(Self(Arc::new(Keys { user_ca, target_ca, host_ca, log, log_public, ssh_host })))
    }

    /// The authority that the bastion trusts for clients.
    pub fn user_ca(&self) -> &PublicKey {
        self.0.user_ca.public_key()
    }

    /// The authority that targets trust for the bastion.
    pub fn target_ca(&self) -> &PublicKey {
        self.0.target_ca.public_key()
    }

    /// The authority that clients trust for the bastion and for targets in jump mode.
    pub fn host_ca(&self) -> &PublicKey {
        self.0.host_ca.public_key()
    }

    /// Everything that is wrong with the keys in a folder, and how old each is: the name of each file, and when it was
    /// last written, in seconds since 1970. For `check`; a key that is read is forgotten again.
    pub fn look(dir: &Path) -> (Vec<Error>, Vec<(&'static str, i64)>) {
        files::look(dir)
    }

    /// The ledger's public key.
    pub fn log_key(&self) -> [u8; 32] {
        self.0.log_public
    }

    /// The SSH host key, for the SSH listener and nobody else.
    pub fn host_key(&self) -> &PrivateKey {
        &self.0.ssh_host
    }

    /// Signs a checkpoint's body with the ledger's key.
    pub fn sign_note(&self, body: &[u8]) -> [u8; 64] {
        let mut out = [0; 64];
        out.copy_from_slice(self.0.log.sign(body).as_ref());
        out
    }

    /// Signs a certificate for a client.
    pub fn sign_user(&self, draft: UserDraft) -> Result<Certificate, Error> {
        check_key(&draft.public_key)?;
        check_name(&draft.principal)?;
        for (name, value) in &draft.extensions {
            match name.as_str() {
                "permit-pty" if value.is_empty() => {}
                IDENTITY_EXTENSION if !value.is_empty() => {}
                _ => return Err(Error::Refused("an extension that user certificates do not have")),
            }
        }
        let mut builder = start(&draft.public_key, draft.serial, &draft.key_id, CertType::User).life(
            draft.valid_after,
            draft.valid_before,
            USER_LIFE_S,
        )?;
        builder.valid_principal(draft.principal).map_err(Error::Build)?;
        for (name, value) in draft.extensions {
            builder.extension(name, value).map_err(Error::Build)?;
        }
        small(builder.sign(&self.0.user_ca).map_err(Error::Build)?)
    }

    /// Signs a certificate for one upstream connection.
    pub fn sign_target(&self, draft: TargetDraft) -> Result<Certificate, Error> {
        if draft.public_key.algorithm() != Algorithm::Ed25519 {
            return Err(Error::Refused("a target certificate for a key that is not Ed25519"));
        }
        check_name(&draft.login)?;
        let mut builder = start(&draft.public_key, draft.serial, &draft.key_id, CertType::User).life(
            draft.valid_after,
            draft.valid_before,
            TARGET_LIFE_S,
        )?;
        builder.valid_principal(draft.login).map_err(Error::Build)?;
        builder.critical_option("source-address", draft.source.to_string()).map_err(Error::Build)?;
        if let Some(command) = draft.force_command {
            if command.is_empty() || command.len() > FORCE_COMMAND_LIMIT_BYTES || command.contains('\0') {
                return Err(Error::Refused("a forced command that is empty, too long or has a NUL"));
            }
            builder.critical_option("force-command", command).map_err(Error::Build)?;
        }
        if draft.pty {
            builder.extension("permit-pty", "").map_err(Error::Build)?;
        }
        if draft.forward {
            builder.extension("permit-port-forwarding", "").map_err(Error::Build)?;
        }
        if draft.agent {
            builder.extension("permit-agent-forwarding", "").map_err(Error::Build)?;
        }
        if draft.display {
            builder.extension("permit-X11-forwarding", "").map_err(Error::Build)?;
        }
        builder.sign(&self.0.target_ca).map_err(Error::Build)
    }

    /// Signs a host certificate.
    pub fn sign_host(&self, draft: HostDraft) -> Result<Certificate, Error> {
        check_key(&draft.public_key)?;
        if draft.names.is_empty() || draft.names.len() > 32 {
            return Err(Error::Refused("a host certificate without names, or with more than 32"));
        }
        let life = match draft.host {
            Host::Bastion => BASTION_HOST_LIFE_S,
            Host::Target => TARGET_HOST_LIFE_S,
        };
        let mut builder = start(&draft.public_key, draft.serial, &draft.key_id, CertType::Host).life(
            draft.valid_after,
            draft.valid_before,
            life,
        )?;
        for name in draft.names {
            check_name(&name)?;
            // Clients match with wildcards: a star would be every host.
            if name.contains(['*', '?', '!']) {
                return Err(Error::Refused("a host name with a wildcard"));
            }
            builder.valid_principal(name).map_err(Error::Build)?;
        }
        small(builder.sign(&self.0.host_ca).map_err(Error::Build)?)
    }
}

/// The lasting key in `path`, for a target that knows no certificates; its file is held to the same rules as our own keys.
pub fn target_key(path: &Path) -> Result<PrivateKey, Error> {
    files::read_target_key(path)
}

/// Whether a key is of a kind that may sign in this process.
pub fn signs_here(key: &PrivateKey) -> bool {
    files::signs_here(key)
}

/// A new key pair for an authority: ECDSA on P-256, which OpenSSH verifies much faster than Ed25519.
fn new_authority(comment: &str) -> Result<PrivateKey, Error> {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| Error::Random)?;
    let secret: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(|_| Error::Random)?;
    let secret = zeroize::Zeroizing::new(<[u8; 32]>::try_from(secret.as_ref()).map_err(|_| Error::Random)?);
    let EcdsaPublicKey::NistP256(public) =
        EcdsaPublicKey::from_sec1_bytes(pair.public_key().as_ref()).map_err(Error::Build)?
    else {
        return Err(Error::Random);
    };
    let pair = EcdsaKeypair::NistP256 { public, private: (*secret).into() };
    PrivateKey::new(KeypairData::Ecdsa(pair), comment).map_err(Error::Build)
}

/// A new Ed25519 key pair, for one use.
pub fn new_key(comment: &str) -> Result<PrivateKey, Error> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(seed.as_mut()).map_err(|_| Error::Random)?;
    PrivateKey::new(KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed)), comment).map_err(Error::Build)
}

/// Why a key may not be certified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyFault {
    /// RSA under 2048 bits.
    #[error("an RSA key of fewer than 2048 bits")]
    Weak,
    /// DSA or something unknown.
    #[error("a key of a kind that is not accepted")]
    Kind,
    /// A certificate stands where a key must.
    #[error("a certificate in place of a key")]
    Certificate,
}

/// Which keys may be certified at all: Ed25519, ECDSA on P-256, P-384 or P-521, RSA from 2048 bits,
/// and security keys (whether they were touched is not known).
pub fn check_key(key: &PublicKey) -> Result<(), KeyFault> {
    match key.key_data() {
        KeyData::Ed25519(_) | KeyData::Ecdsa(_) | KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_) => Ok(()),
        KeyData::Rsa(rsa) if rsa.key_size() >= 2048 => Ok(()),
        KeyData::Rsa(_) => Err(KeyFault::Weak),
        KeyData::Certificate(_) => Err(KeyFault::Certificate),
        _ => Err(KeyFault::Kind),
    }
}

/// Principals are joined with commas in logs and tools, and shown in terminals.
fn check_name(name: &str) -> Result<(), Error> {
    let fits = |b: u8| b.is_ascii_graphic() && b != b',';
    match (1..=512).contains(&name.len()) && name.bytes().all(fits) {
        true => Ok(()),
        false => Err(Error::Refused("a principal that is empty, too long, or has a comma, space or control byte")),
    }
}

struct Start<'a> {
    key: &'a PublicKey,
    serial: u64,
    key_id: &'a str,
    kind: CertType,
}

fn start<'a>(key: &'a PublicKey, serial: u64, key_id: &'a str, kind: CertType) -> Start<'a> {
    Start { key, serial, key_id, kind }
}

impl Start<'_> {
    fn life(self, after: u64, before: u64, limit: u64) -> Result<Builder, Error> {
        if self.serial == 0 {
            return Err(Error::Refused("a certificate without a serial"));
        }
        let fits = |b: u8| b.is_ascii_graphic();
        if !(1..=512).contains(&self.key_id.len()) || !self.key_id.bytes().all(fits) {
            return Err(Error::Refused("a key id that is empty, too long, or has a space or control byte"));
        }
        // Some readers take these as signed: what wraps there would never end.
        if before > i64::MAX as u64 {
            return Err(Error::Refused("an end that wraps"));
        }
        match before.checked_sub(after) {
            Some(life) if life > 0 && life <= limit + BACKDATE_S => {}
            _ => return Err(Error::Refused("a life that is longer than the rules allow, or none")),
        }
        let mut nonce = [0; 32];
        aws_lc_rs::rand::fill(&mut nonce).map_err(|_| Error::Random)?;
        let mut builder = Builder::new(nonce, self.key.key_data().clone(), after, before).map_err(Error::Build)?;
        builder.serial(self.serial).map_err(Error::Build)?;
        builder.key_id(self.key_id).map_err(Error::Build)?;
        builder.cert_type(self.kind).map_err(Error::Build)?;
        Ok(builder)
    }
}

fn small(certificate: Certificate) -> Result<Certificate, Error> {
    match certificate.to_bytes().map_err(Error::Build)?.len() < CERTIFICATE_LIMIT_BYTES {
        true => Ok(certificate),
        false => Err(Error::Refused("a certificate of 8 KiB or more")),
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

/// Why keys cannot be had, or a signature is refused.
#[derive(Debug, Error)]
pub enum Error {
    /// The rules of the signer forbid it.
    #[error("the signer refuses {0}")]
    Refused(&'static str),
    /// The rules of the signer forbid the key.
    #[error("the signer refuses {0}")]
    Key(#[from] KeyFault),
    /// A key is there already.
    #[error("{path} is there already: it is not overwritten")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Others could read or change the file.
    #[error("{path} has mode {mode:04o}: others could use it; run chmod {want} {path}")]
    Rights {
        /// The file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// What it must be at most.
        want: &'static str,
    },
    /// The file belongs to somebody else.
    #[error("{path} belongs to uid {uid}, not to the user that runs this")]
    Owner {
        /// The file or folder.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// No plain file.
    #[error("{path} is not a plain file")]
    NotAFile {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no usable key.
    #[error("{path} holds no OpenSSH private key")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        #[source]
        source: russh::keys::ssh_key::Error,
    },
    /// The public file is not the half of the private one.
    #[error("{path} is not the public half of the key beside it: ssh-keygen -y prints the right one")]
    Half {
        /// The public file.
        path: PathBuf,
    },
    /// One key has two roles.
    #[error("{name} and {other} are one key: each role needs its own")]
    Twice {
        /// A role.
        name: &'static str,
        /// The other one.
        other: &'static str,
    },
    /// A target's lasting key is of a kind that signs nothing here.
    #[error("{path} is neither Ed25519 nor ECDSA: make another with ssh-keygen -t ed25519")]
    TargetKind {
        /// The file.
        path: PathBuf,
    },
    /// The key wants a passphrase.
    #[error("{path} is encrypted: remove its passphrase")]
    Encrypted {
        /// The file.
        path: PathBuf,
    },
    /// The key is of another kind than it must be.
    #[error("{name} must be {want}")]
    Kind {
        /// The key's name.
        name: &'static str,
        /// What it must be.
        want: &'static str,
    },
    /// The file system said no.
    #[error("{path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: std::io::Error,
    },
    /// The certificate could not be put together.
    #[error("the certificate could not be put together")]
    Build(#[source] russh::keys::ssh_key::Error),
    /// The system gave no random bytes.
    #[error("the system gave no random bytes")]
    Random,
}
