//! Bundles of earlier versions, which every later one must read.

use super::*;

const GOLDEN: &[u8] = include_bytes!("../../../tests/golden/bundle-v1.tar");
const TRUST: &str = include_str!("../../../tests/golden/bundle-v1.trust");

fn judge(bundle: &[u8]) -> Report {
    verify(bundle, Belief::Trust(&Trust::parse(TRUST).unwrap()), &mut |_| {}).unwrap()
}

/// The bundle without the file of this name.
fn without(name: &str) -> Vec<u8> {
    let mut reader = Reader::new(GOLDEN);
    let mut kept = Vec::new();
    let mut at = 0;
    while let Some((found, _)) = reader.next_file().unwrap() {
        reader.finish().unwrap();
        let end = usize::try_from(reader.position()).unwrap();
        if found != name {
            kept.extend_from_slice(&GOLDEN[at..end]);
        }
        at = end;
    }
    kept.extend_from_slice(&GOLDEN[at..]);
    kept
}

fn names() -> Vec<String> {
    let mut reader = Reader::new(GOLDEN);
    let mut names = Vec::new();
    while let Some((name, _)) = reader.next_file().unwrap() {
        reader.finish().unwrap();
        names.push(name);
    }
    names
}

#[test]
fn a_bundle_of_the_first_format_is_read() {
    let report = judge(GOLDEN);
    assert_eq!((report.verdict, report.faults.len()), (Verdict::VerifiedUnwitnessed, 0));
    assert_eq!((report.recordings, report.texts, report.withheld), (1, 1, 0));
    assert_eq!(report.counts["session.start"], 1);
    assert_eq!(report.manifest.unwrap().from, "2026-11-23T21:00:00.000000Z");
}

#[test]
fn a_bundle_with_tables_policies_and_witnesses_is_read() {
    let bundle = &include_bytes!("../../../tests/golden/bundle-witnessed.tar")[..];
    let trust = Trust::parse(include_str!("../../../tests/golden/bundle-witnessed.trust")).unwrap();
    let report = verify(bundle, Belief::Trust(&trust), &mut |_| {}).unwrap();
    assert_eq!((report.verdict, report.faults.len()), (Verdict::Verified, 0));
    assert_eq!((report.populations, report.policies, report.texts), (8, 2, 1));
    assert_eq!(report.witnesses.len(), 2);
    let [before, between] = &report.bounds[..] else { panic!("{:?}", report.bounds) };
    assert!(before.after.is_none() && before.end == between.first && between.end == report.range.1);
    assert!(between.width().is_some_and(|seconds| seconds < 60), "{between:?}");
}

#[test]
fn no_file_of_a_bundle_can_be_left_out() {
    for name in names() {
        let report = judge(&without(&name));
        assert!(!report.verdict.is_good() && !report.faults.is_empty(), "{name}");
        assert!(report.faults.iter().any(|fault| fault.place.contains(&name) || fault.is_gap), "{name}: {report:?}");
    }
}

#[test]
fn a_header_with_a_path_a_link_or_a_size_of_its_own_is_refused() {
    let sums = |header: &mut [u8]| {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    };
    let tricks: [(&str, usize, &[u8]); 8] = [
        ("a path upwards", 0, b"../../etc/passwd\0"),
        ("an absolute path", 0, b"/etc/passwd\0"),
        ("a control character", 0, b"\x1b[2J.txt\0"),
        ("a symbolic link", 156, b"2/etc/passwd"),
        ("a folder", 156, b"5"),
        ("an owner", 108, b"0001750"),
        ("a vast size", 124, b"77777777777"),
        ("a size in another base", 124, b"\x80\0\0\0\0\0\0\0\0\0\x01\0"),
    ];
    for (trick, at, bytes) in tricks {
        let mut bundle = GOLDEN.to_vec();
        bundle[at..at + bytes.len()].copy_from_slice(bytes);
        sums(&mut bundle[..512]);
        let report = judge(&bundle);
        assert!(!report.verdict.is_good(), "{trick}");
        assert!(report.faults.iter().all(|fault| fault.place.is_ascii() && !fault.place.contains('\x1b')), "{trick}");
    }
}

#[test]
fn what_is_no_bundle_is_told_so() {
    for (bytes, verdict) in
        [(&b""[..], Verdict::Incomplete), (&[0; 1024][..], Verdict::Tampered), (&[b'x'; 2000][..], Verdict::Tampered)]
    {
        let report = judge(bytes);
        assert_eq!((report.verdict, report.signer), (verdict, None));
    }
}
