//! A witness against a log that grows, that lies, and that asks twice at once.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

use super::*;
use crate::domain::Timestamp;
use crate::store::memory::{Fault, Memory};

const ORIGIN: &str = "bastion.example.com/sallyport/7f3a";

/// A log of leaves that are its own numbers.
struct Log {
    pair: Ed25519KeyPair,
    leaves: Vec<Digest>,
}

impl Log {
    fn new(seed: u8, leaves: u64) -> Self {
        let leaf = |number: u64| merkle::leaf_hash(format!("{seed}-{number}").as_bytes());
        Self { pair: Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap(), leaves: (0..leaves).map(leaf).collect() }
    }

    fn key(&self) -> Key {
        Key::new(ORIGIN, self.pair.public_key().as_ref().try_into().unwrap()).unwrap()
    }

    fn note(&self, size: usize) -> String {
        let root = merkle::root(&self.leaves[..size]);
        let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: size as u64, root };
        checkpoint.sign(&self.key(), |text| self.pair.sign(text).as_ref().try_into().unwrap())
    }

    fn request(&self, old: usize, size: usize) -> Bytes {
        let hash = |span: merkle::Span| {
            let peaks: Vec<_> = span
                .nodes()
                .into_iter()
                .map(|node| {
                    let (first, count) = ((node.index << node.level) as usize, 1 << node.level);
                    merkle::root(&self.leaves[first..first + count])
                })
                .collect();
            format!("{}\n", BASE64_STANDARD.encode(merkle::fold(&peaks).0))
        };
        let proof: String = merkle::consistency(old as u64, size as u64).unwrap().into_iter().map(hash).collect();
        format!("old {old}\n{proof}\n{}", self.note(size)).into()
    }
}

struct Role {
    memory: Memory,
    signer: WitnessSigner,
    clock: Clock,
}

impl Role {
    fn new() -> Self {
        let clock = Clock::manual(Timestamp::from_secs(1_795_467_889));
        Self { memory: Memory::new(), signer: WitnessSigner::in_memory().unwrap(), clock }
    }

    async fn with(&self, log: &Log, test: impl AsyncFnOnce(Desk)) {
        let (signer, files) = (self.signer.clone(), self.memory.files());
        let (desk, keeper) = new("w.example", vec![log.key()], signer, files, self.clock.clone()).unwrap();
        tokio::join!(test(desk), keeper.run()).1.unwrap_or_default();
    }

    fn key(&self) -> Witness {
        Witness::new("w.example", self.signer.public()).unwrap()
    }
}

#[tokio::test]
async fn a_log_that_only_grows_is_signed_each_time() {
    let (role, log) = (Role::new(), Log::new(1, 300));
    role.with(&log, async |desk| {
        let mut old = 0;
        for size in [0, 1, 1, 2, 7, 8, 255, 256, 300] {
            let Answer::Signed(lines) = desk.add_checkpoint(log.request(old, size)).await else {
                panic!("{old} {size}")
            };
            let note = format!("{}{lines}", log.note(size));
            assert_eq!(role.key().cosigned(note.as_bytes()), Ok(Some(1_795_467_889)));
            old = size;
        }
    })
    .await;
}

#[tokio::test]
async fn a_log_that_lies_is_not_signed_and_changes_nothing() {
    let (role, log, other) = (Role::new(), Log::new(1, 300), Log::new(2, 300));
    role.with(&log, async |desk| {
        let ask = async |body: Bytes| desk.add_checkpoint(body).await;
        assert!(matches!(ask(log.request(0, 100)).await, Answer::Signed(_)));
        let text = |body: Bytes| String::from_utf8(body.to_vec()).unwrap();
        assert_eq!(ask(log.request(0, 200)).await, Answer::Size(100));
        assert_eq!(ask(log.request(50, 200)).await, Answer::Size(100));
        assert_eq!(ask(log.request(0, 50)).await, Answer::Size(100));
        assert_eq!(ask(other.request(100, 100)).await, Answer::Forked);
        assert_eq!(ask(other.request(100, 200)).await, Answer::Unproved);
        let without = format!("old 100\n\n{}", log.note(200));
        assert_eq!(ask(without.into()).await, Answer::Unproved);
        let more =
            text(log.request(100, 200)).replacen("\n\n", &format!("\n{}\n\n", BASE64_STANDARD.encode([0; 32])), 1);
        assert_eq!(ask(more.into()).await, Answer::Unproved);
        let backwards = format!("old 100\n\n{}", log.note(50));
        assert_eq!(ask(backwards.into()).await, Answer::Malformed);
        let forged = text(log.request(100, 200)).replace(&log.note(200), &log.note(200).replace("\n200\n", "\n201\n"));
        assert_eq!(ask(forged.into()).await, Answer::Unsigned);
        let unknown = text(log.request(100, 200)).replace(ORIGIN, "other.example/log");
        assert_eq!(ask(unknown.into()).await, Answer::Unknown);
        assert!(matches!(ask(log.request(100, 200)).await, Answer::Signed(_)));
    })
    .await;
}

