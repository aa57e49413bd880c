//! What a copy of the log elsewhere lacks, file by file, and whether it is a copy of this log at all.
//!
//! Knows names and bytes, and no place. Refuses a copy that has more than this log, or something else: going on would make a
//! second history.

use bytes::Bytes;

use super::checkpoint::{self, Checkpoint};
use super::kept::Kept;
use super::tiles::{self, Edge, WIDTH, bundle_name, decode_bundle, encode_bundle, nodes, tile_name};
use super::{CHECKPOINT, Error, Ledger};

pub mod verify;

/// Longest checkpoint that is read from a copy.
pub const NOTE_BYTES: usize = checkpoint::MAX_NOTE_BYTES;

/// A file of the layout: a bundle of entries or a tile of hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The level of a tile; `None` for a bundle.
    level: Option<u32>,
    index: u64,
    width: u64,
}

impl Piece {
    /// Its path.
    pub fn name(&self) -> String {
        self.named(self.width)
    }

    fn named(&self, width: u64) -> String {
        match self.level {
            None => bundle_name(self.index, width),
            Some(level) => tile_name(level, self.index, width),
        }
    }
}

/// The files that the first `size` entries need beyond those of the first `old`, which a checkpoint there says are there.
pub fn lacking(old: u64, size: u64) -> impl Iterator<Item = Piece> + Send {
    let levels = std::iter::once(None).chain((0..Edge::depth(size)).map(Some));
    levels.flat_map(move |level| {
        let (before, now) = (nodes(old, level.unwrap_or(0)), nodes(size, level.unwrap_or(0)));
        let full = (before / WIDTH..now / WIDTH).map(move |index| Piece { level, index, width: WIDTH });
        let rest = Piece { level, index: now / WIDTH, width: now % WIDTH };
        full.chain((rest.width > 0 && now > before).then_some(rest))
    })
}

/// Folders of partial files that the whole ones of a copy of `size` replace, where it was one of `old`.
pub fn outgrown(old: u64, size: u64) -> Vec<String> {
    tiles::outgrown(old, size)
}

impl Ledger {
    /// The bytes of a file of the layout. A partial one may have gone meanwhile: then it is the begin of the whole one.
    pub async fn piece(&self, piece: &Piece) -> Result<Bytes, Error> {
        if let Some(bytes) = self.files.read(&piece.name()).await? {
            return Ok(bytes);
        }
        let gone = || Error::Damaged(format!("{} is missing", piece.name()));
        let whole = self.files.read(&piece.named(WIDTH)).await?.ok_or_else(gone)?;
        let width = usize::try_from(piece.width).unwrap_or(usize::MAX);
        let begin = match piece.level {
            None => decode_bundle(&whole, WIDTH).and_then(|entries| Some(encode_bundle(entries.get(..width)?))),
            Some(_) => whole.get(..width.saturating_mul(32)).map(|_| whole.slice(..width.saturating_mul(32))),
        };
        begin.ok_or_else(gone)
    }

    /// The newest checkpoint, with the signatures of witnesses where enough have signed it.
    pub async fn newest_signed(&self) -> Result<Option<Kept>, Error> {
        let Some(newest) = self.newest().await? else { return Ok(None) };
        let cosigned = match self.trust().quorum {
            Some(_) => self.cosigned_from(newest.checkpoint.size).await?,
            None => None,
        };
        Ok(Some(cosigned.filter(|kept| kept.checkpoint == newest.checkpoint).unwrap_or(newest)))
    }

    /// How many entries a copy has whose checkpoint this is, if it is a copy of this log up to `newest`.
    pub async fn judge_copy(&self, note: &[u8], newest: Option<&Kept>) -> Result<u64, Fault> {
        let Checkpoint { size, root, .. } = checkpoint::open(note, self.key())?;
        let found = newest.map_or(0, |kept| kept.checkpoint.size);
        if size > found {
            return Err(Fault::Longer { copy: size, found });
        }
        if self.prefix(size).await?.root() != root {
            return Err(Fault::Other { size });
        }
        Ok(size)
    }
}

/// Why nothing is added to a copy.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Its checkpoint is of another log, or of none.
    #[error("is of another log, or none: {0}. Name a place that is empty, and keep this one as it is")]
    Stranger(#[from] checkpoint::Error),
    /// It has entries that this log has not.
    #[error(
        "has {copy} entries that were signed, and the last checkpoint here is over {found}: the log was restored from an older copy. \
         Bring back the newer copy of the state folder; if there is none, 'sallyport store succeed' with \
         '--checkpoint' and the file 'checkpoint' of this copy goes on without the rest"
    )]
    Longer {
        /// What it has.
        copy: u64,
        /// What the last checkpoint here has.
        found: u64,
    },
    /// Its entries are others.
    #[error("has {size} first entries that were signed and are not those that are here: this log has two histories")]
    Other {
        /// How many it has.
        size: u64,
    },
    /// The log itself cannot be read.
    #[error("the log here")]
    Ledger(#[from] Error),
}
