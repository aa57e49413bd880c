//! What a start finds, goes on with, cuts off or refuses.

use bytes::BytesMut;

use super::*;
use crate::ledger::entry::Writer;
use crate::ledger::tiles::Edge;
use crate::mask::rule::Rules;

#[tokio::test]
async fn a_restart_goes_on_where_the_log_stopped() {
    let place = Place::new();
    for entries in [0, 3, 246, 300, 700] {
        place.used(entries).await;
        let (ledger, _sequencer) = place.open().await.unwrap();
        let entries = all(&ledger).await;
        assert!(entries.iter().zip(0..).all(|(entry, index)| entry.seq() == index));
        assert_eq!(place.checkpoint().await.unwrap().root, root(&entries));
        assert_eq!(place.verify().await.faults, [""; 0]);
    }
    let (ledger, _sequencer) = place.open().await.unwrap();
    let entries = all(&ledger).await;
    let starts: Vec<_> = entries.iter().filter(|entry| entry.kind() == "log.start").map(Entry::boot).collect();
    assert_eq!(starts.len(), 5);
    assert_eq!(std::collections::BTreeSet::from_iter(&starts).len(), 5, "each start has a boot of its own");
}

#[tokio::test]
async fn what_was_never_signed_is_there_after_a_restart_and_is_signed_then() {
    let place = Place::new();
    let running = place.start().await;
    let receipts = running.ledger.append((0..300).map(|_| place.fact()).collect()).await.unwrap();
    running.done.abort();
    assert_eq!(place.checkpoint().await, None);
    let report = place.verify().await;
    assert_eq!((report.unsigned, report.is_good()), (301, true));
    place.used(1).await;
    let (ledger, _sequencer) = place.open().await.unwrap();
    for receipt in receipts {
        assert_eq!(merkle::leaf_hash(&ledger.entry(receipt.index).await.unwrap().unwrap()), receipt.leaf);
    }
    assert_eq!(place.checkpoint().await.unwrap().size, 304);
    assert!(place.verify().await.is_good());
}

#[tokio::test]
async fn a_log_grows_past_a_full_tile_of_the_second_level() {
    const BEFORE: u64 = 65_530;
    let place = Place::new();
    let writer = Writer { node: "bastion-1".to_owned(), boot: "b3f1".repeat(8) };
    let draft = entry::encode(&place.fact(), &writer, &Rules::standard(), salt).unwrap();
    let mut edge = Edge::default();
    let mut leaves = Vec::new();
    for seq in 0..BEFORE {
        let bytes = draft.seal(entry::Place { seq, time: place.clock.now(), adjusted: false });
        leaves.push(merkle::leaf_hash(&bytes));
        edge.push(bytes.clone(), merkle::leaf_hash(&bytes));
    }
    for (name, bytes) in edge.take() {
        place.disk.files().replace(&name, bytes).await.unwrap();
    }
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: BEFORE, root: edge.frontier().root() };
    let note = checkpoint.sign(&place.key(), |text| place.signer.sign_note(text));
    place.disk.files().replace(CHECKPOINT, note.into()).await.unwrap();

    for entries in [0, 20, 300] {
        place.used(entries).await;
        let (ledger, _sequencer) = place.open().await.unwrap();
        let mut from = leaves.len() as u64;
        while let Some(bytes) = ledger.entry(from).await.unwrap() {
            leaves.push(merkle::leaf_hash(&bytes));
            from += 1;
        }
        let checkpoint = place.checkpoint().await.unwrap();
        assert_eq!((checkpoint.size, checkpoint.root), (from, merkle::root(&leaves)));
    }
    assert_eq!(leaves.len(), 65_530 + 320 + 6);
    assert!(place.file("tile/1/000").await.is_some());
    assert!(place.file("tile/2/000.p/1").await.is_some());
    for outgrown in ["tile/1/000.p/255", "tile/0/255.p/250", "tile/entries/255.p/250"] {
        assert!(place.file(outgrown).await.is_none(), "{outgrown}");
    }
}

