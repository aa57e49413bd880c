//! Between which two signatures of witnesses each record was written: behind the last checkpoint that does not have it yet, before
//! the first that has.
//!
//! Holds the checkpoints, not the records: times never go back in a log, so what holds for the records beside a checkpoint holds
//! for all.

use super::super::bundle;
use super::super::checkpoint::{self, Checkpoint, Key};
use super::super::kept::notes;
use super::super::trust::Trust;
use super::{Faults, SKEW_S};
use crate::domain::{Digest, Timestamp};
use crate::merkle::Frontier;

/// Records with the same bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The first of them.
    pub first: u64,
    /// Behind the last one.
    pub end: u64,
    /// In seconds since 1970: they were written after this, give or take the clocks.
    pub after: Option<u64>,
    /// And before this.
    pub before: Option<u64>,
}

impl Bound {
    /// How far the two are apart, in seconds.
    pub fn width(&self) -> Option<u64> {
        Some(self.before?.saturating_sub(self.after?))
    }
}

/// The checkpoints that witnesses have signed.
#[derive(Default)]
pub(super) struct Bounds {
    marks: Vec<Mark>,
    /// How many of them the tree has come to.
    passed: usize,
    /// Of the last record.
    last: Option<Timestamp>,
    is_told: bool,
}

struct Mark {
    size: u64,
    root: Digest,
    /// The first signature of a witness.
    signed: u64,
    by: String,
    file: &'static str,
}

impl Bounds {
    /// Notes one behind the other, each with all its signatures. What none of the witnesses has signed bounds nothing.
    pub(super) fn add(&mut self, file: &'static str, stored: &[u8], key: &Key, trust: &Trust, faults: &mut Faults) {
        for note in notes(&stored.to_vec().into()) {
            let read = checkpoint::open(&note, key).and_then(|checkpoint| Ok((checkpoint, trust.cosigned(&note)?)));
            match read {
                Ok((Checkpoint { size, root, .. }, cosigned)) => {
                    let first = cosigned.signed.into_iter().min_by_key(|(_, time)| *time);
                    self.marks.extend(first.map(|(by, signed)| Mark { size, root, signed, by: by.to_owned(), file }));
                }
                // Of the two at the ends it was said already.
                Err(_) if faults.is_named(file) => {}
                Err(error) => faults.wrong(file, error.to_string()),
            }
        }
    }

    /// All were added, and records come; this is the tree before them.
    pub(super) fn begin(&mut self, tree: &Frontier, faults: &mut Faults) {
        self.marks.sort_by_key(|mark| (mark.size, mark.signed));
        // Of one checkpoint the first signature counts.
        self.marks.dedup_by(|later, first| (later.size, later.root) == (first.size, first.root));
        if let Some(mark) = self.marks.iter().find(|mark| mark.size < tree.size()) {
            faults.wrong(mark.file, format!("has a checkpoint over {} records, before the first one here", mark.size));
        }
        self.reach(tree, faults);
    }

    /// A record, before [`Self::reach`] hears of it.
    pub(super) fn record(&mut self, time: Timestamp, index: u64, faults: &mut Faults) {
        let mark = self.passed.checked_sub(1).and_then(|last| self.marks.get(last));
        if let Some(mark) = mark
            && !self.is_told
            && seconds(mark.signed) > time.secs().saturating_add(SKEW_S)
        {
            self.is_told = true;
            let what = format!(
                "says that it is older than what {} signed before it was written, over {} records: it is back-dated",
                mark.by, mark.size
            );
            faults.wrong(&format!("{}: record {index}", bundle::RECORDS), what);
        }
        self.last = Some(time);
    }

    /// The tree has grown by a record, and its time is known.
    pub(super) fn reach(&mut self, tree: &Frontier, faults: &mut Faults) {
        while let Some(mark) = self.marks.get(self.passed).filter(|mark| mark.size <= tree.size()) {
            self.passed += 1;
            if mark.size == tree.size() && mark.root != tree.root() {
                faults.wrong(mark.file, format!("has another root of the first {} records than theirs", mark.size));
            }
            if self.last.is_some_and(|last| last.secs() > seconds(mark.signed).saturating_add(SKEW_S)) {
                let what = format!(
                    "is signed by {} over {} records before the last of them is said to have happened",
                    mark.by, mark.size
                );
                faults.wrong(mark.file, what);
            }
        }
    }

    /// What they come to, of the records from `first` to before `end`.
    pub(super) fn all(&self, first: u64, end: u64) -> Vec<Bound> {
        let mut bounds = Vec::new();
        let (mut from, mut after) = (first, None);
        for mark in self.marks.iter().filter(|mark| mark.size <= end) {
            if mark.size > from {
                bounds.push(Bound { first: from, end: mark.size, after, before: Some(mark.signed) });
                from = mark.size;
                after = Some(mark.signed);
            } else {
                after = after.or(Some(mark.signed));
            }
        }
        if from < end {
            bounds.push(Bound { first: from, end, after, before: None });
        }
        if bounds.iter().all(|bound| bound.after.is_none() && bound.before.is_none()) {
            return Vec::new();
        }
        bounds
    }
}

