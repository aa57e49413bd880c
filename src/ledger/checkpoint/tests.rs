//! Checkpoints: a published note opens, and what is malformed does not.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use proptest::prelude::*;

use super::*;

const ORIGIN: &str = "bastion.example.com/sallyport/7f3a";

struct Signer(Ed25519KeyPair, Key);

fn signer(name: &str, seed: u8) -> Signer {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let public = pair.public_key().as_ref().try_into().unwrap();
    Signer(pair, Key::new(name, public).unwrap())
}

impl Signer {
    /// A note over any text.
    fn note(&self, text: &str) -> String {
        format!("{text}\n{}", self.line(text))
    }

    fn line(&self, text: &str) -> String {
        let signature = [&self.1.id[..], self.0.sign(text.as_bytes()).as_ref()].concat();
        format!("{DASH}{} {}\n", self.1.name, BASE64_STANDARD.encode(signature))
    }
}

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: ORIGIN.into(), size: 81_723, root: Digest::of(b"root") }
}

#[track_caller]
fn refused(note: &str) -> Error {
    open(note.as_bytes(), &signer(ORIGIN, 1).1).unwrap_err()
}

#[track_caller]
fn malformed(note: &str) {
    assert!(matches!(refused(note), Error::Form(_) | Error::Name(_)), "{note:?}: {}", refused(note));
}

#[test]
fn a_checkpoint_opens_as_it_was_signed() {
    let log = signer(ORIGIN, 1);
    let note = checkpoint().sign(&log.1, |text| log.0.sign(text).as_ref().try_into().unwrap());
    assert_eq!(note, log.note(&checkpoint().text()));
    assert_eq!(open(note.as_bytes(), &log.1), Ok(checkpoint()));
}

/// The example key and note of Go's `golang.org/x/mod/sumdb/note`: an implementation that is not ours.
#[test]
fn the_key_and_signature_of_another_implementation_are_understood() {
    let key = Key::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
    let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    let line = signature(
        "\u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=",
    );
    let line = line.unwrap();
    assert_eq!((line.name, line.id), (key.name(), key.id));
    assert!(key.verify(text, &line.signature));
}

#[test]
fn a_verifier_key_reads_back_what_it_prints() {
    let key = signer(ORIGIN, 1).1;
    assert_eq!(Key::parse(&key.to_string()), Ok(key.clone()));
    let other_name = key.to_string().replacen("7f3a", "7f3b", 1);
    assert_eq!(Key::parse(&other_name), Err(Error::Key("does not have its own id")));
    for bad in ["", "a", "a+b", "a+00000000+AQ==", "a+00000000+!"] {
        assert!(matches!(Key::parse(bad), Err(Error::Key(_))), "{bad}");
    }
}

#[test]
fn sizes_that_are_not_plain_decimal_are_refused() {
    let log = signer(ORIGIN, 1);
    let root = BASE64_STANDARD.encode([7; 32]);
    for size in ["01", "+1", "-0", "-1", "", " 1", "1 ", "1.0", "0x1", "18446744073709551616", "\u{661}"] {
        malformed(&log.note(&format!("{ORIGIN}\n{size}\n{root}\n")));
    }
    assert!(open(log.note(&format!("{ORIGIN}\n18446744073709551615\n{root}\n")).as_bytes(), &log.1).is_ok());
}

#[test]
fn a_log_of_nothing_has_the_root_of_nothing() {
    let log = signer(ORIGIN, 1);
    let text = |root: Digest| format!("{ORIGIN}\n0\n{}\n", BASE64_STANDARD.encode(root.0));
    malformed(&log.note(&text(Digest([0; 32]))));
    assert_eq!(open(log.note(&text(merkle::empty_root())).as_bytes(), &log.1).unwrap().size, 0);
}

