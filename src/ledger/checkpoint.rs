//! The signed note that commits to the log: composed, signed, and opened strictly.
//!
//! C2SP tlog-checkpoint in a C2SP signed-note, with one kind of signature, Ed25519. Pure. Refuses
//! every note that could be read in two ways, and one whose signature by a known key is wrong even
//! if another would do.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use thiserror::Error;

use crate::domain::Digest;
use crate::merkle;

/// Longest note that is read.
pub(super) const MAX_NOTE_BYTES: usize = 64 * 1024;
/// Most signatures on a note that is read.
const MAX_SIGNATURES: usize = 16;
/// Longest origin.
const MAX_ORIGIN_BYTES: usize = 255;
/// The type of an Ed25519 signature.
const ALGORITHM: u8 = 0x01;
/// What every signature line begins with: an em dash and a space.
pub(super) const DASH: &str = "\u{2014} ";

/// What the log commits to: its first `size` entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Names the log for ever. Equals the name of its key.
    pub origin: String,
    /// How many entries.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Digest,
}

impl Checkpoint {
    /// The text that is signed, its last newline included.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64_STANDARD.encode(self.root.0))
    }

    /// The note with the signature that `sign` makes over the text. `key` names the signer.
    pub fn sign(&self, key: &Key, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> String {
        self::sign(&self.text(), key, sign)
    }

    /// Reads the text, its last newline included.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root), Some(""), None) =
            (lines.next(), lines.next(), lines.next(), lines.next(), lines.next())
        else {
            // Lines after the root are legal, but not recommended, and we never write one.
            return Err(Error::Form("is not of three lines"));
        };
        check_name(origin)?;
        let number = size.parse::<u64>().ok().filter(|number| number.to_string() == size);
        let size = number.ok_or(Error::Form("has a size that is no decimal number"))?;
        let root = BASE64_STANDARD.decode(root).ok().and_then(|root| root.try_into().ok());
        let root = Digest(root.ok_or(Error::Form("has a root that is not 32 bytes in base64"))?);
        if size == 0 && root != merkle::empty_root() {
            return Err(Error::Form("has a root of nothing that is not the hash of nothing"));
        }
        Ok(Self { origin: origin.to_owned(), size, root })
    }
}

/// A note of `text`, which ends with a newline, with the signature that `sign` makes over it.
pub fn sign(text: &str, key: &Key, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> String {
    let signature = [&key.id[..], &sign(text.as_bytes())].concat();
    format!("{text}\n{DASH}{} {}\n", key.name, BASE64_STANDARD.encode(signature))
}

/// The public half of a key that signs notes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

impl Key {
    /// The key of this name, which for a log is its origin.
    pub fn new(name: &str, public: [u8; 32]) -> Result<Self, Error> {
        check_name(name)?;
        let hash = Digest::of(&[name.as_bytes(), &[b'\n', ALGORITHM], &public].concat());
        let [a, b, c, d, ..] = hash.0;
        Ok(Self { name: name.to_owned(), id: [a, b, c, d], public })
    }

    /// Parses what `Display` prints: `name+id+key`, the form in which verifiers are handed keys.
    pub fn parse(text: &str) -> Result<Self, Error> {
        // The base64 of the key may itself have a plus.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Error::Key("is not name+id+key"));
        };
        let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| Error::Key("is not in base64"))?;
        let [ALGORITHM, public @ ..] = bytes.as_slice() else { return Err(Error::Key("is not an Ed25519 key")) };
        let public = public.try_into().map_err(|_| Error::Key("is not 32 bytes"))?;
        let key = Self::new(name, public)?;
        if key.to_string() == text { Ok(key) } else { Err(Error::Key("does not have its own id")) }
    }

    /// Whether both are one key, whatever it is named.
    pub fn is_one_with(&self, other: &Self) -> bool {
        self.public == other.public
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn verify(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public).verify(text.as_bytes(), signature).is_ok()
    }
}

/// `name+id+key`, as C2SP signed-note writes a verifier key.
impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = [&[ALGORITHM][..], &self.public].concat();
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.id), BASE64_STANDARD.encode(key))
    }
}

