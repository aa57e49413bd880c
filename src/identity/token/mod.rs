//! From an ID token to who somebody is, or exactly why not.
//!
//! Three groups of checks, in this order: `raw` before any library, the `openidconnect` verifier
//! with keys of ours, and `claims` after it. Pure: keys and time are arguments. One-time use is not
//! judged here, it needs the ledger.

mod claims;
mod keys;
mod raw;
#[cfg(test)]
mod tests;

use std::time::Duration;

use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm};
use openidconnect::{ClaimsVerificationError, ClientId, IssuerUrl, Nonce, SignatureVerificationError};
use russh::keys::PublicKey;

pub use claims::{Checked, Seen};
pub use keys::KeySet;
pub use raw::{LIMIT_BYTES, Raw, digest, object, raw_checks};

use super::profile::{Algorithm, Binding, IssuerSettings};
use super::proof::Proof;
use super::reason::Reason;
use crate::domain::Timestamp;
use crate::domain::binding;
use crate::domain::identity::Flow;

/// How far clocks may differ.
pub const SKEW: Duration = Duration::from_secs(60);

/// What a token is shown for: this bastion, this key, now.
#[derive(Clone, Debug)]
pub struct Showing<'a> {
    /// The bastion's name.
    pub bastion: &'a str,
    /// The key to certify.
    pub key: &'a PublicKey,
    /// Its `SHA256:` fingerprint.
    pub fingerprint: &'a str,
    /// That its holder is here.
    pub proof: &'a Proof,
    /// The random bytes of the nonce, where the nonce binds.
    pub nonce_random: Option<[u8; 32]>,
    /// How the client says that the token was got.
    pub flow: Option<Flow>,
    /// The time.
    pub now: Timestamp,
}

impl Showing<'_> {
    /// The audience that a token of this issuer must have.
    fn audience(&self, issuer: &IssuerSettings) -> String {
        match issuer.profile.binding {
            Binding::Nonce => issuer.client_id.clone().unwrap_or_default(),
            Binding::Audience => binding::bound_audience(self.bastion, self.fingerprint),
            Binding::Proof => binding::audience(self.bastion),
        }
    }
}

/// Why a token is refused, and what its signed content said, if the signature was good.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// Only what an issuer has vouched for.
    pub seen: Option<Seen>,
}

impl From<Reason> for Refused {
    fn from(reason: Reason) -> Self {
        Self { reason, seen: None }
    }
}

/// The second and third group: what the issuer vouches for, then whether that is enough here.
pub fn check(raw: &Raw, issuer: &IssuerSettings, keys: &KeySet, showing: &Showing<'_>) -> Result<Checked, Refused> {
    verify(raw, issuer, keys, showing)?;
    claims::check(raw, issuer, showing)
        .map_err(|reason| Refused { reason, seen: Some(claims::seen(&raw.claims, issuer)) })
}

/// Signature, issuer, audience, expiry: by the library, with the one key that we chose for it.
fn verify(raw: &Raw, issuer: &IssuerSettings, keys: &KeySet, showing: &Showing<'_>) -> Result<(), Refused> {
    if raw.issuer != issuer.url {
        return Err(Reason::UnknownIssuer.into());
    }
    if !issuer.algorithms.contains(&raw.algorithm) {
        return Err(Reason::Algorithm.into());
    }
    let key = keys.find(raw.kid.as_deref(), raw.algorithm)?.clone();
    let ours = showing.audience(issuer);
    let token: CoreIdToken = raw.text.parse().map_err(|_| Reason::ClaimForm)?;
    let url = IssuerUrl::new(issuer.url.clone()).map_err(|_| Reason::UnknownIssuer)?;
    let late = chrono::DateTime::from_timestamp_micros(showing.now.minus(SKEW).micros()).unwrap_or_default();
    let verifier =
        CoreIdTokenVerifier::new_public_client(ClientId::new(ours.clone()), url, CoreJsonWebKeySet::new(vec![key]))
            .set_allowed_algs([match raw.algorithm {
                Algorithm::Rs256 => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
                Algorithm::Es256 => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
                Algorithm::EdDsa => CoreJwsSigningAlgorithm::EdDsa,
            }])
            .set_other_audience_verifier_fn(|other| issuer.other_audiences.iter().any(|known| known == other.as_str()))
            .set_time_fn(move || late);
    // Whether the nonce fits is judged after this: it depends on the key, not on the issuer.
    let nonce = |_: Option<&Nonce>| Ok(());
    let Err(error) = token.claims(&verifier, nonce) else { return Ok(()) };
    if !matches!(error, ClaimsVerificationError::InvalidAudience(_)) {
        let seen = matches!(error, ClaimsVerificationError::Expired(_)).then(|| claims::seen(&raw.claims, issuer));
        return Err(Refused { reason: reason(&error), seen });
    }
    // The library looks at the audience before the signature. Whether anybody vouches for that audience
    // decides what may be said of it.
    match token.claims(&verifier.require_audience_match(false), nonce) {
        Err(error) if !matches!(error, ClaimsVerificationError::Expired(_)) => Err(reason(&error).into()),
        Ok(_) | Err(_) => {
            let seen = claims::seen(&raw.claims, issuer);
            let reason = match issuer.profile.binding {
                Binding::Audience if names_another_key(&seen.audience, showing.bastion) => Reason::BoundToAnotherKey,
                _ if seen.audience.contains(&ours) => Reason::ForeignAudience,
                Binding::Nonce | Binding::Audience | Binding::Proof => Reason::Audience,
            };
            Err(Refused { reason, seen: Some(seen) })
        }
    }
}

fn names_another_key(audiences: &[String], bastion: &str) -> bool {
    let prefix = binding::bound_audience(bastion, "");
    audiences.len() == 1 && audiences.iter().any(|audience| audience.starts_with(&prefix))
}

fn reason(error: &ClaimsVerificationError) -> Reason {
    match error {
        ClaimsVerificationError::Expired(_) => Reason::Expired,
        ClaimsVerificationError::InvalidIssuer(_) => Reason::UnknownIssuer,
        ClaimsVerificationError::InvalidAudience(_) => Reason::Audience,
        ClaimsVerificationError::Unsupported(_) => Reason::Header,
        ClaimsVerificationError::SignatureVerification(error) => match error {
            SignatureVerificationError::NoMatchingKey => Reason::UnknownKey,
            SignatureVerificationError::AmbiguousKeyId(_) => Reason::AmbiguousKey,
            SignatureVerificationError::DisallowedAlg(_) | SignatureVerificationError::UnsupportedAlg(_) => {
                Reason::Algorithm
            }
            _ => Reason::Signature,
        },
        _ => Reason::ClaimForm,
    }
}