#[test]
fn roots_that_are_not_32_bytes_are_refused() {
    let log = signer(ORIGIN, 1);
    let root = BASE64_STANDARD.encode([7; 32]);
    for bad in [
        "",
        "AAAA",
        root.trim_end_matches('='),
        &root.replace('=', "A"),
        &format!("{root} "),
        &root.replace("c=", "d="),
    ] {
        malformed(&log.note(&format!("{ORIGIN}\n1\n{bad}\n")));
    }
}

#[test]
fn notes_of_another_form_are_refused() {
    let log = signer(ORIGIN, 1);
    let text = checkpoint().text();
    let note = log.note(&text);
    malformed("");
    malformed(&note.replace('\n', "\r\n"));
    malformed(&note.replace("\n\n", "\n"));
    malformed(note.trim_end_matches('\n'));
    malformed(&format!("{note}\n"));
    malformed(&format!("{note}junk\n"));
    malformed(&log.note(&format!("{text}an extension\n")));
    malformed(&log.note(&format!("\n{text}")));
    malformed(&log.note(&text.replace("7f3a", "7f\x003a")));
    malformed(&log.note(&text.replace("7f3a", "7f+3a")));
    malformed(&log.note(&text.replace("7f3a", "7f 3a")));
    malformed(&log.note(text.split_once('\n').unwrap().1));
    malformed(&note.replace(DASH, "- "));
    malformed(&note.replace(DASH, ""));
    malformed(&format!("{note}{DASH}name AAAA\n"));
    malformed(&format!("{note}{DASH}name !!!!AAAAAAAA\n"));
    malformed(&format!("{note}{DASH} AAAAAAAA\n"));
    malformed(&format!("{note}{DASH}na+me AAAAAAAA\n"));
    malformed(&format!("{note}{}", "x".repeat(MAX_NOTE_BYTES)));
    let mut bytes = note.into_bytes();
    bytes[3] = 0xff;
    assert_eq!(open(&bytes, &log.1), Err(Error::Form("is not UTF-8")));
}

#[test]
fn signatures_of_others_are_ignored_and_counted() {
    let (log, other) = (signer(ORIGIN, 1), signer("witness.example.org", 2));
    let text = checkpoint().text();
    let with = |others: usize| format!("{text}\n{}{}", other.line(&text).repeat(others), log.line(&text));
    assert_eq!(open(with(1).as_bytes(), &log.1), Ok(checkpoint()));
    assert_eq!(open(with(15).as_bytes(), &log.1), Ok(checkpoint()));
    malformed(&with(16));
}

#[test]
fn a_note_without_the_logs_signature_is_refused() {
    let text = checkpoint().text();
    let unsigned = Error::Unsigned { key: signer(ORIGIN, 1).1.to_string() };
    assert_eq!(refused(&signer("witness.example.org", 2).note(&text)), unsigned);
    // The same name, another key.
    assert_eq!(refused(&signer(ORIGIN, 2).note(&text)), unsigned);
    // The same key, another name.
    assert_eq!(refused(&signer("other.example.com", 1).note(&text)), unsigned);
}

#[test]
fn a_wrong_signature_by_the_log_spoils_a_right_one() {
    let log = signer(ORIGIN, 1);
    let text = checkpoint().text();
    let wrong = log.line("something else\n");
    let error = Error::Signature { key: log.1.to_string() };
    assert_eq!(refused(&format!("{text}\n{wrong}")), error);
    assert_eq!(refused(&format!("{text}\n{}{wrong}", log.line(&text))), error);
}

#[test]
fn a_checkpoint_of_another_log_is_refused() {
    let log = signer(ORIGIN, 1);
    let other = Checkpoint { origin: "other.example.com".into(), ..checkpoint() };
    assert!(matches!(refused(&log.note(&other.text())), Error::Origin { .. }));
}

proptest! {
    #[test]
    fn no_changed_byte_leaves_a_checkpoint_valid(at in any::<usize>(), bit in 0_u8..8) {
        let log = signer(ORIGIN, 1);
        let mut note = log.note(&checkpoint().text()).into_bytes();
        let at = at % note.len();
        note[at] ^= 1 << bit;
        prop_assert!(open(&note, &log.1).is_err());
    }
}
