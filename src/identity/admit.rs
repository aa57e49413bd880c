//! May this certificate sign in, and may its caller go on: every check that the SSH library leaves to us.
//!
//! A certificate is only a way to name an entry of the register of live certificates. What the
//! caller is, comes from the sign-in's record behind it, never from the certificate's own words.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};

use russh::keys::PublicKey;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::ssh_key::certificate::{CertType, Certificate};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::ssh_key::{Algorithm, HashAlg};

use super::Identities;
use super::live::Certified;
use super::live::Standing;
use crate::domain::identity::{Caller, Means, Shown, SignIn};
use crate::domain::{Disclose, Timestamp};

macro_rules! refusals {
    ($($(#[$meta:meta])* $name:ident $code:literal;)*) => {
        /// Why a certificate may not sign in, or a caller not go on. A code never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
        pub enum Refusal { $($(#[$meta])* #[error($code)] $name),* }

        impl Refusal {
            /// The stable code, as records count it.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }
        }
    };
}

refusals! {
    /// Not signed by our user authority.
    Authority "unknown-authority";
    /// A host certificate.
    Kind "not-a-user-certificate";
    /// The signature of the authority does not verify.
    Signature "certificate-signature";
    /// Not begun, ended, or an end that wraps.
    Validity "certificate-validity";
    /// No principal: some readers take that for all.
    NoPrincipals "no-principals";
    /// Another principal than the sign-in's.
    Principal "principal";
    /// A critical option that is not known.
    Option "unknown-critical-option";
    /// `force-command`, which we never give to clients.
    ForceCommand "force-command";
    /// Not from where the certificate may be shown.
    Source "source-address";
    /// An extension that we never give to clients.
    Extension "extension";
    /// The authority signed with SHA-1, or with a weak key.
    Algorithm "authority-algorithm";
    /// The serial was revoked.
    Revoked "revoked";
    /// The identity was revoked.
    IdentityRevoked "identity-revoked";
    /// The serial is not in the register of live certificates.
    UnknownSerial "unknown-serial";
    /// The register has another key or key id for that serial.
    Mismatch "register-mismatch";
    /// `reserved` is not empty.
    Reserved "reserved";
    /// A plain key that is not remembered.
    UnknownKey "unknown-key";
    /// In jump mode: not the person of the outer connection.
    OtherIdentity "another-identity";
    /// The certificate has ended while its connection went on.
    Ended "certificate-ended";
    /// The sign-in behind it has ended.
    SignInEnded "sign-in-ended";
}

impl Disclose for Refusal {
    fn disclose(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Ended | Self::SignInEnded | Self::Validity => "the certificate has ended: run sallyport login",
            Self::Revoked | Self::IdentityRevoked => "access was revoked",
            Self::Source => "this certificate is not for this address",
            Self::UnknownKey => "this key is not known: sign in with it",
            _ => "this certificate is not accepted: run sallyport login",
        })
    }
}

/// A plain key that stands for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedKey {
    /// `SHA256:` fingerprint.
    pub fingerprint: String,
    /// By which it is revoked.
    pub serial: u64,
    /// Until when.
    pub valid_before: Timestamp,
    /// Since which sign-in.
    pub sign_in: SignIn,
}

impl Identities {
    /// Judges a certificate whose key the client has proved. In the order of the documented list, each check
    /// with its own reason; whatever is not known is refused.
    pub async fn admit(&self, certificate: &Certificate, source: SocketAddr) -> Result<Caller, Refusal> {
        let now = self.clock().now();
        self.judge(certificate, source, now)
    }

    /// Whether the caller may open one more channel now.
    pub async fn still_good(&self, caller: &Caller) -> Result<(), Refusal> {
        self.check(caller)
    }

    /// The same question, for whoever cannot wait.
    pub fn check(&self, caller: &Caller) -> Result<(), Refusal> {
        let now = self.clock().now();
        if now >= caller.certificate.valid_before {
            return Err(Refusal::Ended);
        }
        if now >= caller.sign_in.until {
            return Err(Refusal::SignInEnded);
        }
        let state = self.state();
        match state.standing(caller.certificate.serial) {
            Standing::Revoked => return Err(Refusal::Revoked),
            Standing::Unknown => return Err(Refusal::UnknownSerial),
            Standing::Live(_) => {}
        }
        let who = (caller.identity.issuer_url.clone(), caller.identity.subject.clone());
        if state.is_barred(&who) { Err(Refusal::IdentityRevoked) } else { Ok(()) }
    }

    /// Waits until the caller's certificate or identity is revoked. What merely ended goes on where it runs.
    pub async fn until_revoked(&self, caller: &Caller) {
        // Before the look: what changes between the two is seen.
        let mut told = self.told();
        while !self.is_revoked(caller) {
            if told.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Whether they were put out: their certificate or they themselves. What merely ended is not.
    pub fn is_revoked(&self, caller: &Caller) -> bool {
        let who = (caller.identity.issuer_url.clone(), caller.identity.subject.clone());
        let state = self.state();
        matches!(state.standing(caller.certificate.serial), Standing::Revoked) || state.is_barred(&who)
    }

    /// Whether a live certificate exists for the key with this `SHA256:` fingerprint. A public key is no
    /// proof: this only says whether asking for one is worth a touch.
    pub fn knows(&self, fingerprint: &str) -> bool {
        self.state().knows_key(fingerprint, self.clock().now())
    }

    /// Who stands behind a plain key that the client has proved, if it is remembered.
    pub fn remembered(&self, key: &PublicKey, source: SocketAddr) -> Result<Caller, Refusal> {
        let now = self.clock().now();
        let state = self.state();
        let fingerprint = key.fingerprint(HashAlg::Sha256).to_string();
        let live = state.remembered(&fingerprint, now).ok_or(Refusal::UnknownKey)?;
        if state.is_barred(&(live.identity.issuer_url.clone(), live.identity.subject.clone())) {
            return Err(Refusal::IdentityRevoked);
        }
        if now >= live.sign_in.until {
            return Err(Refusal::SignInEnded);
        }
        Ok(live.caller(source))
    }

    /// The plain keys that stand for the caller's identity now.
    pub fn remembered_keys(&self, caller: &Caller) -> Vec<RememberedKey> {
        let who = (caller.identity.issuer_url.clone(), caller.identity.subject.clone());
        let found = self.state().remembered_of(&who, self.clock().now());
        let shown = |one: &Certified| RememberedKey {
            fingerprint: one.key.clone(),
            serial: one.serial,
            valid_before: one.valid_before,
            sign_in: one.sign_in.clone(),
        };
        found.iter().map(|one| shown(one)).collect()
    }

    fn judge(&self, certificate: &Certificate, source: SocketAddr, now: Timestamp) -> Result<Caller, Refusal> {
        let ours = self.signer().user_ca();
        // 1. Any self-made authority has passed until here.
        if certificate.signature_key() != ours.key_data() {
            return Err(Refusal::Authority);
        }
        // 2. Nothing in the library looks at it.
        if certificate.cert_type() != CertType::User {
            return Err(Refusal::Kind);
        }
        // 3. As integers: the library's own test takes an end over `i64::MAX` for none.
        let seconds = now.unix_secs();
        if certificate.valid_before() > i64::MAX as u64
            || seconds < certificate.valid_after()
            || seconds >= certificate.valid_before()
        {
            return Err(Refusal::Validity);
        }
        let fingerprint = ours.fingerprint(HashAlg::Sha256);
        certificate.validate_at(seconds, [&fingerprint]).map_err(|_| Refusal::Signature)?;
        // 4.
        let standing = self.state().standing(certificate.serial());
        if certificate.valid_principals().is_empty() {
            return Err(Refusal::NoPrincipals);
        }
        if let Standing::Live(live) = &standing
            && certificate.valid_principals() != [live.identity.principal().as_str()]
        {
            return Err(Refusal::Principal);
        }
        // 5. An option that is not understood forbids, that is what critical means.
        for (name, value) in certificate.critical_options().iter() {
            match name.as_str() {
                "source-address" if permits(value, source.ip()) => {}
                "source-address" => return Err(Refusal::Source),
                "force-command" => return Err(Refusal::ForceCommand),
                _ => return Err(Refusal::Option),
            }
        }
        // 6. The library enforces none. What we never give cannot have come from us.
        for name in certificate.extensions().keys() {
            if !matches!(name.as_str(), "permit-pty" | crate::signer::IDENTITY_EXTENSION) {
                return Err(Refusal::Extension);
            }
        }
        // 7. The library verifies SHA-1 too.
        let weak = match certificate.signature_key() {
            KeyData::Rsa(key) => key.key_size() < 3072,
            _ => false,
        };
        if weak || matches!(certificate.signature().algorithm(), Algorithm::Rsa { hash: None } | Algorithm::Dsa) {
            return Err(Refusal::Algorithm);
        }
        // 8.
        let live = match standing {
            Standing::Revoked => return Err(Refusal::Revoked),
            Standing::Unknown => return Err(Refusal::UnknownSerial),
            Standing::Live(live) => live,
        };
        let who = (live.identity.issuer_url.clone(), live.identity.subject.clone());
        if self.state().is_barred(&who) {
            return Err(Refusal::IdentityRevoked);
        }
        let key = certificate.public_key().fingerprint(HashAlg::Sha256).to_string();
        let end = Timestamp::from_secs(i64::try_from(certificate.valid_before()).unwrap_or(0));
        if live.means != Means::Certificate
            || live.key != key
            || live.key_id != certificate.key_id()
            || live.valid_before != end
        {
            return Err(Refusal::Mismatch);
        }
        if !reserved_is_empty(certificate) {
            return Err(Refusal::Reserved);
        }
        if now >= live.sign_in.until {
            return Err(Refusal::SignInEnded);
        }
        Ok(live.caller(source))
    }
}

impl Certified {
    /// Whoever proved it, from there.
    pub(super) fn caller(&self, source: SocketAddr) -> Caller {
        Caller {
            identity: self.identity.clone(),
            sign_in: self.sign_in.clone(),
            certificate: Shown {
                means: self.means,
                serial: self.serial,
                key_id: self.key_id.clone(),
                valid_before: self.valid_before,
            },
            source,
            client: String::new(),
        }
    }
}

/// The library reads `reserved` and shows it to nobody. It is empty exactly if all other fields make up the
/// certificate's whole length.
fn reserved_is_empty(certificate: &Certificate) -> bool {
    let others = || -> Option<usize> {
        let name = certificate.algorithm().to_certificate_type().encoded_len().ok()?;
        let key = certificate.public_key().encoded_len().ok()?;
        let algorithm = certificate.algorithm().as_str().encoded_len().ok()?;
        let parts = [
            certificate.nonce().encoded_len().ok()?,
            certificate.key_id().encoded_len().ok()?,
            certificate.valid_principals().to_vec().encoded_len().ok()?,
            certificate.critical_options().encoded_len().ok()?,
            certificate.extensions().encoded_len().ok()?,
            certificate.signature_key().encoded_len_prefixed().ok()?,
            certificate.signature().encoded_len_prefixed().ok()?,
        ];
        // Serial, kind, two times, and the length of an empty `reserved`.
        const FIXED: usize = 8 + 4 + 8 + 8 + 4;
        Some(name + key.checked_sub(algorithm)? + parts.iter().sum::<usize>() + FIXED)
    };
    matches!((others(), certificate.encoded_len()), (Some(others), Ok(whole)) if others == whole)
}

/// `source-address`: a list of addresses and networks (`PROTOCOL.certkeys`).
fn permits(list: &str, source: IpAddr) -> bool {
    let source = source.to_canonical();
    list.split(',').any(|network| {
        let (address, bits) = network.split_once('/').map_or((network, None), |(address, bits)| (address, Some(bits)));
        let Ok(address) = address.parse::<IpAddr>() else { return false };
        let bits = bits.map_or(Some(128), |bits| bits.parse::<u32>().ok());
        match (address, source, bits) {
            (IpAddr::V4(network), IpAddr::V4(source), Some(bits)) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits)).unwrap_or(0);
                u32::from(network) & mask == u32::from(source) & mask
            }
            (IpAddr::V6(network), IpAddr::V6(source), Some(bits)) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(bits)).unwrap_or(0);
                u128::from(network) & mask == u128::from(source) & mask
            }
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_address_is_matched_by_network() {
        let check = |list: &str, ip: &str| permits(list, ip.parse().unwrap());
        assert!(check("10.0.0.0/8,192.168.1.5", "10.9.9.9"));
        assert!(check("10.0.0.0/8,192.168.1.5", "192.168.1.5"));
        assert!(!check("10.0.0.0/8,192.168.1.5", "192.168.1.6"));
        assert!(check("::ffff:10.0.0.1,10.0.0.1", "::ffff:10.0.0.1"));
        assert!(check("2001:db8::/32", "2001:db8:1::1"));
        assert!(!check("2001:db8::/32", "2001:db9::1"));
        assert!(check("0.0.0.0/0", "1.2.3.4"));
        for list in ["", "10.0.0.0/x", "*", "10.0.0.0/8 "] {
            assert!(!check(list, "10.0.0.1"), "{list:?}");
        }
    }
}
