//! Stamps of timestamping authorities (RFC 3161) that records of a bundle speak of: that a token is over the checkpoint that its
//! record names, says the time that the record says, and that the checkpoint is one of the very tree in this bundle.
//!
//! Refuses to say who has signed a token: that asks for the authority's certificate and for `openssl ts -verify`.

use std::collections::{BTreeMap, VecDeque};

use super::super::bundle;
use super::super::checkpoint::{self, Checkpoint, Key};
use super::super::entry::{Entry, SALT_BYTES};
use super::super::stamp;
use super::Faults;
use crate::domain::{Digest, Timestamp};
use crate::merkle::Frontier;

/// A token that is over what its record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamped {
    /// The record that speaks of it.
    pub seq: u64,
    /// How many entries the stamped checkpoint is over.
    pub size: u64,
    /// The time that the token says.
    pub time: Timestamp,
    /// The file with the checkpoint's note, and the one with the token; each behind its salt.
    pub files: (String, String),
    /// Whether the checkpoint's root is that of the records here. Not known if it ends before them, or far before its record.
    pub is_compared: bool,
}

/// Those of one bundle.
#[derive(Default)]
pub(super) struct Stamps {
    recent: Recent,
    all: Vec<One>,
    /// Which stamp each text belongs to.
    parts: BTreeMap<Digest, usize>,
}

struct One {
    seq: u64,
    size: u64,
    root: Digest,
    time: Timestamp,
    names: [Digest; 2],
    is_compared: bool,
    /// SHA-256 of the note, and its checkpoint as far as it is one that can be believed.
    note: Option<(Digest, Result<Checkpoint, String>)>,
    token: Option<Result<(Digest, Timestamp), stamp::Error>>,
}

/// More than two years of a stamp each five minutes. What lies behind them is not judged.
const MOST: usize = 250_000;
/// Longer than a note or an answer that is kept, with its salt.
pub(super) const PART_BYTES: u64 = 128 * 1024;

impl Stamps {
    /// The next leaf of the tree, whose frontier before it is `before`.
    pub(super) fn leaf(&mut self, before: &Frontier, leaf: Digest) {
        self.recent.push(before, leaf);
    }

    /// A record, once its own leaf was said.
    pub(super) fn record(&mut self, entry: &Entry, faults: &mut Faults) {
        if entry.kind() != "anchor.receipt" || !entry.outcome().is_good() || self.all.len() >= MOST {
            return;
        }
        let body = entry.body();
        let read = || {
            let names = [body.payload("checkpoint")?.0, body.payload("token")?.0];
            Some((body.number("size")?, body.digest("root")?, body.time("time")?, names))
        };
        let place = || format!("{}: record {}", bundle::RECORDS, entry.seq());
        let Some((size, root, time, names)) = read() else {
            return faults.wrong(&place(), "does not say which checkpoint was stamped");
        };
        let here = self.recent.root(size);
        if here.is_some_and(|here| here != root) {
            faults.wrong(&place(), format!("names a stamped root of the first {size} records that is not theirs"));
        }
        for name in names {
            self.parts.insert(name, self.all.len());
        }
        let (seq, is_compared) = (entry.seq(), here.is_some());
        self.all.push(One { seq, size, root, time, names, is_compared, note: None, token: None });
    }

    /// Whether a text is a part of a stamp.
    pub(super) fn wants(&self, hash: &Digest) -> bool {
        self.parts.contains_key(hash)
    }

    /// The bytes of a text that is wanted, behind their salt. Whether they have that hash is seen elsewhere.
    pub(super) fn text(&mut self, hash: &Digest, stored: &[u8], key: Option<&Key>) {
        let Some(one) = self.parts.get(hash).and_then(|at| self.all.get_mut(*at)) else { return };
        let bytes = stored.get(SALT_BYTES..).unwrap_or_default();
        if one.names.first() == Some(hash) {
            one.note = Some((Digest::of(bytes), opened(bytes, key)));
        } else {
            one.token = Some(stamp::said(bytes));
        }
    }

