//! Opening a log: the last checkpoint, the right edge of its tree, and the tail behind it.
//!
//! Reads as much for a log of millions as for one of hundreds.

use std::collections::VecDeque;

use bytes::Bytes;
use tracing::warn;

use super::checkpoint::{self, Checkpoint};
use super::tiles::{self, Edge, WIDTH, bundle_name, decode_bundle, decode_tile, tile_name};
use super::{CHECKPOINT, Error, Recent, Settings, entry, tail};
use crate::domain::{Digest, Timestamp};
use crate::merkle;
use crate::signer::Signer;
use crate::store::Files;

/// What was found.
pub(super) struct Opened {
    pub(super) edge: Edge,
    pub(super) recent: Recent,
    /// Size of the last checkpoint.
    pub(super) signed: u64,
    /// Index of the tail's first entry: before the last bundle's if a crash came between a checkpoint and what follows it.
    pub(super) tail_start: u64,
    /// Time of the last entry.
    pub(super) time: Option<Timestamp>,
}

pub(super) async fn open(settings: &Settings, files: &Files, signer: &Signer) -> Result<Opened, Error> {
    let key = checkpoint::Key::new(&settings.origin, signer.log_key())?;
    let signed = match files.read(CHECKPOINT).await? {
        Some(note) => Some(own(&note, &key, &settings.origin)?),
        None => None,
    };
    let size = signed.as_ref().map_or(0, |checkpoint| checkpoint.size);
    let mut edge = edge(files, size).await?;
    if let Some(checkpoint) = &signed
        && edge.frontier().root() != checkpoint.root
    {
        return Err(Error::Damaged("the tiles do not have the checkpoint's root".to_owned()));
    }
    let mut guard = Guard::of(settings, &key, files, size).await?;
    let base = edge.bundle_start();
    let mut entries: VecDeque<Bytes> = edge.bundle().iter().cloned().collect();
    let found = tail::decode(&files.read(tail::NAME).await?.unwrap_or_default(), size);
    if found.damaged {
        let index = found.records.last().map_or(base, |(index, _)| index + 1);
        return Err(Error::Damaged(format!("entry {index} of the tail is not what was written")));
    }
    let tail_start = found.records.first().map_or(base, |(index, _)| base.min(*index));
    for (index, bytes) in found.records {
        if index < edge.size() {
            let place = index.checked_sub(base).and_then(|place| usize::try_from(place).ok());
            let other = place.and_then(|place| entries.get(place)).is_some_and(|known| *known != bytes);
            if other {
                return Err(Error::Damaged(format!("entry {index} of the tail is not the one in the tiles")));
            }
            continue;
        }
        if index > edge.size() {
            return Err(Error::Damaged(format!("the tail goes on with {index}, and the log ends at {}", edge.size())));
        }
        check(&bytes, index)?;
        edge.push(bytes.clone(), merkle::leaf_hash(&bytes));
        entries.push_back(bytes);
        guard.grown(&edge);
    }
    guard.judge(edge.size())?;
    let last = match entries.back() {
        Some(last) => Some(last.clone()),
        None => last_of_full(files, edge.size()).await?,
    };
    let time = last.map(|bytes| entry::decode(&bytes).map(|entry| entry.time())).transpose()?;
    // Last, so that nothing is changed in a folder that is refused.
    if found.torn_bytes > 0 {
        warn!(bytes = found.torn_bytes, "cut off the torn end of a write that was never acknowledged");
        files.truncate(tail::NAME, found.whole_bytes).await?;
    }
    Ok(Opened { edge, recent: Recent { base, entries, checkpoint: size }, signed: size, tail_start, time })
}

fn own(note: &[u8], key: &checkpoint::Key, origin: &str) -> Result<Checkpoint, Error> {
    let checkpoint = checkpoint::open(note, key)?;
    if checkpoint.origin != origin {
        return Err(Error::Damaged(format!("the checkpoint is of {}", checkpoint.origin)));
    }
    Ok(checkpoint)
}