/// Opens a checkpoint of the log that `key` signs for. Signatures of others are ignored.
pub fn open(note: &[u8], key: &Key) -> Result<Checkpoint, Error> {
    let checkpoint = Checkpoint::parse(text_of(note, key)?)?;
    if checkpoint.origin != key.name {
        return Err(Error::Origin { got: checkpoint.origin, want: key.name.clone() });
    }
    Ok(checkpoint)
}

/// The text of a note that `key` has signed. Signatures of others are ignored.
pub fn text_of<'a>(note: &'a [u8], key: &Key) -> Result<&'a str, Error> {
    let (text, signatures) = split(note)?;
    let mut known = signatures.iter().filter(|line| line.name == key.name && line.id == key.id).peekable();
    if known.peek().is_none() {
        return Err(Error::Unsigned { key: key.to_string() });
    }
    if !known.all(|line| key.verify(text, &line.signature)) {
        return Err(Error::Signature { key: key.to_string() });
    }
    Ok(text)
}

/// The text of a note, and its signatures, none of them checked.
pub(super) fn split(note: &[u8]) -> Result<(&str, Vec<Signature<'_>>), Error> {
    if note.len() > MAX_NOTE_BYTES {
        return Err(Error::Form("is longer than 64 KiB"));
    }
    let note = std::str::from_utf8(note).map_err(|_| Error::Form("is not UTF-8"))?;
    if note.chars().any(|c| c != '\n' && c.is_control()) {
        return Err(Error::Form("has a control character"));
    }
    // The last blank line: a text may have blank lines, signatures have none.
    let split = note.rfind("\n\n").ok_or(Error::Form("has no blank line before its signatures"))?;
    let (text, rest) = note.split_at(split + 1);
    let lines = rest.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
    let lines = lines.ok_or(Error::Form("does not end with a newline"))?;

    let mut signatures = Vec::new();
    for line in lines.split('\n') {
        if signatures.len() == MAX_SIGNATURES {
            return Err(Error::Form("has more than 16 signatures"));
        }
        signatures.push(signature(line)?);
    }
    Ok((text, signatures))
}

/// A line of a signature.
pub(super) struct Signature<'a> {
    pub(super) name: &'a str,
    pub(super) id: [u8; 4],
    pub(super) signature: Vec<u8>,
}

pub(super) fn signature(line: &str) -> Result<Signature<'_>, Error> {
    let malformed = || Error::Form("has a malformed signature line");
    let (name, encoded) = line.strip_prefix(DASH).and_then(|rest| rest.split_once(' ')).ok_or_else(malformed)?;
    if name.is_empty() || name.contains('+') || name.chars().any(char::is_whitespace) {
        return Err(malformed());
    }
    let bytes = BASE64_STANDARD.decode(encoded).map_err(|_| malformed())?;
    match bytes.split_first_chunk::<4>() {
        Some((id, signature)) if !signature.is_empty() => {
            Ok(Signature { name, id: *id, signature: signature.to_vec() })
        }
        _ => Err(malformed()),
    }
}

/// Narrower than the standard, which allows any letters: an origin is for eyes too.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    let fits = |b: u8| b.is_ascii_graphic() && b != b'+';
    if (1..=MAX_ORIGIN_BYTES).contains(&name.len()) && name.bytes().all(fits) {
        Ok(())
    } else {
        Err(Error::Name(name.to_owned()))
    }
}

/// Why a checkpoint or a key is none.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// Not a note, or not a checkpoint in it.
    #[error("the checkpoint {0}")]
    Form(&'static str),
    /// A name that a note could not carry.
    #[error("{0:?} is no origin: 1 to 255 printable ASCII characters without space and plus")]
    Name(String),
    /// Not a verifier key.
    #[error("the verifier key {0}")]
    Key(&'static str),
    /// The key that was asked for did not sign.
    #[error("the checkpoint is not signed by {key}")]
    Unsigned {
        /// Which.
        key: String,
    },
    /// The signature is wrong.
    #[error("the checkpoint's signature by {key} is wrong")]
    Signature {
        /// By which key.
        key: String,
    },
    /// Of another log.
    #[error("the checkpoint is of {got}, expected {want}")]
    Origin {
        /// What it says.
        got: String,
        /// What was asked for.
        want: String,
    },
}

#[cfg(test)]
mod tests;
