//! Timestamps in a bundle, and tokens that are over something else.

use super::evidence::{bundle, faults, judge, trust, used};
use super::*;
use crate::domain::Digest;
use crate::domain::event::anchored::{Anchored, Token};
use crate::ledger::stamp::{Nonce, tests::answer};
use crate::ledger::verify::Verdict;

const TIME: &str = "2026-11-23T21:04:50Z";
const DER_TIME: &[u8] = b"20261123210450Z";

/// A record of a stamp over the newest checkpoint, with what `change` makes of it, in a bundle that is judged.
async fn stamped(change: impl FnOnce(&mut Anchored) + Send + 'static) -> (Verdict, String, Vec<(u64, bool)>) {
    let (sender, mut judged) = tokio::sync::mpsc::channel(1);
    with(async move |house| {
        house.run(&bob(), "sessions").await;
        house.sessions.ledger().append_one(beat(&house)).await.unwrap();
        tokio::time::sleep(Duration::from_secs(15)).await;
        let kept = house.sessions.ledger().newest().await.unwrap().unwrap();
        let token = Token {
            answer: answer(0, &Digest::of(&kept.note), Nonce::of(7), DER_TIME),
            note: kept.note.to_vec(),
            time: Timestamp::parse(TIME).unwrap(),
        };
        let (size, root) = (kept.checkpoint.size, kept.checkpoint.root);
        let mut anchored = Anchored { authority: "tsa.example.com".into(), size, root, came: Ok(token) };
        change(&mut anchored);
        let fact = Fact::new(RecordId::new(house.clock.now()), Outcome::Success, Event::Anchored(anchored));
        house.sessions.ledger().append_one(fact).await.unwrap();
        used(&house).await;
        let report = judge(&bundle(&house, "").await, &trust(&house).await);
        let stamps = report.stamps.iter().map(|one| (one.size, one.is_compared)).collect();
        sender.send((report.verdict, faults(&report), stamps)).await.unwrap();
    })
    .await;
    judged.recv().await.unwrap()
}

fn beat(house: &House) -> Fact {
    Fact::new(RecordId::new(house.clock.now()), Outcome::Success, Event::LogHeartbeat(Counters::default()))
}

fn token(anchored: &mut Anchored) -> &mut Token {
    anchored.came.as_mut().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_stamp_over_the_checkpoint_that_its_record_names_is_reported() {
    let (verdict, faults, stamps) = stamped(|_| {}).await;
    assert_eq!((verdict, faults.as_str()), (Verdict::VerifiedUnwitnessed, ""));
    assert!(stamps.len() == 1 && stamps[0].0 > 0 && stamps[0].1, "{stamps:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stamp_over_anything_else_is_a_fault() {
    let check = async |change: fn(&mut Anchored), said: &str| {
        let (verdict, faults, stamps) = stamped(change).await;
        assert_eq!((verdict, stamps.len()), (Verdict::Tampered, 0), "{said}: {faults}");
        assert!(faults.contains(said), "{said}: {faults}");
    };
    let other = |anchored: &mut Anchored| {
        token(anchored).answer = answer(0, &Digest::of(b"another"), Nonce::of(7), DER_TIME);
    };
    check(other, "is not over the checkpoint").await;
    check(|anchored| token(anchored).answer = b"a token".to_vec(), "is no token").await;
    check(|anchored| token(anchored).time = Timestamp::parse("2026-11-23T21:04:51Z").unwrap(), "another time").await;
    let unsigned = |anchored: &mut Anchored| {
        let token = token(anchored);
        // The last character before the padding of the signature.
        let at = token.note.len() - 8;
        token.note[at] = if token.note[at] == b'A' { b'B' } else { b'A' };
        token.answer = answer(0, &Digest::of(&token.note), Nonce::of(7), DER_TIME);
    };
    check(unsigned, "is stamped, as record").await;
    check(|anchored| anchored.size -= 1, "is not the checkpoint that record").await;
}

/// Whoever rewrites a log cannot have what was stamped of the one before.
#[tokio::test(start_paused = true)]
async fn a_stamped_root_that_is_not_that_of_the_records_is_a_fault() {
    let (verdict, faults, _) = stamped(|anchored| anchored.root = Digest::of(b"another tree")).await;
    assert_eq!(verdict, Verdict::Tampered);
    assert!(faults.contains("names a stamped root of the first"), "{faults}");
}
