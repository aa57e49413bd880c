//! Every checkpoint that was ever signed, kept beside the log: an outsider who checks a period needs one before it and one
//! behind it.
//!
//! A file holds the notes of 256 sizes, one behind the other, as the layout numbers bundles. Refuses to give out a note that
//! is not this log's own.

use bytes::{Bytes, BytesMut};

use super::checkpoint::{self, Checkpoint};
use super::tiles::{self, WIDTH};
use super::{CHECKPOINT, Error, Ledger};
use crate::store::Files;

/// A checkpoint and its note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// What it commits to.
    pub checkpoint: Checkpoint,
    /// The exact bytes.
    pub note: Bytes,
}

/// Keeps the note of a checkpoint of this size. To be done before anybody sees the note: what was published is then found
/// here after any crash.
pub(super) async fn keep(files: &Files, size: u64, note: &Bytes) -> Result<(), Error> {
    let name = name(size);
    let before = files.read(&name).await?.unwrap_or_default();
    if notes(&before).contains(note) {
        return Ok(());
    }
    // Replaced and not appended: half a note in the middle could never be told from damage.
    let mut all = BytesMut::from(before);
    all.extend_from_slice(note);
    files.replace(&name, all.freeze()).await?;
    Ok(())
}

impl Ledger {
    /// The newest checkpoint of at most so many entries.
    pub async fn checkpoint_up_to(&self, size: u64) -> Result<Option<Kept>, Error> {
        let current = self.current().await?;
        if let Some(current) = current.filter(|kept| kept.checkpoint.size <= size) {
            return Ok(Some(current));
        }
        for group in (0..=size / WIDTH).rev() {
            let fitting = self.group(group).await?.into_iter().filter(|kept| kept.checkpoint.size <= size);
            if let Some(found) = fitting.max_by_key(|kept| kept.checkpoint.size) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The oldest checkpoint of at least so many entries. `None` while none is signed.
    pub async fn checkpoint_from(&self, size: u64) -> Result<Option<Kept>, Error> {
        let Some(current) = self.current().await?.filter(|kept| kept.checkpoint.size >= size) else { return Ok(None) };
        for group in size / WIDTH..=current.checkpoint.size / WIDTH {
            let fitting = self.group(group).await?.into_iter().filter(|kept| kept.checkpoint.size >= size);
            if let Some(found) = fitting.min_by_key(|kept| kept.checkpoint.size) {
                return Ok(Some(found));
            }
        }
        Ok(Some(current))
    }

    pub(super) async fn current(&self) -> Result<Option<Kept>, Error> {
        self.files.read(CHECKPOINT).await?.map(|note| self.own(note)).transpose()
    }

    async fn group(&self, group: u64) -> Result<Vec<Kept>, Error> {
        let stored = self.files.read(&name(group * WIDTH)).await?.unwrap_or_default();
        notes(&stored).into_iter().map(|note| self.own(note)).collect()
    }

    pub(super) fn own(&self, note: Bytes) -> Result<Kept, Error> {
        Ok(Kept { checkpoint: checkpoint::open(&note, &self.key)?, note })
    }
}

fn name(size: u64) -> String {
    format!("checkpoints/{}", tiles::number(size / WIDTH))
}

/// Cuts a file into its notes: a note begins where the signatures of the one before have ended.
pub(super) fn notes(stored: &Bytes) -> Vec<Bytes> {
    let (mut found, mut begin, mut at, mut signed) = (Vec::new(), 0, 0, false);
    for line in stored.split_inclusive(|byte| *byte == b'\n') {
        let is_signature = line.starts_with(checkpoint::DASH.as_bytes());
        if signed && !is_signature {
            found.push(stored.slice(begin..at));
            begin = at;
        }
        signed = is_signature;
        at += line.len();
    }
    if at > begin {
        found.push(stored.slice(begin..at));
    }
    found
}
