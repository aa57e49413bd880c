//! One frame: text, compressed, with a mark in front that says of which recording it is and where in it.
//!
//! A frame can be told apart from any other without the store's keys, so that one cannot be put in
//! another's place. `zstd -d` skips the mark. Text that would be longer than a frame's ever is, is not unpacked.

use std::io::{self, Cursor};

use bytes::Bytes;
use tokio::task::spawn_blocking;
use zstd::zstd_safe::CParameter;

use super::Error;
use crate::domain::Digest;
use crate::domain::session::RecordingId;
use crate::merkle;
use crate::store::Key;

/// The longest text that a frame may have: the limit for closing it, a header with the longest
/// command, and the lines of one piece.
pub(super) const TEXT_LIMIT_BYTES: usize = 512 * 1024;

/// The mark: a skippable zstd frame (RFC 8878 §3.1.2) of 32 bytes.
const MARK_BYTES: usize = 40;
const MARK_BEGIN: [u8; 16] = *b"\x5a\x2a\x4d\x18\x20\0\0\0sallyrec";

/// A text of so much was closed since it was full, or nearly.
const LONG_BYTES: usize = 32 * 1024;

/// A frame as stored. Its mark was checked.
#[derive(Clone, Debug)]
pub struct Frame {
    index: u64,
    stored: Bytes,
}

impl Frame {
    /// Checks that it is what it is taken for.
    pub(super) fn open(recording: RecordingId, index: u64, stored: Bytes) -> Result<Self, Error> {
        if stored.starts_with(&mark(recording, index)) {
            Ok(Self { index, stored })
        } else {
            Err(Error::Damaged { frame: index, what: "it does not say that it is this frame of this recording" })
        }
    }

    /// Counted from 0.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The whole frame, as in the tree.
    pub fn stored(&self) -> &Bytes {
        &self.stored
    }

    /// Its leaf in the tree.
    pub fn leaf(&self) -> Digest {
        merkle::leaf_hash(&self.stored)
    }

    /// Its text, unpacked on the blocking pool.
    pub async fn text(&self) -> Result<Vec<u8>, Error> {
        let (frame, stored) = (self.index, self.stored.clone());
        let unpacked = spawn_blocking(move || unpack(&stored)).await.map_err(|_| Error::Stopping)?;
        unpacked.map_err(|_| Error::Damaged { frame, what: "it cannot be unpacked" })
    }
}

/// Where a frame is stored.
pub(super) fn key(recording: RecordingId, index: u64) -> Key {
    prefix(recording).with(&index.to_be_bytes())
}

/// Where all frames of a recording are.
pub(super) fn prefix(recording: RecordingId) -> Key {
    all().with(&recording.to_bytes())
}

/// Where all frames of all recordings are.
pub(super) fn all() -> Key {
    Key::of(&[b"recording"])
}

/// Of which recording a frame is that lies there.
pub(super) fn recording_of(key: &Key) -> Option<RecordingId> {
    key.segments().get(1)?.as_slice().try_into().ok().map(RecordingId::from_bytes)
}

/// Makes frames. Blocking work.
pub(super) struct Packer {
    recording: RecordingId,
    level: i32,
    /// What compressing needs, a megabyte for long texts: only while they come one after the other.
    zstd: Option<zstd::bulk::Compressor<'static>>,
}

impl Packer {
    pub(super) fn new(recording: RecordingId, level: i32) -> Self {
        Self { recording, level, zstd: None }
    }

    pub(super) fn pack(&mut self, index: u64, text: &[u8]) -> io::Result<Bytes> {
        let mut zstd = self.zstd.take().map_or_else(|| compressor(self.level), Ok)?;
        let mut stored = Vec::with_capacity(MARK_BYTES + zstd::zstd_safe::compress_bound(text.len()));
        stored.extend_from_slice(&mark(self.recording, index));
        let mut behind = Cursor::new(&mut stored);
        behind.set_position(MARK_BYTES as u64);
        zstd.compress_to_buffer(text, &mut behind)?;
        stored.shrink_to_fit();
        // So short a frame was closed by its age: the next may be long in coming.
        self.zstd = Some(zstd).filter(|_| text.len() >= LONG_BYTES);
        Ok(stored.into())
    }
}

fn compressor(level: i32) -> io::Result<zstd::bulk::Compressor<'static>> {
    let mut zstd = zstd::bulk::Compressor::new(level)?;
    // Damage on a disk is then told from a wrong key or a fault of ours without the tree.
    zstd.set_parameter(CParameter::ChecksumFlag(true))?;
    Ok(zstd)
}

fn unpack(stored: &[u8]) -> io::Result<Vec<u8>> {
    let packed = stored.get(MARK_BYTES..).unwrap_or_default();
    let mut text = zstd::bulk::decompress(packed, TEXT_LIMIT_BYTES)?;
    text.shrink_to_fit();
    Ok(text)
}

fn mark(recording: RecordingId, index: u64) -> [u8; MARK_BYTES] {
    let mut mark = [0; MARK_BYTES];
    let bytes = MARK_BEGIN.into_iter().chain(recording.to_bytes()).chain(index.to_be_bytes());
    for (to, from) in mark.iter_mut().zip(bytes) {
        *to = from;
    }
    mark
}
