//! Bundles of evidence as an auditor gets them, and what changes do to them.

use super::*;
use crate::domain::Digest;
use crate::ledger::trust::Trust;
use crate::ledger::verify::{Belief, Report, Verdict, verify};
use crate::ledger::{checkpoint, proof, succession};

pub(super) const PERIOD: &str = "--from 2026-11-23T21:00:00Z --to 2026-11-23T21:10:00Z";

/// A session that wrote an ESC to its terminal, and what follows it within the period and behind it.
pub(super) async fn used(house: &House) -> SessionId {
    let id = house.exec(&alice(), &[(Stream::Stdout, b"built\x1b[2J"), (Stream::Stderr, b"a warning")]).await;
    house.clock.advance(Duration::from_secs(3600));
    house.run(&bob(), "sessions").await;
    house.sessions.ledger().append_one(outside(house)).await.unwrap();
    id
}

fn outside(house: &House) -> Fact {
    Fact::new(RecordId::new(house.clock.now()), Outcome::Success, Event::LogHeartbeat(Counters::default()))
}

pub(super) async fn bundle(house: &House, more: &str) -> Vec<u8> {
    let said = house.run(&audrey(), &format!("evidence export {PERIOD}{more}")).await;
    assert_eq!(said.code, 0, "{}", said.err);
    said.out
}

pub(super) async fn trust(house: &House) -> Trust {
    Trust::parse(house.run(&audrey(), "evidence trust").await.text()).unwrap()
}

pub(super) fn judge(bundle: &[u8], trust: &Trust) -> Report {
    verify(bundle, Belief::Trust(trust), &mut |_| {}).unwrap()
}