    /// Judges those of which both parts are here.
    pub(super) fn judged(self, faults: &mut Faults) -> Vec<Stamped> {
        let mut good = Vec::new();
        for one in self.all {
            let [note_name, token_name] = one.names.map(|name| bundle::blob_name(&name));
            let (Some((digest, checkpoint)), Some(token)) = (one.note, one.token) else { continue };
            let seq = one.seq;
            match checkpoint {
                Err(what) => {
                    faults.wrong(&note_name, format!("is stamped, as record {seq} says, and {what}"));
                    continue;
                }
                Ok(Checkpoint { size, root, .. }) if (size, root) != (one.size, one.root) => {
                    faults.wrong(&note_name, format!("is not the checkpoint that record {seq} speaks of"));
                    continue;
                }
                Ok(_) => {}
            }
            match token {
                Ok((imprint, time)) if (imprint, time) == (digest, one.time) => good.push(Stamped {
                    seq,
                    size: one.size,
                    time,
                    files: (note_name, token_name),
                    is_compared: one.is_compared,
                }),
                Ok((imprint, _)) if imprint != digest => {
                    faults.wrong(&token_name, format!("is not over the checkpoint that record {seq} speaks of"));
                }
                Ok((_, time)) => faults.wrong(&token_name, format!("says {time}, and record {seq} another time")),
                Err(error) => faults.wrong(&token_name, format!("is no token of record {seq}: {error}")),
            }
        }
        good
    }
}

/// The checkpoint of a note. One of the log before this one has another key, which the record of the succession names.
fn opened(note: &[u8], key: Option<&Key>) -> Result<Checkpoint, String> {
    let begin = note.split(|byte| *byte == b'\n').next().unwrap_or_default();
    match key {
        Some(key) if key.name().as_bytes() == begin => checkpoint::open(note, key).map_err(|error| error.to_string()),
        _ => {
            let text = std::str::from_utf8(note).ok().and_then(|text| text.split_once("\n\n"));
            let parsed = text.map(|(text, _)| Checkpoint::parse(&format!("{text}\n")));
            parsed.and_then(Result::ok).ok_or_else(|| "is no checkpoint".to_owned())
        }
    }
}

/// What is needed to make the root of each tree that ended lately: a frontier every so often, and the leaves since.
#[derive(Default)]
struct Recent {
    frontiers: VecDeque<Frontier>,
    leaves: VecDeque<Digest>,
}

/// Between two frontiers.
const STEP: u64 = 1024;
/// Frontiers that are kept: a stamp is asked for within seconds of its checkpoint, and its record follows within a minute.
const STEPS: usize = 64;

impl Recent {
    fn push(&mut self, before: &Frontier, leaf: Digest) {
        if self.frontiers.is_empty() || before.size().is_multiple_of(STEP) {
            if self.frontiers.len() == STEPS {
                self.frontiers.pop_front();
                let begin = self.frontiers.front().map_or(0, Frontier::size);
                let kept = usize::try_from(before.size().saturating_sub(begin)).unwrap_or(usize::MAX);
                self.leaves.drain(..self.leaves.len().saturating_sub(kept));
            }
            self.frontiers.push_back(before.clone());
        }
        self.leaves.push_back(leaf);
    }

    /// The root of the first `size` entries, if that is still known.
    fn root(&self, size: u64) -> Option<Digest> {
        let begin = self.frontiers.front()?.size();
        let mut tree = self.frontiers.iter().rev().find(|tree| tree.size() <= size)?.clone();
        let skip = usize::try_from(tree.size() - begin).ok()?;
        let count = usize::try_from(size - tree.size()).ok()?;
        if skip.checked_add(count)? > self.leaves.len() {
            return None;
        }
        self.leaves.iter().skip(skip).take(count).for_each(|leaf| tree.push(*leaf));
        Some(tree.root())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle;

    #[test]
    fn the_root_of_each_tree_that_ended_lately_is_known() {
        for first in [0_u64, 5, 1024] {
            let mut tree = Frontier::new();
            let (mut leaves, mut recent) = (Vec::new(), Recent::default());
            let count = STEP * (STEPS as u64 + 3) + 17;
            for n in 0..first + count {
                let leaf = merkle::leaf_hash(&n.to_be_bytes());
                leaves.push(leaf);
                if n >= first {
                    recent.push(&tree, leaf);
                }
                tree.push(leaf);
            }
            let end = first + count;
            for size in [end, end - 1, end - 17, end - 18, end - 5000, end - STEP * (STEPS as u64 - 1)] {
                let expected = merkle::root(&leaves[..usize::try_from(size).unwrap()]);
                assert_eq!(recent.root(size), Some(expected), "{size} of {end}");
            }
            for size in [end + 1, u64::MAX, first, 0] {
                assert_eq!(recent.root(size), None, "{size} of {end}");
            }
            assert!(recent.leaves.len() as u64 <= STEP * (STEPS as u64 + 1));
        }
    }
}