fn seconds(signed: u64) -> i64 {
    i64::try_from(signed).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

    use super::*;
    use crate::ledger::cosign::Witness;
    use crate::merkle;

    fn pair(seed: u8) -> (Ed25519KeyPair, [u8; 32]) {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
        let public = pair.public_key().as_ref().try_into().unwrap();
        (pair, public)
    }

    /// A log of ten records whose first five are signed by a witness at 10,000 and all of which are at 20,000; the records
    /// say these times. What is wrong, and the bounds.
    fn judged(times: [i64; 10], root_of: u8) -> (Vec<String>, Vec<Bound>) {
        let ((log, log_key), (witness, witness_key)) = (pair(1), pair(2));
        let key = Key::new("log.example/log", log_key).unwrap();
        let named = Witness::new("w.example/w", witness_key).unwrap();
        let trust = Trust::parse(&format!("log {key}\nwitness w {named}\nquorum w\n")).unwrap();
        let leaves = |upto: u8| (0..upto).map(|n| merkle::leaf_hash(&[n])).collect::<Vec<_>>();
        let root = |upto: u8| {
            let mut tree = Frontier::default();
            leaves(upto).into_iter().for_each(|leaf| tree.push(leaf));
            tree.root()
        };
        let cosigned = |size: u8, root_of: u8, time| {
            let checkpoint = Checkpoint { origin: key.name().to_owned(), size: size.into(), root: root(root_of) };
            let note = checkpoint.sign(&key, |text| log.sign(text).as_ref().try_into().unwrap());
            let line = named.line(time, &checkpoint.text(), |text| witness.sign(text).as_ref().try_into().unwrap());
            format!("{note}{line}")
        };
        let (mut bounds, mut faults) = (Bounds::default(), Faults::default());
        bounds.add(bundle::CHECKPOINT_B, cosigned(10, 10, 20_000).as_bytes(), &key, &trust, &mut faults);
        let two = cosigned(5, root_of, 10_000) + &cosigned(5, 5, 11_000);
        bounds.add(bundle::COSIGNED, two.as_bytes(), &key, &trust, &mut faults);
        let mut tree = Frontier::default();
        bounds.begin(&tree, &mut faults);
        for ((leaf, time), index) in leaves(10).into_iter().zip(times).zip(0..) {
            tree.push(leaf);
            bounds.record(Timestamp::from_secs(time), index, &mut faults);
            bounds.reach(&tree, &mut faults);
        }
        let told = faults.0.into_iter().map(|fault| format!("{} {}", fault.place, fault.what)).collect();
        (told, bounds.all(0, 10))
    }

    #[test]
    fn records_lie_between_the_signatures_around_them_give_or_take_five_minutes() {
        let early = [100, 100, 100, 100, 10_300];
        let (told, bounds) = judged([early, [9_700, 15_000, 20_000, 20_000, 20_300]].concat().try_into().unwrap(), 5);
        assert_eq!(told, [""; 0]);
        assert_eq!(bounds.len(), 2);
        assert_eq!(bounds[0], Bound { first: 0, end: 5, after: None, before: Some(10_000) });
        assert_eq!(bounds[1], Bound { first: 5, end: 10, after: Some(10_000), before: Some(20_000) });
        assert_eq!((bounds[0].width(), bounds[1].width()), (None, Some(10_000)));
    }

    #[test]
    fn a_record_that_says_an_earlier_time_than_what_was_signed_before_it_is_back_dated() {
        let (told, _) = judged([100, 100, 100, 100, 100, 200, 300, 400, 500, 600], 5);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("records.jsonl: record 5 says that it is older"), "{told:?}");
    }

    #[test]
    fn a_record_that_says_a_later_time_than_its_signature_is_found_at_its_checkpoint() {
        let (told, _) = judged([100, 100, 100, 100, 10_301, 12_000, 12_000, 12_000, 12_000, 20_301], 5);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("cosigned.notes is signed by w over 5 records"), "{told:?}");
        assert!(told[1].starts_with("checkpoint.b is signed by w over 10 records"), "{told:?}");
    }

    #[test]
    fn a_checkpoint_of_another_history_is_found() {
        let (told, _) = judged([100, 100, 100, 100, 100, 11_000, 11_000, 11_000, 11_000, 11_000], 4);
        assert_eq!(told, ["cosigned.notes has another root of the first 5 records than theirs"]);
    }
}
