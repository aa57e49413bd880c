//! The tail: entries that are durable and not yet in the tiles of a checkpoint. Pure.
//!
//! One append-only file beside the public layout, so that a batch costs one sync. A record is index,
//! length, entry, and the first 16 bytes of the SHA-256 over all of these.

use bytes::{BufMut, Bytes, BytesMut};

use super::entry::MAX_BYTES;
use crate::domain::Digest;

/// The file's name.
pub(super) const NAME: &str = "tail";

const HEAD_BYTES: usize = 12;
const CHECK_BYTES: usize = 16;

/// Adds one record to `out`.
pub(super) fn encode(index: u64, entry: &[u8], out: &mut BytesMut) {
    let start = out.len();
    out.put_u64(index);
    out.put_u32(u32::try_from(entry.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(entry);
    let check = Digest::of(out.get(start..).unwrap_or_default());
    out.extend_from_slice(check.0.get(..CHECK_BYTES).unwrap_or_default());
}

/// The records of a tail, and how many of its bytes they are: what follows is the torn end of a write that was never
/// acknowledged.
pub(super) fn decode(bytes: &Bytes) -> (Vec<(u64, Bytes)>, u64) {
    let mut records = Vec::new();
    let mut at = 0;
    while let Some((record, end)) = record(bytes, at) {
        records.push(record);
        at = end;
    }
    (records, at as u64)
}

fn record(bytes: &Bytes, at: usize) -> Option<((u64, Bytes), usize)> {
    let head = bytes.get(at..at + HEAD_BYTES)?;
    let index = u64::from_be_bytes(head.get(..8)?.try_into().ok()?);
    let length = usize::try_from(u32::from_be_bytes(head.get(8..)?.try_into().ok()?)).ok()?;
    if length > MAX_BYTES {
        return None;
    }
    let end = at + HEAD_BYTES + length;
    let check = bytes.get(end..end + CHECK_BYTES)?;
    let whole = Digest::of(bytes.get(at..end)?);
    (whole.0.get(..CHECK_BYTES)? == check).then(|| ((index, bytes.slice(at + HEAD_BYTES..end)), end + CHECK_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_end_is_told_from_what_was_written_whole() {
        let mut out = BytesMut::new();
        encode(7, b"one", &mut out);
        let first = out.len();
        encode(8, b"two", &mut out);
        let whole = out.freeze();
        assert_eq!(decode(&whole).0, [(7, Bytes::from_static(b"one")), (8, Bytes::from_static(b"two"))]);
        for cut in first..whole.len() {
            assert_eq!(decode(&whole.slice(..cut)), (vec![(7, Bytes::from_static(b"one"))], first as u64), "cut {cut}");
        }
        let mut flipped = whole.to_vec();
        flipped[first + 13] ^= 1;
        assert_eq!(decode(&flipped.into()).1, first as u64);
    }
}