#[track_caller]
pub(super) fn faults(report: &Report) -> String {
    report.faults.iter().map(|fault| format!("{}: {}\n", fault.place, fault.what)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_bundle_is_verified_with_the_key_from_another_road_only() {
    with(async |house| {
        used(&house).await;
        let (bundle, trust) = (bundle(&house, "").await, trust(&house).await);
        let report = judge(&bundle, &trust);
        assert_eq!((report.verdict, faults(&report)), (Verdict::VerifiedUnwitnessed, String::new()));
        assert_eq!((report.recordings, report.texts, report.withheld), (1, 1, 0));
        assert_eq!((report.counts["session.start"], report.counts["recording.close"]), (1, 1));
        assert_eq!(report.range.0, 0);
        let unchecked = verify(bundle.as_slice(), Belief::Nobody, &mut |_| {}).unwrap();
        assert_eq!(unchecked.verdict, Verdict::SignerNotChecked);
        let itself = verify(bundle.as_slice(), Belief::Bundle, &mut |_| {}).unwrap();
        assert_eq!(itself.verdict, Verdict::VerifiedUnwitnessed);
        let other = crate::ledger::checkpoint::Key::new(trust.logs[0].name(), [7; 32]).unwrap();
        assert_eq!(judge(&bundle, &Trust::of(other)).verdict, Verdict::Tampered);
        let foreign = crate::ledger::checkpoint::Key::new("other.example.com/log", [7; 32]).unwrap();
        assert!(faults(&judge(&bundle, &Trust::of(foreign))).contains("does not name"));
        let asking = Trust { quorum: Some("auditors".to_owned()), ..trust };
        assert_eq!(judge(&bundle, &asking).verdict, Verdict::NoQuorum);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn two_exports_of_a_period_are_the_same_bytes_whatever_happened_between() {
    with(async |house| {
        used(&house).await;
        let one = bundle(&house, "").await;
        for _ in 0..300 {
            house.sessions.ledger().append_one(outside(&house)).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        house.exec(&bob(), &[(Stream::Stdout, b"later")]).await;
        assert!(bundle(&house, "").await == one);
        let mut exported = Vec::new();
        for index in 0..house.sessions.ledger().size() {
            let entry = decode(&house.sessions.ledger().entry(index).await.unwrap().unwrap()).unwrap();
            exported.extend(Some(entry).filter(|entry| entry.kind() == "evidence.exported"));
        }
        assert_eq!(exported.len(), 2);
        assert_eq!(exported[0].actor().text("name"), Some("audrey@example.com"));
        assert_eq!(exported[0].body().text("to"), Some("2026-11-23T21:10:00.000000Z"));
        // A period in the middle of the log begins behind what was signed before it.
        tokio::time::sleep(Duration::from_secs(30)).await;
        house.clock.advance(Duration::from_secs(3600));
        house.exec(&bob(), &[(Stream::Stdout, b"late")]).await;
        let said = house.run(&audrey(), "evidence export --from 30m").await;
        let report = judge(&said.out, &trust(&house).await);
        assert_eq!((report.verdict, faults(&report)), (Verdict::VerifiedUnwitnessed, String::new()));
        assert!(report.range.0 > 256, "{:?}", report.range);
        assert_eq!(report.counts["session.start"], 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn any_byte_that_is_changed_is_found() {
    with(async |house| {
        used(&house).await;
        let (mut bundle, trust) = (bundle(&house, "").await, trust(&house).await);
        assert_eq!(judge(&bundle, &trust).verdict, Verdict::VerifiedUnwitnessed);
        // Each is found in the same way wherever it lies: without optimisation, a part of them must do.
        let step = if cfg!(debug_assertions) { 97 } else { 1 };
        for at in (0..bundle.len()).step_by(step) {
            let bit = 1 << (at % 8);
            bundle[at] ^= bit;
            let report = judge(&bundle, &trust);
            assert!(!report.verdict.is_good() && !report.faults.is_empty(), "byte {at}");
            bundle[at] ^= bit;
        }
        for cut in (0..bundle.len()).step_by(997) {
            assert!(!judge(&bundle[..cut], &trust).verdict.is_good(), "cut at {cut}");
        }
        bundle.push(0);
        assert_eq!(judge(&bundle, &trust).verdict, Verdict::Tampered);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_log_before_counts_only_by_a_key_that_somebody_vouches_for() {
    with(async |house| {
        let signer = Signer::in_memory().unwrap();
        let key = checkpoint::Key::new("bastion.example.com/before", signer.log_key()).unwrap();
        let before = checkpoint::Checkpoint { origin: key.name().to_owned(), size: 9, root: Digest::of(b"tree") };
        let note = before.sign(&key, |text| signer.sign_note(text));
        let named = succession::name(note.as_bytes(), &key, 1, None, 1).unwrap();
        let fact = Fact::new(RecordId::new(house.clock.now()), Outcome::Success, Event::LogSuccessor(named));
        house.sessions.ledger().append_one(fact).await.unwrap();
        used(&house).await;
        let (bundle, mut trust) = (bundle(&house, "").await, trust(&house).await);
        let report = judge(&bundle, &trust);
        assert_eq!(report.verdict, Verdict::Tampered);
        assert_eq!(
            faults(&report),
            "records.jsonl: record 1: names a log before it by a key that nobody vouches for\n"
        );
        trust.logs.push(key.clone());
        let report = judge(&bundle, &trust);
        assert_eq!((report.verdict, faults(&report)), (Verdict::VerifiedUnwitnessed, String::new()));
        let found: Vec<_> = report.successions.iter().map(|one| (one.seq, &one.key, one.kept, one.lost())).collect();
        assert_eq!(found, [(1, &key, 1, 8)]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_changed_is_named() {
    with(async |house| {
        used(&house).await;
        let (bundle, trust) = (bundle(&house, "").await, trust(&house).await);
        let changed = |part: &[u8], by: &[u8]| {
            let at = bundle.windows(part.len()).position(|window| window == part).unwrap();
            let mut changed = bundle.clone();
            changed[at..at + by.len()].copy_from_slice(by);
            faults(&judge(&changed, &trust))
        };
        let record = changed(b"alice@example.com", b"malic");
        assert!(record.contains("records.jsonl: has another root than checkpoint.b"), "{record}");
        assert!(changed(b"sallyrec", b"x").contains(".cast.zst: is not the recording that record"));
        assert!(changed(b"make test", b"fake").contains("is not the text that record"));
        assert!(changed(b"How to check", b"N").contains("README.txt: is not the file that manifest.json lists"));
        assert!(changed(b"\"seq\":0", b"\"seq\":1").contains("record 0: says that it is 1"));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn without_content_a_bundle_still_shows_that_nothing_is_missing() {
    with(async |house| {
        used(&house).await;
        let (bundle, trust) = (bundle(&house, " --only-hashes").await, trust(&house).await);
        let report = judge(&bundle, &trust);
        assert_eq!(report.verdict, Verdict::VerifiedUnwitnessed);
        assert_eq!((report.withheld, report.texts, report.recordings), (report.range.1, 0, 0));
        for part in [&b"alice"[..], b"make test", b"sallyrec"] {
            assert!(!bundle.windows(part.len()).any(|window| window == part));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn any_record_is_proved_and_a_changed_one_is_not() {
    with(async |house| {
        used(&house).await;
        for _ in 0..700 {
            house.sessions.ledger().append_one(outside(&house)).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        let trust = trust(&house).await;
        for index in [0, 1, 7, 255, 256, 300, 511, 512, 640] {
            let said = house.run(&audrey(), &format!("evidence prove {index}")).await;
            assert_eq!(said.code, 0, "{index}: {}", said.err);
            let proved = proof::check(said.text(), &trust).unwrap();
            assert_eq!(proved.entry.seq(), index);
            let id = proved.entry.id();
            let by_id = house.run(&audrey(), &format!("evidence prove {id}")).await;
            assert_eq!(proof::check(by_id.text(), &trust).unwrap().entry.seq(), index);
        }
        let text = house.run(&audrey(), "evidence prove 5").await.text().to_owned();
        let begin = text.lines().take_while(|line| line.starts_with('#')).map(|line| line.len() + 1).sum::<usize>();
        for at in begin..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] ^= 1;
            if let Ok(changed) = String::from_utf8(changed) {
                assert!(proof::check(&changed, &trust).is_err(), "byte {at}");
            }
        }
        assert_eq!(house.run(&audrey(), "evidence prove 100000").await.code, 1);
        assert_eq!(house.run(&alice(), "evidence prove 5").await.code, 4);
        assert_eq!(house.run(&audrey(), "evidence prove x").await.code, 2);
    })
    .await;
}

#[tokio::test]
async fn evidence_is_for_those_whom_policy_lets_audit() {
    with(async |house| {
        let said = house.run(&alice(), &format!("evidence export {PERIOD}")).await;
        assert_eq!((said.code, said.out.len()), (4, 0));
        assert!(said.err.contains("no rule lets you audit"), "{}", said.err);
        let size = TerminalSize { cols: 80, rows: 24 };
        let line = format!("evidence export {PERIOD}");
        assert_eq!(house.talk(&audrey(), Some(&line), Some(size), Vec::new()).await.code, 2);
        assert_eq!(house.run(&audrey(), "evidence export --from 1h --to 2h").await.code, 2);
        assert!(house.entries().await.iter().all(|entry| entry.kind() != "evidence.exported"));
    })
    .await;
}
