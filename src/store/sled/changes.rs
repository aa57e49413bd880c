//! What one write changes in a tree of sled's, and under which keys.

use ::sled::{Batch, IVec, Tree};
use bytes::Bytes;

use super::PART_BYTES;
use crate::store::Key;

/// A blob up to this long lives beside its key. Short, because listing keys reads these too.
const INLINE_BYTES: usize = 512;

/// What one write changes in a tree, all of it or none; each key once.
#[derive(Debug, Default)]
pub(super) struct Changes(pub(super) Vec<(Vec<u8>, Option<IVec>)>);

impl Changes {
    pub(super) fn blob(&mut self, key: &Key, bytes: &Bytes) {
        let mut head = Vec::with_capacity(1 + bytes.len().min(INLINE_BYTES));
        if bytes.len() <= INLINE_BYTES {
            head.push(b'i');
            head.extend_from_slice(bytes);
        } else {
            head.push(b'p');
            // No batch is longer than MAX_BATCH_BYTES.
            head.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
            for (index, part) in bytes.chunks(PART_BYTES).enumerate() {
                self.0.push((part_key(key, index), Some(part.into())));
            }
        }
        self.0.push((tagged(b'h', key), Some(head.into())));
    }

    /// A single change needs none of what holds a batch together: a further write of sled's, and everybody else's wait.
    pub(super) fn apply(mut self, tree: &Tree) -> ::sled::Result<()> {
        match (self.0.pop(), self.0.is_empty()) {
            (None, _) => Ok(()),
            (Some((key, Some(value))), true) => tree.insert(key, value).map(drop),
            (Some((key, None)), true) => tree.remove(key).map(drop),
            (Some(last), false) => {
                let mut batch = Batch::default();
                for (key, value) in self.0.into_iter().chain([last]) {
                    match value {
                        Some(value) => batch.insert(key, value),
                        None => batch.remove(key),
                    }
                }
                tree.apply_batch(batch)
            }
        }
    }
}

/// Heads, parts and registers lie apart, so that a listing of one never reads another.
pub(super) fn tagged(tag: u8, key: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + key.0.len());
    bytes.push(tag);
    bytes.extend(&key.0);
    bytes
}

pub(super) fn part_key(key: &Key, index: usize) -> Vec<u8> {
    let mut bytes = tagged(b'p', key);
    // In a key a zero is followed by other bytes than this: parts are nobody else's key.
    bytes.extend([0, 2]);
    bytes.extend(u32::try_from(index).unwrap_or(u32::MAX).to_be_bytes());
    bytes
}
