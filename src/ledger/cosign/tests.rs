//! Cosignatures that are wrong, and the example of the specification.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

use super::*;

const NOTE: &str =
    "log.example/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n\u{2014} log.example/log AAAAAAAB\n";

fn pair(seed: u8) -> (Witness, Ed25519KeyPair) {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap();
    let public = pair.public_key().as_ref().try_into().unwrap();
    (Witness::new(&format!("w{seed}.example/w"), public).unwrap(), pair)
}

fn cosigned(seed: u8, time: u64) -> (Witness, String) {
    let (key, pair) = pair(seed);
    let text = NOTE.split_once("\n\n").unwrap().0.to_owned() + "\n";
    let line = key.line(time, &text, |message| pair.sign(message).as_ref().try_into().unwrap());
    (key, format!("{NOTE}{line}"))
}

#[test]
fn what_a_witness_signed_is_found_with_its_time() {
    let (key, note) = cosigned(1, 1_795_467_889);
    assert_eq!(key.cosigned(note.as_bytes()), Ok(Some(1_795_467_889)));
    assert_eq!(Witness::parse(&key.to_string()), Ok(key.clone()));
    assert_eq!(pair(2).0.cosigned(note.as_bytes()), Ok(None));
    assert_eq!(key.cosigned(NOTE.as_bytes()), Ok(None));
}

#[test]
fn no_bit_of_a_cosignature_can_change() {
    let (key, note) = cosigned(1, 1_795_467_889);
    let line = note.lines().last().unwrap();
    let (head, encoded) = line.rsplit_once(' ').unwrap();
    let bytes = BASE64_STANDARD.decode(encoded).unwrap();
    // Behind the id of the key, by which the line is known as its own.
    for at in 4..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1;
        let changed = note.replace(line, &format!("{head} {}", BASE64_STANDARD.encode(other)));
        assert!(key.cosigned(changed.as_bytes()).is_err(), "byte {at}");
    }
    let short = note.replace(line, &format!("{head} {}", BASE64_STANDARD.encode(&bytes[..10])));
    assert!(key.cosigned(short.as_bytes()).is_err());
    let moved = note.replace("log.example/log\n0", "log.example/log\n1");
    assert!(key.cosigned(moved.as_bytes()).is_err());
}

#[test]
fn the_key_of_a_log_is_none_of_a_witness() {
    let log = checkpoint::Key::new("w1.example/w", *pair(1).0.public()).unwrap();
    assert!(Witness::parse(&log.to_string()).is_err());
    assert!(checkpoint::Key::parse(&pair(1).0.to_string()).is_err());
    for text in ["", "w", "w+1+AQ==", "w+00000000+BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert!(Witness::parse(text).is_err(), "{text}");
    }
}
