//! When checkpoints are signed, what they commit to, and what they leave on the disk.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_checkpoint_follows_a_receipt_within_ten_seconds() {
    let place = Place::new();
    let running = place.start().await;
    for wait_ms in [0, 3_000, 9_500, 14_999] {
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        let receipt = running.ledger.append_one(place.fact()).await.unwrap();
        tokio::time::sleep(SIGNED).await;
        let checkpoint = place.checkpoint().await.unwrap();
        assert!(checkpoint.size > receipt.index);
        assert_eq!(checkpoint.size, running.ledger.checkpoint_size());
        let entries = all(&running.ledger).await;
        assert_eq!(checkpoint.root, root(&entries[..usize::try_from(checkpoint.size).unwrap()]));
        assert_eq!(running.ledger.checkpoint().await.unwrap(), place.outside.files().read("last").await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_appended_while_a_checkpoint_is_written_waits_for_nothing() {
    let place = Place::new();
    let running = place.start().await;
    running.ledger.append_one(place.fact()).await.unwrap();
    // The checkpoint is stored and hangs on its way out of the folder.
    place.outside.faults().stall();
    tokio::time::sleep(SIGNED).await;
    assert_eq!(place.checkpoint().await.unwrap().size, 2);
    assert_eq!(running.ledger.checkpoint_size(), 0);
    let receipt = running.ledger.append_one(place.fact()).await.unwrap();
    tokio::time::sleep(SIGNED).await;
    place.outside.faults().mend();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(running.ledger.checkpoint_size() > receipt.index, "its ten seconds had passed meanwhile");
}

#[tokio::test]
async fn the_last_checkpoint_covers_the_whole_log() {
    let place = Place::new();
    place.used(3).await;
    assert_eq!(place.checkpoint().await.unwrap().size, 5);
    let report = place.verify().await;
    assert_eq!((report.signed, report.unsigned, report.torn_bytes, report.faults), (5, 0, 0, Vec::<String>::new()));
}

#[tokio::test(start_paused = true)]
async fn partial_tiles_go_once_their_tile_is_whole_and_signed() {
    let place = Place::new();
    let running = place.start().await;
    let partial = ["tile/0/000.p/9", "tile/entries/000.p/9"];
    running.ledger.append((0..8).map(|_| place.fact()).collect()).await.unwrap();
    tokio::time::sleep(SIGNED).await;
    running.ledger.append((0..290).map(|_| place.fact()).collect()).await.unwrap();
    for name in partial {
        assert!(place.file(name).await.is_some(), "{name}");
    }
    tokio::time::sleep(SIGNED).await;
    for name in partial {
        assert!(place.file(name).await.is_none(), "{name}");
    }
    for name in ["tile/0/000", "tile/entries/000", "tile/0/001.p/43", "tile/entries/001.p/43", "tile/1/000.p/1"] {
        assert!(place.file(name).await.is_some(), "{name}");
    }
    let records = tail::decode(&place.file(tail::NAME).await.unwrap(), 299).records;
    assert_eq!(records.first().map(|(index, _)| *index), Some(256), "the tail begins behind the full bundle");
    assert!(place.verify().await.is_good());
}