#[tokio::test]
async fn a_torn_end_of_the_tail_is_cut_off() {
    let place = Place::new();
    let running = place.start().await;
    running.ledger.append_one(place.fact()).await.unwrap();
    running.done.abort();
    let whole = place.file(tail::NAME).await.unwrap();
    let mut more = BytesMut::new();
    tail::encode(2, 2, b"{}", &mut more);
    place.disk.files().append(tail::NAME, more.freeze().slice(..21)).await.unwrap();
    assert_eq!((place.verify().await.torn_bytes, place.verify().await.is_good()), (21, true));
    let (ledger, _sequencer) = place.open().await.unwrap();
    assert_eq!(ledger.size(), 2);
    assert_eq!(place.file(tail::NAME).await.unwrap(), whole);
}

#[tokio::test]
async fn damage_before_what_was_acknowledged_is_refused_and_kept_as_it_is() {
    let place = Place::new();
    let running = place.start().await;
    for _ in 0..3 {
        running.ledger.append_one(place.fact()).await.unwrap();
    }
    running.done.abort();
    let mut spoilt = place.file(tail::NAME).await.unwrap().to_vec();
    spoilt[60] ^= 1;
    place.disk.files().replace(tail::NAME, spoilt.clone().into()).await.unwrap();
    assert!(matches!(place.refusal().await, Error::Damaged(what) if what.starts_with("entry 0 of the tail")));
    assert_eq!(place.file(tail::NAME).await.unwrap(), spoilt);
}

#[tokio::test]
async fn time_goes_on_after_a_restart_with_a_clock_that_reads_earlier() {
    let place = Place::new();
    place.used(0).await;
    place.clock.set(place.clock.now().minus(Duration::from_secs(60)));
    place.used(0).await;
    let (ledger, _sequencer) = place.open().await.unwrap();
    let entries = all(&ledger).await;
    assert_eq!(kinds(&entries), ["log.start", "log.stop", "clock.step", "log.start", "log.stop"]);
    assert!(entries.windows(2).all(|pair| pair[0].time() <= pair[1].time()));
}

#[tokio::test]
async fn a_log_shorter_than_the_checkpoint_outside_is_refused_as_restored() {
    let place = Place::new();
    place.used(3).await;
    let backup = place.disk.copy();
    place.used(300).await;
    let restored = Place { disk: backup, ..place };
    assert!(matches!(restored.refusal().await, Error::Restored { found: 5, signed: 307 }));
}

#[tokio::test]
async fn a_log_that_went_on_from_an_older_copy_is_refused() {
    let place = Place::new();
    place.used(3).await;
    let mut other = place.copy();
    place.used(300).await;
    // As long, longer, and longer by a full bundle than what was signed outside.
    for more in [300, 1, 300] {
        other.used(more).await;
        let outside = std::mem::replace(&mut other.outside, place.outside.clone());
        assert!(matches!(other.refusal().await, Error::Damaged(_)));
        other.outside = outside;
    }
    // While one that only grew is not.
    let older = place.outside.copy();
    place.used(300).await;
    Place { outside: older, ..place }.open().await.unwrap();
}

#[tokio::test]
async fn a_log_that_another_key_signed_is_refused() {
    let place = Place::new();
    place.used(3).await;
    let other = Place { signer: Signer::in_memory().unwrap(), ..place.copy() };
    let refusal = other.refusal().await;
    assert!(matches!(refusal, Error::Checkpoint(cause) if matches!(*cause, checkpoint::Error::Unsigned { .. })));
    assert!(!verify_log(&place.disk.files(), &other.key()).await.unwrap().is_good());
}

#[tokio::test]
async fn a_log_without_a_part_of_its_edge_is_refused_by_name() {
    for folder in ["tile/0/001.p", "tile/1/000.p", "tile/entries/001.p"] {
        let place = Place::new();
        place.used(300).await;
        place.disk.files().remove_folder(folder).await.unwrap();
        assert!(matches!(place.refusal().await, Error::Damaged(what) if what.starts_with(folder)), "{folder}");
    }
}
