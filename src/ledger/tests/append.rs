//! What an append promises, and what the log says of itself.

use super::*;
use crate::store::memory::Fault;

#[tokio::test]
async fn receipts_come_in_order_and_name_what_is_read_back() {
    let place = Place::new();
    let running = place.start().await;
    let facts = vec![place.fact(), place.command("uptime"), place.fact()];
    let ids: Vec<_> = facts.iter().map(|fact| fact.id).collect();
    let receipts = running.ledger.append(facts).await.unwrap();
    assert_eq!(receipts.iter().map(|receipt| receipt.index).collect::<Vec<_>>(), [1, 2, 3]);
    for (receipt, id) in receipts.iter().zip(ids) {
        let entry = decode(&running.ledger.entry(receipt.index).await.unwrap().unwrap()).unwrap();
        assert_eq!((entry.seq(), entry.leaf(), entry.time()), (receipt.index, receipt.leaf, receipt.time));
        assert_eq!(entry.id(), id);
    }
    assert_eq!(running.ledger.size(), 4);
    assert_eq!(running.ledger.entry(4).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn entries_are_read_across_full_bundles_and_what_is_recent() {
    let place = Place::new();
    let running = place.start().await;
    running.ledger.append((0..600).map(|_| place.fact()).collect()).await.unwrap();
    let before = all(&running.ledger).await;
    tokio::time::sleep(SIGNED).await;
    assert_eq!(running.ledger.checkpoint_size(), 601);
    running.ledger.append((0..9).map(|_| place.fact()).collect()).await.unwrap();
    let after = all(&running.ledger).await;
    assert_eq!(after.len(), 610);
    assert!(after.iter().zip(0..).all(|(entry, index)| entry.seq() == index));
    assert!(before.iter().zip(&after).all(|(before, after)| before.bytes() == after.bytes()));
    assert_eq!(running.ledger.entries(250, 10).await.unwrap().len(), 6, "fewer at the end of a bundle");
    assert_eq!(running.ledger.entries(600, 3).await.unwrap().len(), 3);
    assert_eq!(running.ledger.entries(610, 3).await.unwrap().len(), 0);
}

#[tokio::test]
async fn many_at_once_all_get_entries_of_their_own() {
    let place = Place::new();
    let running = place.start().await;
    let drain = Drain::new();
    let appenders: Vec<_> = (0..64)
        .map(|n| {
            let (ledger, facts) = (running.ledger.clone(), vec![place.fact(), place.command(&format!("echo {n}"))]);
            drain.spawn(async move {
                let ids: Vec<_> = facts.iter().map(|fact| fact.id).collect();
                (ids, ledger.append(facts).await.unwrap())
            })
        })
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    for appender in appenders {
        let (ids, receipts) = appender.await.unwrap();
        assert_eq!(receipts[1].index, receipts[0].index + 1, "the facts of one append stand together");
        for (receipt, id) in receipts.iter().zip(ids) {
            let entry = decode(&running.ledger.entry(receipt.index).await.unwrap().unwrap()).unwrap();
            assert_eq!((entry.id(), entry.leaf()), (id, receipt.leaf));
            assert!(seen.insert(receipt.index));
        }
    }
    assert_eq!(seen, (1..=128).collect());
}

#[tokio::test]
async fn what_queues_while_one_sync_runs_shares_the_next() {
    let place = Place::new();
    let running = place.start().await;
    running.ledger.append_one(place.fact()).await.unwrap();
    place.disk.faults().stall();
    let mut pending = vec![running.ledger.submit(vec![place.fact()]).await.unwrap()];
    tokio::task::yield_now().await;
    for _ in 0..63 {
        pending.push(running.ledger.submit(vec![place.fact()]).await.unwrap());
    }
    let before = place.disk.faults().steps();
    place.disk.faults().mend();
    for (pending, index) in pending.into_iter().zip(2..) {
        assert_eq!(pending.receipts().await.unwrap()[0].index, index);
    }
    assert_eq!(place.disk.faults().steps() - before, 2);
}

#[tokio::test]
async fn no_receipt_comes_before_the_sync() {
    let place = Place::new();
    let running = place.start().await;
    running.ledger.append_one(place.fact()).await.unwrap();
    place.disk.faults().stall();
    let mut append = std::pin::pin!(running.ledger.append_one(place.fact()));
    for _ in 0..9 {
        assert!(once(append.as_mut()).await.is_none());
    }
    assert_eq!(running.ledger.size(), 2, "readers do not see it either");
    place.disk.faults().mend();
    assert_eq!(append.await.unwrap().index, 2);
}

/// Polls once, after everybody else had a turn.
async fn once<F: Future>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    tokio::task::yield_now().await;
    tokio::select! { biased; output = future => Some(output), () = std::future::ready(()) => None }
}

#[tokio::test]
async fn a_log_begins_with_start_and_ends_with_stop() {
    for drained in [true, false] {
        let place = Place::new();
        let running = place.start().await;
        running.ledger.append_one(place.fact()).await.unwrap();
        running.stop.send(drained).unwrap();
        running.done.await.unwrap().unwrap();
        let entries = all(&running.ledger).await;
        assert_eq!(kinds(&entries), ["log.start", "upstream.close", "log.stop"]);
        assert_eq!(entries[0].body().text("origin"), Some(ORIGIN));
        assert_eq!(entries[2].body().flag("drained"), Some(drained));
        assert!(matches!(running.ledger.append_one(place.fact()).await, Err(Error::Stopped)));
    }
}

#[tokio::test]
async fn what_was_queued_before_the_stop_is_in_the_log() {
    let place = Place::new();
    let running = place.start().await;
    let mut pending = Vec::new();
    for _ in 0..9 {
        pending.push(running.ledger.submit(vec![place.fact()]).await.unwrap());
    }
    let ledger = running.ledger.clone();
    running.stop().await.unwrap();
    for (pending, index) in pending.into_iter().zip(1..) {
        assert_eq!(pending.receipts().await.unwrap()[0].index, index);
    }
    assert_eq!(kinds(&all(&ledger).await).last(), Some(&"log.stop"));
}

#[tokio::test]
async fn a_log_that_nobody_can_write_to_any_more_stops() {
    let place = Place::new();
    let Running { ledger, stop: _stop, done } = place.start().await;
    drop(ledger);
    done.await.unwrap().unwrap();
    let (ledger, _sequencer) = place.open().await.unwrap();
    assert_eq!(kinds(&all(&ledger).await), ["log.start", "log.stop"]);
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_comes_every_minute_with_what_others_count() {
    let place = Place::new();
    let running = place.start().await;
    running.ledger.counters().sessions.store(3, std::sync::atomic::Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(181)).await;
    let entries = all(&running.ledger).await;
    assert_eq!(kinds(&entries), ["log.start", "log.heartbeat", "log.heartbeat", "log.heartbeat"]);
    assert_eq!(entries[1].body().number("sessions"), Some(3));
    assert_eq!(entries[1].body().number("checkpoint"), Some(1));
}

#[tokio::test]
async fn time_never_goes_backwards_and_the_log_says_that_the_clock_did() {
    let place = Place::new();
    let running = place.start().await;
    let (early, late) = (place.clock.now().minus(Duration::from_secs(3600)), place.clock.now());
    running.ledger.append_one(place.fact()).await.unwrap();
    place.clock.set(early);
    let receipts = running.ledger.append(vec![place.fact(), place.fact()]).await.unwrap();
    assert_eq!(receipts[0].index, 3, "the receipt is the caller's, not that of the step");
    running.ledger.append_one(place.fact()).await.unwrap();
    place.clock.set(late.plus(Duration::from_secs(1)));
    running.ledger.append_one(place.fact()).await.unwrap();
    place.clock.set(early);
    running.ledger.append_one(place.fact()).await.unwrap();
    let entries = all(&running.ledger).await;
    let close = "upstream.close";
    let expected = ["log.start", close, "clock.step", close, close, close, close, "clock.step", close];
    assert_eq!(kinds(&entries), expected);
    assert_eq!(entries[2].body().time("old"), Some(late));
    assert_eq!(entries[2].body().time("new"), Some(early));
    assert!(entries.windows(2).all(|pair| pair[0].time() <= pair[1].time()));
    assert_eq!(entries[4].time(), late.plus(Duration::from_micros(3)));
    let adjusted: Vec<_> = entries.iter().map(Entry::adjusted).collect();
    assert_eq!(adjusted, [false, false, true, true, true, true, false, true, true]);
}

#[tokio::test]
async fn a_text_never_stands_in_an_entry_and_opens_by_its_hash() {
    let place = Place::new();
    let running = place.start().await;
    let command = "open the secret drawer";
    let twice = vec![place.command(command), place.command(command)];
    let receipts = running.ledger.append(twice).await.unwrap();
    let mut hashes = Vec::new();
    for receipt in receipts {
        let entry = decode(&running.ledger.entry(receipt.index).await.unwrap().unwrap()).unwrap();
        assert!(!String::from_utf8_lossy(entry.bytes()).contains("secret"));
        let (hash, len) = entry.body().payload("command").unwrap();
        assert_eq!(len, command.len() as u64);
        assert_eq!(running.ledger.payload(&hash).await.unwrap(), Some(Bytes::from_static(command.as_bytes())));
        hashes.push(hash);
    }
    assert_ne!(hashes[0], hashes[1], "each has a salt of its own");
    assert_eq!(running.ledger.payload(&Digest::of(command.as_bytes())).await.unwrap(), None);
    assert!(!String::from_utf8_lossy(&place.file(tail::NAME).await.unwrap()).contains("secret"));
}

#[tokio::test]
async fn a_fact_that_is_too_long_is_refused_with_its_step_and_the_log_goes_on() {
    let place = Place::new();
    let running = place.start().await;
    running.ledger.append_one(place.fact()).await.unwrap();
    let mut long = place.fact();
    long.event = Event::ChannelShell { term: Some("x".repeat(entry::MAX_BYTES)) };
    let refused = running.ledger.append(vec![place.fact(), long]).await.unwrap_err();
    assert!(matches!(refused, Error::Entry(cause) if matches!(*cause, entry::Error::TooLong { .. })));
    assert_eq!(running.ledger.append_one(place.fact()).await.unwrap().index, 2);
}

#[tokio::test]
async fn after_a_write_that_failed_nothing_is_appended() {
    for fault in [Fault::Lost, Fault::KeptButReportedLost, Fault::Torn, Fault::Broken, Fault::Full] {
        let place = Place::new();
        let running = place.start().await;
        running.ledger.append_one(place.fact()).await.unwrap();
        place.disk.faults().at(1, fault);
        assert!(matches!(running.ledger.append_one(place.fact()).await, Err(Error::Store(_))), "{fault:?}");
        assert!(matches!(running.ledger.append_one(place.fact()).await, Err(Error::Stopped)), "{fault:?}");
        assert!(matches!(running.stop().await, Err(Error::Store(_))), "{fault:?}");
    }
}

#[tokio::test]
async fn without_its_text_no_fact_is_acknowledged_and_the_log_goes_on() {
    let place = Place::new();
    let running = place.start().await;
    running.ledger.append_one(place.fact()).await.unwrap();
    // The text is put before the sequencer has its turn.
    place.disk.faults().at(1, Fault::Lost);
    assert!(matches!(running.ledger.append_one(place.command("uptime")).await, Err(Error::Store(_))));
    assert_eq!(running.ledger.append_one(place.fact()).await.unwrap().index, 3);
}
