//! Checkpoints that enough witnesses have cosigned, kept beside those that the log alone has signed, and what is asked of a
//! witness.
//!
//! Knows no network: the words to a witness and from it. Keeps no cosignature that it has not checked.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::{Bytes, BytesMut};

use super::checkpoint;
use super::cosign::Witness;
use super::kept::{self, Kept};
use super::tiles::{self, WIDTH};
use super::trust::Trust;
use super::{Error, Ledger};
use crate::domain::Digest;
use crate::merkle;

impl Ledger {
    /// These are the witnesses; said once, before anybody asks.
    pub fn witnessed_by(&self, trust: Trust) {
        // Whatever log the file names: what this bastion states is its own.
        let _ = self.trust.set(Trust { logs: vec![self.key.clone()], ..trust });
    }

    /// The log's key and its witnesses, as this bastion states them.
    pub fn trust(&self) -> Trust {
        self.trust.get().cloned().unwrap_or_else(|| Trust::of(self.key.clone()))
    }

    /// The body of an `add-checkpoint`, for a witness that has signed the first `old` entries.
    pub async fn ask_witness(&self, old: u64, kept: &Kept) -> Result<String, Error> {
        let mut text = format!("old {old}\n");
        for hash in self.consistency(old, kept.checkpoint.size).await? {
            text += &format!("{}\n", BASE64_STANDARD.encode(hash.0));
        }
        Ok(format!("{text}\n{}", String::from_utf8_lossy(&kept.note)))
    }

    /// The hashes that prove that the first `size` entries continue the first `old`.
    async fn consistency(&self, old: u64, size: u64) -> Result<Vec<Digest>, Error> {
        let spans = merkle::consistency(old, size);
        let spans = spans.ok_or_else(|| Error::Damaged(format!("a tree of {size} does not continue one of {old}")))?;
        self.spans(spans).await
    }

    /// The newest checkpoint.
    pub async fn newest(&self) -> Result<Option<Kept>, Error> {
        self.current().await
    }

    /// Keeps a checkpoint with its cosignatures, if they are enough. Whether they are.
    pub async fn keep_cosigned(&self, kept: &Kept, lines: &[String]) -> Result<bool, Error> {
        let note: Bytes = [kept.note.clone(), lines.concat().into()].concat().into();
        if self.trust().cosigned(&note)?.enough != Some(true) {
            return Ok(false);
        }
        let name = name(kept.checkpoint.size);
        let before = self.files.read(&name).await?.unwrap_or_default();
        let is_there = |other: &Bytes| self.own(other.clone()).is_ok_and(|one| one.checkpoint == kept.checkpoint);
        // One of each size: two exports of a period are then the same.
        if !kept::notes(&before).iter().any(is_there) {
            let mut all = BytesMut::from(before);
            all.extend_from_slice(&note);
            self.files.replace(&name, all.freeze()).await?;
        }
        Ok(true)
    }

    /// The oldest cosigned checkpoint of at least so many entries.
    pub async fn cosigned_from(&self, size: u64) -> Result<Option<Kept>, Error> {
        let newest = self.newest().await?.map_or(0, |kept| kept.checkpoint.size);
        for group in size / WIDTH..=newest / WIDTH {
            let found = self.cosigned(group).await?.into_iter().filter(|kept| kept.checkpoint.size >= size);
            if let Some(found) = found.min_by_key(|kept| kept.checkpoint.size) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Cosigned checkpoints over at least `from` and at most `to` entries, one of each quarter of an hour: that is how
    /// closely a bundle of a year bounds its records.
    pub async fn cosigned_within(&self, from: u64, to: u64) -> Result<Vec<Kept>, Error> {
        let trust = self.trust();
        let (mut found, mut quarter) = (Vec::new(), None);
        if trust.witnesses.is_empty() {
            return Ok(found);
        }
        for group in from / WIDTH..=to / WIDTH {
            let mut kept = self.cosigned(group).await?;
            kept.sort_by_key(|kept| kept.checkpoint.size);
            for kept in kept.into_iter().filter(|kept| (from..=to).contains(&kept.checkpoint.size)) {
                let Some(signed) = trust.cosigned(&kept.note)?.signed.iter().map(|(_, time)| *time).min() else {
                    continue;
                };
                if quarter.replace(signed / QUARTER_S) != Some(signed / QUARTER_S) {
                    found.push(kept);
                }
            }
        }
        Ok(found)
    }

    /// The size that a witness is known to have signed last; 0 if none is.
    pub async fn last_cosigned(&self, witness: &Witness) -> Result<u64, Error> {
        let newest = self.newest().await?.map_or(0, |kept| kept.checkpoint.size);
        for group in (0..=newest / WIDTH).rev() {
            let kept = self.cosigned(group).await?;
            let of = kept.iter().filter(|kept| matches!(witness.cosigned(&kept.note), Ok(Some(_))));
            if let Some(size) = of.map(|kept| kept.checkpoint.size).max() {
                return Ok(size);
            }
        }
        Ok(0)
    }

    async fn cosigned(&self, group: u64) -> Result<Vec<Kept>, Error> {
        let stored = self.files.read(&name(group * WIDTH)).await?.unwrap_or_default();
        kept::notes(&stored).into_iter().map(|note| self.own(note)).collect()
    }
}

/// Those of the lines that a witness gave which are its own, if they are good.
pub fn checked(witness: &Witness, kept: &Kept, given: &str) -> Result<Vec<String>, checkpoint::Error> {
    let lines = given.split_inclusive('\n').filter(|line| witness.is_own(line.trim_end_matches('\n')));
    let lines: Vec<String> = lines.map(|line| format!("{}\n", line.trim_end_matches('\n'))).collect();
    let note = [kept.note.clone(), lines.concat().into()].concat();
    match witness.cosigned(&note)? {
        Some(_) => Ok(lines),
        None => Err(checkpoint::Error::Unsigned { key: witness.to_string() }),
    }
}

/// A quarter of an hour.
const QUARTER_S: u64 = 900;

fn name(size: u64) -> String {
    format!("cosigned/{}", tiles::number(size / WIDTH))
}
