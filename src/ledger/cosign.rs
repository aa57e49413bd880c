//! Cosignatures: a witness's word that at a time it saw this checkpoint, and that it continues what it had seen before.
//!
//! C2SP tlog-cosignature, the Ed25519 kind. Pure. Refuses a note on which a known witness's signature is wrong, even if
//! another would do.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::checkpoint::{self, DASH, Error};
use crate::domain::Digest;

/// The type of an Ed25519 cosignature.
const ALGORITHM: u8 = 0x04;

/// The public half of a witness's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

impl Witness {
    /// The key of this name.
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, Error> {
        checkpoint::check_name(name)?;
        let hash = Digest::of(&[name.as_bytes(), &[b'\n', ALGORITHM], &public].concat());
        let [a, b, c, d, ..] = hash.0;
        Ok(Self { name: name.to_owned(), id: [a, b, c, d], public })
    }

    /// Parses what `Display` prints: `name+id+key`.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Error::Key("is not name+id+key"));
        };
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| Error::Key("is not in base64"))?;
        let [ALGORITHM, public @ ..] = bytes.as_slice() else {
            return Err(Error::Key("is not the Ed25519 key of a witness"));
        };
        let public = public.try_into().map_err(|_| Error::Key("is not 32 bytes"))?;
        let key = Self::new(name, public)?;
        if key.to_string() == text { Ok(key) } else { Err(Error::Key("does not have its own id")) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key itself: whoever has one, is one.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// When it cosigned a note, in seconds since 1970; `None` if it has not. Of several times the first.
    pub fn cosigned(&self, note: &[u8]) -> Result<Option<u64>, Error> {
        let (text, signatures) = checkpoint::split(note)?;
        let mut first = None;
        for line in signatures.iter().filter(|line| line.name == self.name && line.id == self.id) {
            let wrong = || Error::Signature { key: self.to_string() };
            let (time, signature) = line.signature.split_first_chunk::<8>().ok_or_else(wrong)?;
            let time = u64::from_be_bytes(*time);
            let key = UnparsedPublicKey::new(&ED25519, &self.public);
            if i64::try_from(time).is_err() || key.verify(&message(time, text), signature).is_err() {
                return Err(wrong());
            }
            first = Some(first.map_or(time, |before: u64| before.min(time)));
        }
        Ok(first)
    }

    /// The line of a cosignature that `sign` makes over a checkpoint's text.
    pub fn line(&self, time: u64, text: &str, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> String {
        let signature = sign(&message(time, text));
        let bytes = [&self.id[..], &time.to_be_bytes(), &signature].concat();
        format!("{DASH}{} {}\n", self.name, BASE64_STANDARD.encode(bytes))
    }

    /// Whether a signature line is of this key.
    pub fn is_own(&self, line: &str) -> bool {
        checkpoint::signature(line).is_ok_and(|line| line.name == self.name && line.id == self.id)
    }
}

/// `name+id+key`.
impl std::fmt::Display for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = [&[ALGORITHM][..], &self.public].concat();
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id), BASE64_STANDARD.encode(key))
    }
}

fn message(time: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

#[cfg(test)]
mod tests;
