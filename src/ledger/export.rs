//! What a bundle takes from the log: the tree before a period, stored texts, and a signature over the list of its files.

use bytes::Bytes;

use super::bundle::{self, Manifest};
use super::tiles::{self, Edge, WIDTH, decode_tile, tile_name};
use super::{Error, Ledger, checkpoint, payload_key};
use crate::domain::Digest;
use crate::merkle::{self, Frontier, Node, Span};

impl Ledger {
    /// The public half of the log's key, by its origin.
    pub fn key(&self) -> &checkpoint::Key {
        &self.key
    }

    /// The complete subtrees of the first `size` entries, of which all full tiles are on the disk. Partial tiles are not
    /// read: they go while the log grows.
    pub async fn prefix(&self, size: u64) -> Result<Frontier, Error> {
        let mut levels = Vec::new();
        for level in 0..Edge::depth(size) {
            let nodes = tiles::nodes(size, level);
            let mut hashes = Vec::new();
            for index in nodes - nodes % WIDTH..nodes {
                hashes.push(self.node(level, index).await?);
            }
            levels.push(hashes);
        }
        tiles::frontier(size, &levels).ok_or_else(|| Error::Damaged("the tiles do not fit the size".to_owned()))
    }

    /// The hashes that lead from entry `index` to the root of the first `size` entries.
    pub async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Digest>, Error> {
        let spans = merkle::inclusion(index, size);
        let spans = spans.ok_or_else(|| Error::Damaged(format!("entry {index} is not in a tree of {size}")))?;
        self.spans(spans).await
    }

    /// The hash of each span, as proofs have them.
    pub(super) async fn spans(&self, spans: Vec<Span>) -> Result<Vec<Digest>, Error> {
        let mut hashes = Vec::with_capacity(spans.len());
        for span in spans {
            let mut peaks = Vec::new();
            for node in span.nodes() {
                peaks.push(self.subtree(node).await?);
            }
            hashes.push(merkle::fold(&peaks));
        }
        Ok(hashes)
    }

    /// The root of a complete subtree: of a full tile where it lies in one, else of what the tile would hold.
    async fn subtree(&self, node: Node) -> Result<Digest, Error> {
        let (level, first, count) = (node.level / 8, node.index << (node.level % 8), 1 << (node.level % 8));
        if let Some(tile) = self.files.read(&tile_name(level, first / WIDTH, WIDTH)).await? {
            let hashes = decode_tile(&tile, WIDTH).unwrap_or_default();
            let begin = usize::try_from(first % WIDTH).unwrap_or(usize::MAX);
            let hashes = hashes.get(begin..begin.saturating_add(count));
            let hashes = hashes.ok_or_else(|| Error::Damaged("a tile has another length".to_owned()))?;
            return Ok(tiles::perfect(hashes));
        }
        let mut hashes = Vec::with_capacity(count);
        for index in first..first + count as u64 {
            hashes.push(self.node(level, index).await?);
        }
        Ok(tiles::perfect(&hashes))
    }

    /// One hash of a tile of this level.
    async fn node(&self, level: u32, index: u64) -> Result<Digest, Error> {
        let Some(below) = level.checked_sub(1) else {
            let entry = self.entry(index).await?;
            let entry = entry.ok_or_else(|| Error::Damaged(format!("entry {index} is missing")))?;
            return Ok(merkle::leaf_hash(&entry));
        };
        let name = tile_name(below, index, WIDTH);
        let bytes = self.files.read(&name).await?.ok_or_else(|| Error::Damaged(format!("{name} is missing")))?;
        let hashes = decode_tile(&bytes, WIDTH).ok_or_else(|| Error::Damaged(format!("{name} has another length")))?;
        Ok(tiles::perfect(&hashes))
    }

    /// Salt and text behind a payload's hash, as stored: the hash is over both.
    pub async fn stored_payload(&self, hash: &Digest) -> Result<Option<Bytes>, Error> {
        let stored = self.blobs.get(&payload_key(hash)).await?;
        match stored {
            Some(stored) if Digest::of(&stored) != *hash => {
                Err(Error::Damaged(format!("payload {hash} has another hash")))
            }
            stored => Ok(stored),
        }
    }

    /// The note that says which files a bundle has, signed by the log's key.
    pub fn sign_manifest(&self, manifest: &Manifest, encoded: &[u8]) -> String {
        let text = bundle::note_text(manifest, encoded);
        checkpoint::sign(&text, &self.key, |text| self.signer.sign_note(text))
    }
}
