//! One record and the proof that it is in the log: for whoever is shown a record and not a period.
//!
//! A C2SP tlog-proof. Pure. Refuses a proof with a hash too many, and one whose checkpoint no believed log has signed.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use thiserror::Error;

use super::checkpoint::{self, Checkpoint};
use super::entry::{self, Entry};
use super::trust::Trust;
use crate::domain::Digest;
use crate::merkle;

const FORMAT: &str = "c2sp.org/tlog-proof@v1";
/// Longest text that is read: a record, a proof and what people wrote around them.
pub const MAX_BYTES: usize = 256 * 1024;
const MAX_HASHES: usize = 63;

/// The text of a proof.
pub fn encode(index: u64, hashes: &[Digest], note: &str) -> String {
    let hashes: String = hashes.iter().map(|hash| format!("{}\n", BASE64_STANDARD.encode(hash.0))).collect();
    format!("{FORMAT}\nindex {index}\n{hashes}\n{note}")
}

/// A record that was proved.
#[derive(Clone, Debug)]
pub struct Proved {
    /// The record.
    pub entry: Entry,
    /// The checkpoint that it is under.
    pub checkpoint: Checkpoint,
    /// The key that signed that.
    pub signer: String,
    /// Whether enough witnesses have signed; `None` if nobody must.
    pub quorum: Option<bool>,
}

/// Checks what `evidence prove` gave: lines that begin with `#`, the record, an empty line, the proof.
pub fn check(text: &str, trust: &Trust) -> Result<Proved, Error> {
    if text.len() > MAX_BYTES {
        return Err(Error::Form("is longer than 256 KiB"));
    }
    let mut rest = text;
    while let Some(after) = rest.strip_prefix('#') {
        rest = after.split_once('\n').ok_or(Error::Form("has no record"))?.1;
    }
    let (record, rest) = rest.split_once("\n\n").ok_or(Error::Form("has no record and proof"))?;
    let (head, note) = rest.split_once("\n\n").ok_or(Error::Form("has no checkpoint behind its proof"))?;
    let mut lines = head.split('\n');
    if lines.next() != Some(FORMAT) {
        return Err(Error::Form("has no proof of a form that is known"));
    }
    let index = lines.next().and_then(|line| line.strip_prefix("index "));
    let index = index.and_then(|text| text.parse::<u64>().ok().filter(|number| number.to_string() == text));
    let index = index.ok_or(Error::Form("has no index in its proof"))?;
    let hash = |line| BASE64_STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok()).map(Digest);
    let hashes: Option<Vec<_>> = lines.map(hash).collect();
    let hashes = hashes.filter(|hashes| hashes.len() <= MAX_HASHES).ok_or(Error::Form("has a proof that is none"))?;

    let key = trust.logs.iter().find(|key| note.lines().next() == Some(key.name()));
    let key = key.ok_or(Error::Stranger)?;
    let checkpoint = checkpoint::open(note.as_bytes(), key)?;
    let quorum = trust.cosigned(note.as_bytes())?.enough;
    let record = Bytes::copy_from_slice(record.as_bytes());
    let leaf = merkle::leaf_hash(&record);
    if !merkle::verify_inclusion(&leaf, index, checkpoint.size, &hashes, &checkpoint.root) {
        return Err(Error::NotIn);
    }
    let entry = entry::decode(&record)?;
    if entry.seq() != index {
        return Err(Error::Elsewhere { says: entry.seq(), index });
    }
    Ok(Proved { entry, checkpoint, signer: key.to_string(), quorum })
}

/// Why a record is not proved.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// It is no such text.
    #[error("the file {0}")]
    Form(&'static str),
    /// No log that is believed.
    #[error("the checkpoint is of a log that the trust file does not name")]
    Stranger,
    /// The checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] checkpoint::Error),
    /// The hashes do not lead from the record to the root.
    #[error("the record is not what was signed at its place in the log")]
    NotIn,
    /// In the log, and no record.
    #[error("what was signed is no record")]
    Entry(#[from] entry::Error),
    /// In the log, and not where it says.
    #[error("the record says that it is {says}, and lies at {index}")]
    Elsewhere {
        /// Its own word.
        says: u64,
        /// Its place.
        index: u64,
    },
}