/// The copy of the last checkpoint that lies outside the state folder: a log that is shorter, or has another root at its
/// size, was restored from an older copy.
struct Guard {
    outside: Option<Checkpoint>,
    /// The log's own root at the size of `outside`, once it is known.
    root: Option<Digest>,
}

impl Guard {
    async fn of(settings: &Settings, key: &checkpoint::Key, files: &Files, signed: u64) -> Result<Self, Error> {
        let note = match &settings.last_checkpoint {
            Some((folder, name)) => folder.read(name).await?,
            None => None,
        };
        let outside = note.map(|note| own(&note, key, &settings.origin)).transpose()?;
        let root = match &outside {
            Some(outside) if outside.size <= signed => {
                let levels = levels(files, outside.size, signed).await?;
                tiles::frontier(outside.size, &levels).map(|frontier| frontier.root())
            }
            _ => None,
        };
        Ok(Self { outside, root })
    }

    /// An entry of the tail was added.
    fn grown(&mut self, edge: &Edge) {
        if self.outside.as_ref().is_some_and(|outside| outside.size == edge.size()) {
            self.root = Some(edge.frontier().root());
        }
    }

    fn judge(&self, found: u64) -> Result<(), Error> {
        match &self.outside {
            Some(outside) if outside.size > found => Err(Error::Restored { found, signed: outside.size }),
            Some(outside) if self.root != Some(outside.root) => Err(Error::Damaged(format!(
                "its first {} entries are not those that were signed outside",
                outside.size
            ))),
            _ => Ok(()),
        }
    }
}

async fn edge(files: &Files, size: u64) -> Result<Edge, Error> {
    let levels = levels(files, size, size).await?;
    let width = size % WIDTH;
    let bundle = if width == 0 { Vec::new() } else { read_bundle(files, size / WIDTH, width).await? };
    Edge::of(size, levels, bundle).ok_or_else(|| Error::Damaged("the tiles do not fit the checkpoint".to_owned()))
}

/// The unfinished tile of each level of a tree of `size`, read from the tiles of one of `stored`, which is no smaller.
async fn levels(files: &Files, size: u64, stored: u64) -> Result<Vec<Vec<Digest>>, Error> {
    let mut levels = Vec::new();
    for level in 0..Edge::depth(size) {
        let (index, width) = (tiles::nodes(size, level) / WIDTH, tiles::nodes(size, level) % WIDTH);
        let kept = WIDTH.min(tiles::nodes(stored, level) - index * WIDTH);
        let mut hashes = Vec::new();
        if width > 0 {
            let name = tile_name(level, index, kept);
            let bytes = files.read(&name).await?.ok_or_else(|| Error::Damaged(format!("{name} is missing")))?;
            hashes = decode_tile(&bytes, kept).ok_or_else(|| Error::Damaged(format!("{name} has another length")))?;
            hashes.truncate(usize::try_from(width).unwrap_or(usize::MAX));
        }
        levels.push(hashes);
    }
    Ok(levels)
}

async fn last_of_full(files: &Files, size: u64) -> Result<Option<Bytes>, Error> {
    match size.checked_div(tiles::WIDTH) {
        Some(bundles) if bundles > 0 => Ok(read_bundle(files, bundles - 1, WIDTH).await?.pop()),
        _ => Ok(None),
    }
}

async fn read_bundle(files: &Files, index: u64, width: u64) -> Result<Vec<Bytes>, Error> {
    let name = bundle_name(index, width);
    let bytes = files.read(&name).await?.ok_or_else(|| Error::Damaged(format!("{name} is missing")))?;
    decode_bundle(&bytes, width).ok_or_else(|| Error::Damaged(format!("{name} is not a bundle of {width}")))
}

fn check(bytes: &Bytes, index: u64) -> Result<(), Error> {
    let entry = entry::decode(bytes)?;
    if entry.seq() != index {
        return Err(Error::Damaged(format!("entry {index} says that it is {}", entry.seq())));
    }
    Ok(())
}
