//! A log in the place of one of which an older copy was brought back: it keeps the entries that are left, under an origin of
//! its own, and a record in it names the log before and the last checkpoint of it that anybody knows.
//!
//! Refuses to believe such a record whose checkpoint the log before has not signed.

use bytes::Bytes;

use super::checkpoint::{self, Checkpoint, DASH, Key};
use super::entry::Entry;
use super::{CHECKPOINT, Error, kept};
use crate::domain::event::succession::Succession;
use crate::signer::Signer;
use crate::store::Files;

/// The kind of the record.
pub const KIND: &str = "log.successor";

/// What the record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Succeeded {
    /// Index of the record.
    pub seq: u64,
    /// The key of the log before; its name is that log's origin.
    pub key: Key,
    /// The last checkpoint of it that is known.
    pub checkpoint: Checkpoint,
    /// How many of its entries are here.
    pub kept: u64,
    /// How many a witness was heard to have signed, if that is more.
    pub witnessed: Option<u64>,
}

impl Succeeded {
    /// How many of its entries are known to be lost.
    pub fn lost(&self) -> u64 {
        self.checkpoint.size.max(self.witnessed.unwrap_or(0)).saturating_sub(self.kept)
    }
}

/// Names the log before, with the one signature of its key on the note of its checkpoint.
pub fn name(
    note: &[u8],
    key: &Key,
    kept: u64,
    witnessed: Option<u64>,
    serial: u64,
) -> Result<Succession, checkpoint::Error> {
    let Checkpoint { origin, size, root } = checkpoint::open(note, key)?;
    let (text, _) = checkpoint::split(note)?;
    let lines = std::str::from_utf8(note).unwrap_or_default().lines();
    let signatures = lines.filter_map(|line| line.strip_prefix(DASH)?.split_once(' '));
    let is_its = |signature: &str| checkpoint::open(with(text, key, signature).as_bytes(), key).is_ok();
    let mut its = signatures.filter(|(name, signature)| *name == key.name() && is_its(signature));
    let (_, signature) = its.next().ok_or_else(|| checkpoint::Error::Unsigned { key: key.to_string() })?;
    let (key, signature) = (key.to_string(), signature.to_owned());
    Ok(Succession { origin, key, size, root, signature, kept, witnessed, serial })
}

/// Reads the record, if it is one. `Err` says what is wrong with it.
pub fn read(entry: &Entry) -> Option<Result<Succeeded, &'static str>> {
    (entry.kind() == KIND).then(|| {
        let body = entry.body();
        let key = body.text("key").and_then(|key| Key::parse(key).ok()).ok_or("does not name the key of a log")?;
        let fields = (body.text("origin"), body.number("size"), body.digest("root"), body.number("kept"));
        let (Some(origin), Some(size), Some(root), Some(kept)) = fields else {
            return Err("does not name a checkpoint");
        };
        let checkpoint = Checkpoint { origin: origin.to_owned(), size, root };
        let note = with(&checkpoint.text(), &key, body.text("signature").unwrap_or_default());
        if checkpoint::open(note.as_bytes(), &key).ok().as_ref() != Some(&checkpoint) {
            return Err("names a checkpoint that the log before has not signed");
        }
        if kept > entry.seq() {
            return Err("says that it keeps more entries than stand before it");
        }
        Ok(Succeeded { seq: entry.seq(), key, checkpoint, kept, witnessed: body.number("witnessed") })
    })
}

/// Gives the tree of a log a checkpoint under another origin. `files` is a copy of its tiles and its tail that has no
/// checkpoint yet.
pub async fn adopt(files: &Files, before: &Checkpoint, key: &Key, signer: &Signer) -> Result<(), Error> {
    let checkpoint = Checkpoint { origin: key.name().to_owned(), ..before.clone() };
    let note = Bytes::from(checkpoint.sign(key, |text| signer.sign_note(text)));
    kept::keep(files, checkpoint.size, &note).await?;
    files.replace(CHECKPOINT, note).await?;
    Ok(())
}

fn with(text: &str, key: &Key, signature: &str) -> String {
    format!("{text}\n{DASH}{} {signature}\n", key.name())
}

#[cfg(test)]
mod tests;