#[tokio::test]
async fn what_is_no_request_is_told_so() {
    let (role, log) = (Role::new(), Log::new(1, 8));
    role.with(&log, async |desk| {
        let note = log.note(8);
        let hashes = format!("{}\n", BASE64_STANDARD.encode([0; 32])).repeat(64);
        for body in [
            String::new(),
            "old 0\n".to_owned(),
            format!("old 00\n\n{note}"),
            format!("old +0\n\n{note}"),
            format!("old 18446744073709551616\n\n{note}"),
            format!("new 0\n\n{note}"),
            format!("old 0\nAAAA\n\n{note}"),
            format!("old 0\n{hashes}\n{note}"),
            format!("old 0\n\n{}", note.replace("\n8\n", "\n08\n")),
            format!("old 0\n\n{}", note.trim_end()),
            format!("old 0\n\n{note}{}", "x".repeat(REQUEST_BYTES)),
        ] {
            assert!(
                matches!(desk.add_checkpoint(body.clone().into()).await, Answer::Malformed | Answer::Unsigned),
                "{body}"
            );
        }
        assert_eq!(desk.add_checkpoint(Bytes::from_static(b"old 0\n\n\xff")).await, Answer::Malformed);
    })
    .await;
}

#[tokio::test]
async fn of_two_that_race_one_is_signed_and_the_other_told_its_size() {
    let (role, log) = (Role::new(), Log::new(1, 300));
    role.with(&log, async |desk| {
        let (desks, log) = (vec![desk; 40], &log);
        let asked = desks.iter().zip(1..).map(|(desk, size)| desk.add_checkpoint(log.request(0, size)));
        let answers = futures_util::future::join_all(asked).await;
        let signed = answers.iter().filter(|answer| matches!(answer, Answer::Signed(_))).count();
        let told: Vec<_> = answers.iter().filter(|answer| matches!(answer, Answer::Size(_))).collect();
        assert_eq!((signed, told.len()), (1, 39));
        assert!(told.iter().all(|size| *size == told[0]));
    })
    .await;
}

#[tokio::test]
async fn after_a_crash_it_remembers_what_anybody_has_heard_of() {
    for fault in [Fault::Lost, Fault::KeptButReportedLost] {
        let (role, log) = (Role::new(), Log::new(1, 300));
        role.with(&log, async |desk| {
            assert!(matches!(desk.add_checkpoint(log.request(0, 100)).await, Answer::Signed(_)));
        })
        .await;
        role.memory.faults().writes(fault);
        role.with(&log, async |desk| {
            assert_eq!(desk.add_checkpoint(log.request(100, 200)).await, Answer::Broken);
            assert_eq!(desk.add_checkpoint(log.request(100, 200)).await, Answer::Broken);
        })
        .await;
        role.memory.faults().mend();
        role.with(&log, async |desk| {
            let Answer::Size(size) = desk.add_checkpoint(log.request(0, 300)).await else { panic!() };
            assert!(size == 100 || size == 200, "{size}");
            let size = usize::try_from(size).unwrap();
            assert!(matches!(desk.add_checkpoint(log.request(size, 300)).await, Answer::Signed(_)));
        })
        .await;
    }
}
