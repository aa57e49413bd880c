//! The key of a witness: apart from a bastion's keys, in a folder of its own.
//!
//! Signs cosignatures and nothing else: a key that signed notes too could be led to sign one for the other.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::KeypairData;

use super::{Error, files, new_key};

/// The name of its file.
pub const NAME: &str = "witness";
const HEAD: &[u8] = b"cosignature/v1\ntime ";

/// The key. Cheap to clone.
#[derive(Clone)]
pub struct WitnessSigner(Arc<Ed25519KeyPair>);

impl std::fmt::Debug for WitnessSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WitnessSigner")
    }
}

impl WitnessSigner {
    /// Reads the key from `dir`, or makes one where there is none.
    pub fn open_or_create(dir: &Path) -> Result<Self, Error> {
        if std::fs::symlink_metadata(dir.join(NAME)).is_err() {
            files::write_named(dir, &[(NAME, &new_key("sallyport witness")?)])?;
        }
        Self::of(&files::read_one(dir, NAME)?)
    }

    /// A key that is nowhere else and ends with the process.
    pub fn in_memory() -> Result<Self, Error> {
        Self::of(&new_key("sallyport witness")?)
    }

    fn of(key: &PrivateKey) -> Result<Self, Error> {
        let KeypairData::Ed25519(pair) = key.key_data() else { return Err(files::not_ed25519(NAME)) };
        let pair = Ed25519KeyPair::from_seed_unchecked(pair.private.as_ref());
        Ok(Self(Arc::new(pair.map_err(|_| files::not_ed25519(NAME))?)))
    }

    /// The public half.
    pub fn public(&self) -> [u8; 32] {
        let mut public = [0; 32];
        public.copy_from_slice(self.0.public_key().as_ref());
        public
    }

    /// Signs the message of a cosignature; anything else is signed as if it were one, and so opens nothing.
    pub fn sign_cosignature(&self, message: &[u8]) -> [u8; 64] {
        let message = match message.starts_with(HEAD) {
            true => message.to_vec(),
            false => [HEAD, message].concat(),
        };
        let mut signature = [0; 64];
        signature.copy_from_slice(self.0.sign(&message).as_ref());
        signature
    }
}
