//! The fault table: every durable step of a scripted run, lost, kept but reported lost, or torn; then a restart.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::store::memory::Fault;

/// What the world saw of a run: it must be true for ever.
#[derive(Default)]
struct Seen {
    receipts: BTreeMap<u64, Digest>,
    /// Texts by their entry.
    texts: BTreeMap<u64, &'static str>,
    checkpoints: BTreeSet<Bytes>,
}

impl Seen {
    fn receipts(&mut self, receipts: Result<Vec<Receipt>, Error>) -> Option<u64> {
        let receipts = receipts.ok()?;
        self.receipts.extend(receipts.iter().map(|receipt| (receipt.index, receipt.leaf)));
        receipts.last().map(|receipt| receipt.index)
    }

    async fn command(&mut self, place: &Place, ledger: &Ledger, command: &'static str) {
        let appended = ledger.append(vec![place.fact(), place.command(command)]).await;
        if let Some(index) = self.receipts(appended) {
            self.texts.insert(index, command);
        }
    }

    async fn checkpoints(&mut self, place: &Place) {
        self.checkpoints.extend(place.file(CHECKPOINT).await);
        self.checkpoints.extend(place.outside.files().read("last").await.unwrap());
    }
}

/// A start, appends with texts, a checkpoint within a bundle, one that finishes it, and a stop. What fails, fails.
async fn run(place: &Place) -> Seen {
    let mut seen = Seen::default();
    seen.checkpoints(place).await;
    let Ok((ledger, sequencer)) = place.open().await else { return seen };
    let (stop, stopping) = oneshot::channel();
    let done = Drain::new().spawn(sequencer.run(stopping));
    seen.command(place, &ledger, "uptime").await;
    tokio::time::sleep(SIGNED).await;
    seen.checkpoints(place).await;
    seen.receipts(ledger.append((0..6).map(|_| place.fact()).collect()).await);
    seen.command(place, &ledger, "systemctl restart").await;
    tokio::time::sleep(SIGNED).await;
    seen.checkpoints(place).await;
    seen.receipts(ledger.append(vec![place.fact()]).await);
    let _ = stop.send(true);
    let _ = done.await.unwrap();
    seen.checkpoints(place).await;
    seen
}

/// After everything that was seen, a good log holds it all.
async fn holds(place: &Place, seen: &Seen, case: &str) {
    let (ledger, _sequencer) = place.open().await.unwrap();
    let entries = all(&ledger).await;
    for (index, leaf) in &seen.receipts {
        let found = entries.get(usize::try_from(*index).unwrap()).map(Entry::leaf);
        assert_eq!(found, Some(*leaf), "{case}: entry {index}");
    }
    for (index, text) in &seen.texts {
        let (hash, _) = entries[usize::try_from(*index).unwrap()].body().payload("command").unwrap();
        assert_eq!(ledger.payload(&hash).await.unwrap(), Some(Bytes::from_static(text.as_bytes())), "{case}");
    }
    for note in &seen.checkpoints {
        let checkpoint = checkpoint::open(note, &place.key()).unwrap();
        let signed = entries.get(..usize::try_from(checkpoint.size).unwrap());
        // All of them roots of beginnings of one log: so no two contradict each other.
        assert_eq!(signed.map(root), Some(checkpoint.root), "{case}: checkpoint of {}", checkpoint.size);
    }
    let report = place.verify().await;
    assert_eq!(report.faults, [""; 0], "{case}");
}

#[tokio::test(start_paused = true)]
async fn whatever_step_fails_nothing_that_was_seen_is_lost_or_contradicted() {
    let base = Place::new();
    base.used(244).await;
    let on_one_disk = || {
        let copy = base.copy();
        Place { outside: copy.disk.clone(), ..copy }
    };
    let whole = on_one_disk();
    let seen = run(&whole).await;
    holds(&whole, &seen, "no fault").await;
    let steps = whole.disk.faults().steps();
    assert_eq!((seen.receipts.len(), seen.texts.len(), seen.checkpoints.len()), (11, 2, 4));
    assert!(steps > 20, "{steps}");
    for fault in [Fault::Lost, Fault::KeptButReportedLost, Fault::Torn] {
        for step in 1..=steps {
            let case = format!("{fault:?} at step {step}");
            let place = on_one_disk();
            place.disk.faults().crash_at(step, fault);
            let mut seen = run(&place).await;
            place.disk.faults().mend();
            seen.checkpoints(&place).await;
            holds(&place, &seen, &case).await;
            place.used(3).await;
            seen.checkpoints(&place).await;
            holds(&place, &seen, &case).await;
            for size in 246..256 {
                for name in [format!("tile/0/000.p/{size}"), format!("tile/entries/000.p/{size}")] {
                    let whole = place.checkpoint().await.unwrap().size >= 256;
                    assert!(!whole || place.file(&name).await.is_none(), "{case}: {name} is left");
                }
            }
        }
    }
}
