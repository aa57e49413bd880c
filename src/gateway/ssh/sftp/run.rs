//! What moves of one file, in one direction: how much, from where, and its digest as long as it comes in one run.

use crate::domain::Hashing;
use crate::domain::event::sftp::Moved;

/// One direction of one open file.
#[derive(Debug, Default)]
pub(super) struct Run {
    bytes: u64,
    /// Offset of the first byte.
    from: Option<u64>,
    /// Where the next byte belongs, if there is no gap.
    next: u64,
    hashing: Hashing,
    broken: bool,
    to_end: bool,
}

impl Run {
    /// A piece begins at `offset`.
    pub(super) fn at(&mut self, offset: u64) {
        let first = *self.from.get_or_insert(offset) == offset && self.bytes == 0;
        self.broken |= !first && offset != self.next;
        self.next = offset;
    }

    /// More of the piece.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let len = bytes.len() as u64;
        (self.bytes, self.next) = (self.bytes.saturating_add(len), self.next.saturating_add(len));
        if !self.broken {
            self.hashing.add(bytes);
        }
    }

    /// The file has no byte at `offset`.
    pub(super) fn ends_at(&mut self, offset: u64) {
        self.to_end |= !self.broken && offset == self.next;
    }

    /// Nobody knows what is there now.
    pub(super) fn spoil(&mut self) {
        self.broken = true;
    }

    /// As a record says it; nothing of what did not move.
    pub(super) fn moved(self) -> Option<Moved> {
        let from = self.from?;
        let digest = self.hashing.end().1;
        let sha256 = (!self.broken).then_some(digest);
        Some(Moved { bytes: self.bytes, from, sha256, to_end: self.to_end })
    }
}
