//! Whether the key that a target shows is the target's: pinned in the config, or certified by an authority of it. Pure.

use std::borrow::Cow;

use russh::keys::PublicKeyOrCertificate;
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::{Algorithm, Certificate, EcdsaCurve, HashAlg, PublicKey};

use super::algorithms;
use crate::domain::Timestamp;
use crate::domain::target::{HostTrust, Target};

/// What may prove the target's name to us, parsed.
pub(super) struct HostCheck {
    trust: Trust,
    names: Vec<String>,
    now: Timestamp,
}

enum Trust {
    Pinned(Vec<PublicKey>),
    Authority(Vec<PublicKey>),
}

impl HostCheck {
    pub(super) fn of(target: &Target, now: Timestamp) -> Result<Self, Unreadable> {
        let parse = |lines: &[String]| {
            lines
                .iter()
                .map(|line| PublicKey::from_openssh(line))
                .collect::<Result<Vec<_>, _>>()
                .map_err(|_| Unreadable)
        };
        let trust = match &target.host_trust {
            HostTrust::Pinned(lines) => Trust::Pinned(parse(lines)?),
            HostTrust::Authority(lines) => Trust::Authority(parse(lines)?),
        };
        let names = std::iter::once(target.name.as_str())
            .chain(target.aliases.iter().map(|alias| alias.as_str()))
            .chain(std::iter::once(target.address.host.as_str()))
            .map(str::to_owned)
            .collect();
        Ok(Self { trust, names, now })
    }

    /// Only what could be accepted is offered: the target then shows a key that we can judge, if it has one.
    pub(super) fn preferred(&self) -> russh::Preferred {
        let mut preferred = algorithms::preferred();
        match &self.trust {
            Trust::Pinned(keys) => {
                let mut kinds = Vec::new();
                for key in keys {
                    match key.algorithm() {
                        Algorithm::Rsa { .. } => {
                            kinds.push(Algorithm::Rsa { hash: Some(HashAlg::Sha512) });
                            kinds.push(Algorithm::Rsa { hash: Some(HashAlg::Sha256) });
                        }
                        other => kinds.push(other),
                    }
                }
                preferred.key = Cow::Owned(kinds);
            }
            Trust::Authority(_) => {
                let kinds = vec![
                    Algorithm::Ed25519,
                    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
                    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
                    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
                ];
                preferred.host_key_certificates = Cow::Owned(kinds);
            }
        }
        preferred
    }

    /// The key exchange was signed by this key already; what is left is whether it is the target's.
    pub(super) fn accept(&self, shown: &PublicKeyOrCertificate) -> Result<(), &'static str> {
        match (&self.trust, shown) {
            (Trust::Pinned(keys), PublicKeyOrCertificate::PublicKey { key, .. }) => {
                let known = keys.iter().any(|pinned| pinned.key_data() == key.key_data());
                known.then_some(()).ok_or("not the configured host key")
            }
            (Trust::Pinned(_), PublicKeyOrCertificate::Certificate(_)) => {
                Err("a certificate where a key is configured")
            }
            (Trust::Authority(_), PublicKeyOrCertificate::PublicKey { .. }) => {
                Err("a plain key where a certificate is configured")
            }
            (Trust::Authority(authorities), PublicKeyOrCertificate::Certificate(certificate)) => {
                self.accept_certificate(authorities, certificate)
            }
        }
    }

    fn accept_certificate(&self, authorities: &[PublicKey], certificate: &Certificate) -> Result<(), &'static str> {
        if certificate.cert_type() != CertType::Host {
            return Err("not a host certificate");
        }
        if !authorities.iter().any(|authority| authority.key_data() == certificate.signature_key()) {
            return Err("signed by an unknown authority");
        }
        // SHA-1 still verifies in the library.
        if matches!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None }) {
            return Err("signed with SHA-1");
        }
        let now = u64::try_from(self.now.secs()).map_err(|_| "clock before 1970")?;
        let fingerprints: Vec<_> = authorities.iter().map(|authority| authority.fingerprint(HashAlg::Sha256)).collect();
        certificate.validate_at(now, &fingerprints).map_err(|_| "expired, not yet valid or wrongly signed")?;
        // A certificate without principals would pass for any name.
        if !certificate.valid_principals().iter().any(|principal| self.names.contains(principal)) {
            return Err("for another name");
        }
        if certificate.critical_options().iter().next().is_some() {
            return Err("has a critical option");
        }
        Ok(())
    }
}

/// A configured key that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;
