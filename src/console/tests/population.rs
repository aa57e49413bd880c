//! Populations and samples as an auditor gets them, and the tables of a bundle.

use super::evidence::{PERIOD, bundle, faults, judge, trust, used};
use super::*;
use crate::domain::Digest;
use crate::ledger::bundle::{Reader, Writer, recorded};
use crate::ledger::population::lot;
use crate::ledger::proof;
use crate::ledger::verify::Verdict;
use crate::merkle;

/// Head and rows of a table.
fn parts(text: &str) -> (String, Vec<String>) {
    let (head, rows): (Vec<_>, Vec<_>) = text.lines().partition(|line| line.starts_with('#'));
    (head.join("\n"), rows.into_iter().skip(1).map(str::to_owned).collect())
}

fn last_two(row: &str) -> (u64, String) {
    let mut cells = row.rsplit(',');
    let leaf = cells.next().unwrap().to_owned();
    (cells.next().unwrap().parse().unwrap(), leaf)
}

#[tokio::test(start_paused = true)]
async fn a_population_has_every_record_of_its_control_and_says_what_it_is_of() {
    with(async |house| {
        used(&house).await;
        used(&house).await;
        for (control, kind) in [("sessions", "session.start"), ("decisions", "authz.decision")] {
            let said = house.run(&audrey(), &format!("evidence population --control {control}")).await;
            assert_eq!(said.code, 0, "{}", said.err);
            let (head, rows) = parts(said.text());
            let entries = house.entries().await;
            let of_kind: Vec<_> = entries.iter().filter(|entry| entry.kind() == kind).collect();
            assert!(head.contains(&format!("select(.kind == \"{kind}\")")), "{head}");
            assert!(head.contains(&format!("rows        {}, ", rows.len())), "{head}");
            let exported = entries.iter().rfind(|entry| entry.kind() == "evidence.exported").unwrap();
            assert_eq!(exported.body().text("control"), Some(control));
            assert!(head.contains(exported.body().text("root").unwrap()), "{head}");
            let end = exported.body().number("end").unwrap();
            let expected: Vec<_> = of_kind.iter().filter(|entry| entry.seq() < end).collect();
            assert!(!expected.is_empty());
            let found: Vec<_> = rows.iter().map(|row| last_two(row)).collect();
            assert_eq!(found, expected.iter().map(|one| (one.seq(), one.leaf().to_string())).collect::<Vec<_>>());
        }
        let outside = house.run(&audrey(), "evidence population --control sessions --from 30m").await;
        let (head, rows) = parts(outside.text());
        assert!(rows.iter().all(|row| row.starts_with("no,")), "{head}\n{rows:?}");
        assert_eq!(house.run(&alice(), "evidence population --control sessions").await.code, 4);
        assert_eq!(house.run(&audrey(), "evidence population --control nothing").await.code, 2);
        assert_eq!(house.run(&audrey(), "evidence population").await.code, 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_sample_follows_from_the_auditors_number_alone() {
    with(async |house| {
        for _ in 0..12 {
            house.exec(&alice(), &[(Stream::Stdout, b"built")]).await;
        }
        house.clock.advance(Duration::from_secs(3600));
        let to = "--to 2026-11-23T21:10:00Z";
        let population = house.run(&audrey(), &format!("evidence population --control sessions {to}")).await;
        let (_, rows) = parts(population.text());
        assert_eq!(rows.len(), 12);
        let sample = async |seed: u64| {
            let line = format!("evidence sample --control sessions -n 5 --seed {seed} {to}");
            let said = house.run(&audrey(), &line).await;
            assert_eq!(said.code, 0, "{}", said.err);
            let (head, rows) = parts(said.text());
            assert!(head.contains(&format!("5 of those in the period, by the seed {seed}")), "{head}");
            rows
        };
        // By hand: the five smallest lots of the population's own leaves.
        let mut lots: Vec<_> =
            rows.iter().map(|row| (lot(20_261_001, &Digest::parse(&last_two(row).1).unwrap()), row)).collect();
        lots.sort();
        let mut by_hand: Vec<_> = lots.iter().take(5).map(|(_, row)| (*row).clone()).collect();
        by_hand.sort_by_key(|row| last_two(row).0);
        assert_eq!(sample(20_261_001).await, by_hand);
        assert_eq!(sample(20_261_001).await, by_hand);
        assert_ne!(sample(20_261_002).await, by_hand);
        let entries = house.entries().await;
        let exported = entries.iter().rfind(|entry| entry.kind() == "evidence.exported").unwrap();
        assert_eq!((exported.body().number("seed"), exported.body().number("count")), (Some(20_261_002), Some(5)));
        assert_eq!(house.run(&audrey(), "evidence sample --control sessions").await.code, 2);
    })
    .await;
}

/// Name and content of each file of a tar.
fn files(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let (mut reader, mut files) = (Reader::new(tar), BTreeMap::new());
    while let Some((name, size)) = reader.next_file().unwrap() {
        files.insert(name, reader.whole(size).unwrap().unwrap());
        assert!(reader.finish().unwrap().1);
    }
    files
}

#[tokio::test(start_paused = true)]
async fn a_packed_sample_has_each_sampled_session_with_its_proofs_and_its_recording_and_no_other() {
    with(async |house| {
        let mut sessions = Vec::new();
        for _ in 0..9 {
            sessions.push(house.exec(&alice(), &[(Stream::Stdout, b"built")]).await.to_string());
        }
        house.clock.advance(Duration::from_secs(3600));
        let line = "evidence sample --control sessions -n 2 --seed 7 --to 2026-11-23T21:10:00Z";
        let (_, rows) = parts(house.run(&audrey(), line).await.text());
        let packed = house.run(&audrey(), &format!("{line} --pack")).await;
        assert_eq!(packed.code, 0, "{}", packed.err);
        used(&house).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
        let again = house.run(&audrey(), &format!("{line} --pack")).await;
        assert!(again.out == packed.out, "the same seed and period give the same bytes");

        let (files, trust) = (files(&packed.out), trust(&house).await);
        assert_eq!(parts(std::str::from_utf8(&files["sample.csv"]).unwrap()).1, rows);
        assert_eq!(files["missing.txt"], b"");
        let sampled: Vec<_> = sessions.iter().filter(|id| rows.iter().any(|row| row.contains(id.as_str()))).collect();
        assert_eq!(sampled.len(), 2);
        let mut closed = 0;
        for (name, content) in files.iter().filter(|(name, _)| name.starts_with("records/")) {
            let entry = proof::check(std::str::from_utf8(content).unwrap(), &trust).unwrap().entry;
            assert_eq!(*name, format!("records/{}", entry.seq()));
            let session = entry.session().map(|session| session.to_string());
            assert!(session.is_none_or(|session| sampled.contains(&&session)), "{name}");
            if entry.kind() == "recording.close" {
                closed += 1;
                let (recording, extent) = recorded(&entry).unwrap();
                let stored = &files[&format!("recordings/{recording}.cast.zst")];
                let lengths = std::str::from_utf8(&files[&format!("recordings/{recording}.frames")]).unwrap();
                let (mut at, mut leaves) = (0, Vec::new());
                for length in lengths.lines().map(|line| line.parse::<usize>().unwrap()) {
                    leaves.push(merkle::leaf_hash(&stored[at..at + length]));
                    at += length;
                }
                assert_eq!((at, merkle::root(&leaves)), (stored.len(), extent.root));
            }
        }
        assert_eq!(closed, 2);
        assert_eq!(files.keys().filter(|name| name.ends_with(".cast.zst")).count(), 2);
        let texts: Vec<_> = files.iter().filter(|(name, _)| name.starts_with("blobs/")).collect();
        assert!(!texts.is_empty() && texts.iter().all(|(name, text)| **name == format!("blobs/{}", Digest::of(text))));
        let size = TerminalSize { cols: 80, rows: 24 };
        assert_eq!(house.talk(&audrey(), Some(&format!("{line} --pack")), Some(size), Vec::new()).await.code, 2);
        assert_eq!(house.run(&alice(), &format!("{line} --pack")).await.code, 4);
    })
    .await;
}

/// The same files, one of them with other contents; the signed list still names the old ones.
fn changed(bundle: &[u8], name: &str, content: Option<&[u8]>) -> Vec<u8> {
    let (mut reader, mut writer, mut out) = (Reader::new(bundle), Writer::default(), Vec::new());
    while let Some((found, _)) = reader.next_file().unwrap() {
        let own = reader.whole(u64::MAX).unwrap().unwrap();
        reader.finish().unwrap();
        match content {
            Some(content) if found == name => out.extend_from_slice(&writer.whole(&found, content).unwrap()),
            None if found == name => {}
            _ => out.extend_from_slice(&writer.whole(&found, &own).unwrap()),
        }
    }
    out.extend_from_slice(&crate::ledger::bundle::END);
    out
}

#[tokio::test(start_paused = true)]
async fn tables_and_policies_of_a_bundle_are_those_that_follow_from_its_records() {
    with(async |house| {
        used(&house).await;
        let (bundle, trust) = (bundle(&house, "").await, trust(&house).await);
        let report = judge(&bundle, &trust);
        assert_eq!((report.verdict, faults(&report)), (Verdict::VerifiedUnwitnessed, String::new()));
        assert_eq!((report.populations, report.policies), (8, 2));
        let population = house.run(&audrey(), &format!("evidence population --control sessions {PERIOD}")).await;
        let text: String =
            population.text().lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
        assert!(bundle.windows(text.len()).any(|window| window == text.as_bytes()), "{text}");

        let table = changed(&bundle, "population/sessions.csv", Some(text.replace("alice", "malic").as_bytes()));
        assert!(faults(&judge(&table, &trust)).contains("sessions.csv: is not the table that follows"));
        let gone = faults(&judge(&changed(&bundle, "population/sessions.csv", None), &trust));
        assert!(gone.contains("sessions.csv: is not in the bundle"), "{gone}");
        let policy = format!("policies/{}", Digest::of(crate::policy::SCHEMA.as_bytes()));
        let other = faults(&judge(&changed(&bundle, &policy, Some(b"permit everything")), &trust));
        assert!(other.contains("is not the policy that record"), "{other}");
        let dates = b"2026-11-23T21:00:00.000000Z 2026-11-23T21:11:00.000000Z\n";
        let dates = faults(&judge(&changed(&bundle, "period.txt", Some(dates)), &trust));
        assert!(dates.contains("period.txt: is not the period of manifest.json"), "{dates}");
        let none = judge(&changed(&bundle, "period.txt", None), &trust);
        assert_eq!(none.verdict, Verdict::Tampered);
    })
    .await;
}
