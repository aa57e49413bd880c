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
    let base = edge.bundle_start();
    let mut entries: VecDeque<Bytes> = edge.bundle().iter().cloned().collect();
    let stored = files.read(tail::NAME).await?.unwrap_or_default();
    let (records, whole) = tail::decode(&stored);
    if whole < stored.len() as u64 {
        warn!(bytes = stored.len() as u64 - whole, "cut off the torn end of a write that was never acknowledged");
        files.truncate(tail::NAME, whole).await?;
    }
    for (index, bytes) in records {
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
    }
    guard(settings, &key, &edge, size).await?;
    let last = match entries.back() {
        Some(last) => Some(last.clone()),
        None => last_of_full(files, edge.size()).await?,
    };
    let time = last.map(|bytes| entry::decode(&bytes).map(|entry| entry.time())).transpose()?;
    Ok(Opened { edge, recent: Recent { base, entries, checkpoint: size }, signed: size, time })
}

fn own(note: &[u8], key: &checkpoint::Key, origin: &str) -> Result<Checkpoint, Error> {
    let checkpoint = checkpoint::open(note, key)?;
    if checkpoint.origin != origin {
        return Err(Error::Damaged(format!("the checkpoint is of {}", checkpoint.origin)));
    }
    Ok(checkpoint)
}

/// A copy of the last checkpoint lies outside the state folder: a log that is shorter was restored from an older copy.
async fn guard(settings: &Settings, key: &checkpoint::Key, edge: &Edge, signed: u64) -> Result<(), Error> {
    let Some((folder, name)) = &settings.last_checkpoint else { return Ok(()) };
    let Some(note) = folder.read(name).await? else { return Ok(()) };
    let outside = own(&note, key, &settings.origin)?;
    let found = edge.size();
    if outside.size > found {
        return Err(Error::Restored { found, signed: outside.size });
    }
    if outside.size == found && outside.root != edge.frontier().root() {
        return Err(Error::Damaged(format!("the log has another root than the checkpoint of {signed} entries outside")));
    }
    Ok(())
}

async fn edge(files: &Files, size: u64) -> Result<Edge, Error> {
    let mut levels = Vec::new();
    for level in 0..Edge::depth(size) {
        let nodes = size >> (8 * level);
        let width = nodes % WIDTH;
        let hashes: Vec<Digest> = if width == 0 {
            Vec::new()
        } else {
            let name = tile_name(level, nodes / WIDTH, width);
            let bytes = files.read(&name).await?.ok_or_else(|| Error::Damaged(format!("{name} is missing")))?;
            decode_tile(&bytes, width).ok_or_else(|| Error::Damaged(format!("{name} has another length")))?
        };
        levels.push(hashes);
    }
    let width = size % WIDTH;
    let bundle = if width == 0 { Vec::new() } else { read_bundle(files, size / WIDTH, width).await? };
    Edge::of(size, levels, bundle).ok_or_else(|| Error::Damaged("the tiles do not fit the checkpoint".to_owned()))
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
