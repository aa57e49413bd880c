//! The tail: entries that are durable and not yet in the tiles of a checkpoint. Pure.
//!
//! One append-only file beside the public layout, so that a batch costs one sync. A record is its index, the
//! index that its batch began with, its length, the entry, and the first 16 bytes of the SHA-256 over all of these.
//! Refuses to take damage in what was acknowledged for the torn end of what was not.

use bytes::{BufMut, Bytes, BytesMut};

use super::entry::MAX_BYTES;
use crate::domain::Digest;

/// The file's name.
pub(super) const NAME: &str = "tail";

const HEAD_BYTES: usize = 20;
const CHECK_BYTES: usize = 16;

/// Adds one record to `out`. `batch` is the index of the first record that became durable with this one.
pub(super) fn encode(index: u64, batch: u64, entry: &[u8], out: &mut BytesMut) {
    let start = out.len();
    out.put_u64(index);
    out.put_u64(batch);
    out.put_u32(u32::try_from(entry.len()).unwrap_or(u32::MAX));
    out.extend_from_slice(entry);
    let check = Digest::of(out.get(start..).unwrap_or_default());
    out.extend_from_slice(check.0.get(..CHECK_BYTES).unwrap_or_default());
}

/// What a tail holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// Index and bytes of each entry.
    pub(super) records: Vec<(u64, Bytes)>,
    /// How many bytes they take.
    pub(super) whole_bytes: u64,
    /// How many bytes follow that are no record.
    pub(super) torn_bytes: u64,
    /// Whether what is no record was once acknowledged, and so is not the end of a write that a crash cut short.
    pub(super) damaged: bool,
}

/// Reads a tail. `signed` is the size of the last checkpoint.
pub(super) fn decode(bytes: &Bytes, signed: u64) -> Tail {
    let mut tail = Tail::default();
    let mut at = 0;
    while let Some((record, end)) = record(bytes, at) {
        tail.records.push((record.index, record.entry));
        at = end;
    }
    tail.whole_bytes = at as u64;
    tail.torn_bytes = (bytes.len() - at) as u64;
    let last = tail.records.last().map(|(index, _)| index + 1);
    // A batch is written after the one before it was acknowledged.
    let next = last.unwrap_or(signed - signed % super::WIDTH);
    let later = |from| record(bytes, from).is_some_and(|(record, _)| record.batch > next);
    tail.damaged = tail.torn_bytes > 0 && (last.is_some_and(|next| next < signed) || (at..bytes.len()).any(later));
    tail
}

struct Record {
    index: u64,
    batch: u64,
    entry: Bytes,
}

fn record(bytes: &Bytes, at: usize) -> Option<(Record, usize)> {
    let head = bytes.get(at..at + HEAD_BYTES)?;
    let index = u64::from_be_bytes(head.get(..8)?.try_into().ok()?);
    let batch = u64::from_be_bytes(head.get(8..16)?.try_into().ok()?);
    let length = usize::try_from(u32::from_be_bytes(head.get(16..)?.try_into().ok()?)).ok()?;
    if length > MAX_BYTES || batch > index {
        return None;
    }
    let end = at + HEAD_BYTES + length;
    let check = bytes.get(end..end + CHECK_BYTES)?;
    let whole = Digest::of(bytes.get(at..end)?);
    let record = Record { index, batch, entry: bytes.slice(at + HEAD_BYTES..end) };
    (whole.0.get(..CHECK_BYTES)? == check).then_some((record, end + CHECK_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three batches: 7; 8 and 9; 10. With the place of each record, and of the end.
    fn tail() -> (Bytes, [usize; 5]) {
        let mut out = BytesMut::new();
        let mut places = [0; 5];
        for (at, (index, batch)) in [(7, 7), (8, 8), (9, 8), (10, 10)].into_iter().enumerate() {
            encode(index, batch, format!("entry {index}").as_bytes(), &mut out);
            places[at + 1] = out.len();
        }
        (out.freeze(), places)
    }

    fn indices(tail: &Tail) -> Vec<u64> {
        tail.records.iter().map(|(index, _)| *index).collect()
    }

    #[test]
    fn what_was_written_is_read() {
        let (bytes, places) = tail();
        let read = decode(&bytes, 7);
        assert_eq!(indices(&read), [7, 8, 9, 10]);
        assert_eq!(read.records[1].1, "entry 8");
        assert_eq!((read.whole_bytes, read.torn_bytes, read.damaged), (places[4] as u64, 0, false));
    }

    #[test]
    fn an_end_cut_anywhere_is_torn_and_not_damage() {
        let (bytes, places) = tail();
        for cut in 0..bytes.len() {
            let read = decode(&bytes.slice(..cut), 7);
            let whole = places.iter().filter(|place| **place <= cut).max().unwrap();
            assert_eq!((read.whole_bytes, read.torn_bytes), (*whole as u64, (cut - whole) as u64), "cut {cut}");
            assert!(!read.damaged, "cut {cut}");
        }
    }

    #[test]
    fn a_changed_byte_before_a_later_batch_is_damage() {
        let (bytes, places) = tail();
        for at in places[1]..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            let read = decode(&changed.into(), 7);
            let record = places.iter().position(|place| *place > at).unwrap() - 1;
            assert_eq!(read.whole_bytes, places[record] as u64, "byte {at}");
            // Of the last batch nobody knows whether it was acknowledged.
            assert_eq!(read.damaged, at < places[3], "byte {at}");
        }
    }

    #[test]
    fn within_the_last_batch_any_page_may_be_missing() {
        let (bytes, places) = tail();
        let mut changed = bytes.slice(..places[3]).to_vec();
        changed[places[1] + 30] ^= 1;
        assert!(!decode(&changed.into(), 7).damaged);
    }

    #[test]
    fn what_was_signed_was_acknowledged() {
        let (bytes, places) = tail();
        let cut = bytes.slice(..places[3] - 1);
        assert!(!decode(&cut, 9).damaged);
        assert!(decode(&cut, 10).damaged);
    }
}
