//! What OpenSSH signed, our reader understands; one authority never passes for another.
//!
//! Reads the throw-away anchors of `keys/test`. Their private halves no longer exist.

#![allow(clippy::unwrap_used, reason = "a failing test may end at once")]

use russh::keys::ssh_key::HashAlg;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, EcdsaCurve, PublicKey};

const AUTHORITIES: [&str; 3] = ["user", "target", "host"];

fn line(name: &str) -> String {
    std::fs::read_to_string(format!("{}/keys/test/{name}.pub", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn authority(name: &str) -> PublicKey {
    PublicKey::from_openssh(&line(&format!("{name}-ca"))).unwrap()
}

fn certificate(name: &str) -> Certificate {
    Certificate::from_openssh(&line(&format!("{name}-cert"))).unwrap()
}

/// Whether `certificate` holds at `at` under the authority called `name`.
fn holds(certificate: &Certificate, at: u64, name: &str) -> bool {
    certificate.validate_at(at, [&authority(name).fingerprint(HashAlg::Sha256)]).is_ok()
}

#[test]
fn every_authority_is_a_key_of_its_own_on_p_256_or_of_ed25519() {
    let p256 = Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 };
    for (name, algorithm) in AUTHORITIES.iter().zip([&p256, &Algorithm::Ed25519, &p256]) {
        assert_eq!(authority(name).algorithm(), *algorithm);
        let same = AUTHORITIES.iter().filter(|other| authority(other).key_data() == authority(name).key_data());
        assert_eq!(same.count(), 1, "{name}");
    }
}

#[test]
fn a_certificate_holds_under_its_own_authority_and_no_other() {
    for name in AUTHORITIES {
        let certificate = certificate(name);
        let now = certificate.valid_after();
        for other in AUTHORITIES {
            assert_eq!(holds(&certificate, now, other), name == other, "{name} under {other}");
        }
    }
}

#[test]
fn a_certificate_does_not_hold_before_its_time_or_from_its_end_on() {
    for name in AUTHORITIES {
        let certificate = certificate(name);
        assert!(!holds(&certificate, certificate.valid_after() - 1, name), "{name}");
        assert!(holds(&certificate, certificate.valid_before() - 1, name), "{name}");
        assert!(!holds(&certificate, certificate.valid_before(), name), "{name}");
    }
}

#[test]
fn a_host_certificate_is_told_from_a_users() {
    assert_eq!(certificate("user").cert_type(), CertType::User);
    assert_eq!(certificate("target").cert_type(), CertType::User);
    assert_eq!(certificate("host").cert_type(), CertType::Host);
}

#[test]
fn what_a_certificate_says_is_read_as_it_was_signed() {
    let user = certificate("user");
    assert_eq!(user.valid_principals(), ["corp/YWxpY2U"]);
    assert_eq!(user.key_id(), "sp1:throw-away:Alice%20Example");
    assert_eq!(user.serial(), 1);
    assert!(user.critical_options().is_empty());
    assert!(user.extensions().contains_key("permit-pty"));

    let target = certificate("target");
    assert_eq!(target.valid_principals(), ["deploy"]);
    assert_eq!(target.critical_options().get("force-command").map(String::as_str), Some("echo held"));
    assert_eq!(target.critical_options().get("source-address").map(String::as_str), Some("192.0.2.1"));
    assert!(target.extensions().is_empty());
}
