//! What the record of a succession says, and which are refused.

use crate::domain::event::succession::Succession;
use crate::domain::event::{Event, Fact, Outcome};
use crate::domain::{Digest, RecordId, Timestamp};
use crate::ledger::entry::{self, Place, Writer, decode};
use crate::mask::rule::Rules;
use crate::merkle;

use super::*;

const BEFORE: &str = "bastion.example.com/sallyport/7f3a";

/// The last checkpoint of a log, its key, and a key of nobody's.
fn last() -> (Checkpoint, Key, Signer) {
    let signer = Signer::in_memory().unwrap();
    let key = Key::new(BEFORE, signer.log_key()).unwrap();
    (Checkpoint { origin: BEFORE.to_owned(), size: 42, root: Digest::of(b"tree") }, key, signer)
}

fn note(checkpoint: &Checkpoint, key: &Key, signer: &Signer) -> String {
    checkpoint.sign(key, |text| signer.sign_note(text))
}

#[track_caller]
fn record(named: Succession, seq: u64) -> Entry {
    let time = Timestamp::parse("2026-11-23T21:04:49Z").unwrap();
    let fact = Fact::new(RecordId::from_parts(time, 7), Outcome::Success, Event::LogSuccessor(named));
    let writer = Writer { node: "bastion-1".to_owned(), boot: "b3f1".repeat(8) };
    let draft = entry::encode(&fact, &writer, &Rules::standard(), || [0; entry::SALT_BYTES]).unwrap();
    decode(&draft.seal(Place { seq, time, adjusted: false })).unwrap()
}

#[test]
fn the_record_reads_back_as_the_checkpoint_that_it_names() {
    let (checkpoint, key, signer) = last();
    // A witness has signed it too.
    let note = note(&checkpoint, &key, &signer) + "\u{2014} w1.example.com/w AAAAAAAAAAAAAAAA\n";
    let named = name(note.as_bytes(), &key, 30, Some(44), 1_000_001).unwrap();
    let read = read(&record(named, 31)).unwrap().unwrap();
    assert_eq!(read, Succeeded { seq: 31, key, checkpoint, kept: 30, witnessed: Some(44) });
    assert_eq!(read.lost(), 14);
}

#[test]
fn a_checkpoint_that_the_log_before_has_not_signed_is_refused() {
    let (checkpoint, key, signer) = last();
    let good = name(note(&checkpoint, &key, &signer).as_bytes(), &key, 30, None, 1).unwrap();
    assert_eq!(
        read(&record(good.clone(), 31)),
        Some(Ok(Succeeded { seq: 31, key: key.clone(), checkpoint: checkpoint.clone(), kept: 30, witnessed: None }))
    );
    let (_, other, stranger) = last();
    let changes: [fn(&mut Succession); 4] = [
        |named| named.size += 1,
        |named| named.root = merkle::empty_root(),
        |named| named.origin = "other.example.com/log".to_owned(),
        |named| named.signature = named.signature.replace(char::is_alphanumeric, "A"),
    ];
    for change in changes {
        let mut named = good.clone();
        change(&mut named);
        let refused = read(&record(named, 31));
        assert_eq!(refused, Some(Err("names a checkpoint that the log before has not signed")));
    }
    assert!(read(&record(Succession { key: other.to_string(), ..good.clone() }, 31)).unwrap().is_err());
    assert!(read(&record(Succession { key: "none".to_owned(), ..good.clone() }, 31)).unwrap().is_err());
    assert!(read(&record(good, 29)).unwrap().is_err(), "it keeps what does not stand before it");
    assert!(name(note(&checkpoint, &other, &stranger).as_bytes(), &key, 30, None, 1).is_err());
}
