//! Why a sign-in is refused: one closed table of stable codes, and what a stranger may hear of each.

use std::borrow::Cow;
use std::fmt;

use crate::domain::Disclose;

macro_rules! reasons {
    ($($(#[$meta:meta])* $name:ident $code:literal $hint:literal;)*) => {
        /// Why a sign-in is refused. A code never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$meta])* $name),* }

        impl Reason {
            /// Every reason, for the table in the docs and its test.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The stable code, as it stands in records and replies.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            fn hint(self) -> &'static str {
                match self { $(Self::$name => $hint),* }
            }
        }
    };
}

reasons! {
    /// RSA under 2048 bits.
    KeyWeak "key-weak" "use an Ed25519 key, or RSA with 2048 bits or more";
    /// DSA or something unknown.
    KeyKind "key-kind" "use an Ed25519, ECDSA or RSA key";
    /// A certificate stands where a key must.
    KeyIsCertificate "key-is-certificate" "send the public key, not a certificate";

    /// Over 16 KiB.
    TokenTooLong "token-too-long" "the token is longer than 16 KiB";
    /// Not three parts of strict base64url.
    TokenShape "token-shape" "this is not an ID token";
    /// Header or claims are not one JSON object each, or nest too deep.
    TokenJson "token-json" "this is not an ID token";
    /// A name stands twice in one object.
    TokenDuplicate "token-duplicate-name" "the token has a name twice";
    /// `none`, a symmetric algorithm, or one that this issuer does not use here.
    Algorithm "algorithm" "the token is signed in a way that is not accepted for this issuer";
    /// `typ` is there and not `JWT`.
    TokenType "token-type" "send the ID token, not an access token";
    /// `jku`, `x5u`, `jwk`, `crit` or another header that changes how to read it.
    Header "token-header" "the token's header has fields that are not accepted";
    /// `iss` is none of ours, byte for byte.
    UnknownIssuer "unknown-issuer" "the token is from an issuer that this bastion does not know";

    /// The issuer's keys cannot be had, and the cached ones are too old.
    KeysUnavailable "issuer-keys-unavailable" "the issuer cannot be reached: try again later";
    /// The issuer has no key with that `kid` that fits the algorithm.
    UnknownKey "unknown-key" "the token's signing key is not among the issuer's";
    /// The issuer has two keys that could be meant.
    AmbiguousKey "ambiguous-key" "the issuer publishes two keys with one name";
    /// The signature is wrong.
    Signature "signature" "the token's signature is wrong";
    /// `aud` does not hold what it must.
    Audience "audience" "the token is for somebody else: check its audience";
    /// `aud` holds more than it may.
    ForeignAudience "foreign-audience" "the token is for somebody else too: ask for one audience only";
    /// `azp` names another client.
    AuthorizedParty "authorized-party" "the token was given to another client";
    /// A registered claim has the wrong form.
    ClaimForm "claim-form" "a claim of the token has the wrong form";

    /// After `exp`.
    Expired "expired" "the token has expired: get a new one";
    /// Before `nbf`.
    NotYet "not-yet-valid" "the token is not valid yet: check the clocks";
    /// `iat` lies ahead.
    FromTheFuture "from-the-future" "the token is from the future: check the clocks";
    /// Older than the profile allows.
    TooOld "too-old" "the token is too old: get a new one";
    /// An access or refresh token by its own word.
    NotAnIdToken "not-an-id-token" "send the ID token, not an access token";
    /// The nonce is not the one of this key.
    Nonce "nonce" "the token is bound to another key";
    /// There is no nonce, and this issuer's device flow is not allowed.
    NonceMissing "nonce-missing" "the token has no nonce: sign in with sallyport login";
    /// The audience names another key.
    BoundToAnotherKey "bound-to-another-key" "the token is bound to another key";
    /// The proof of possession is no armored SSHSIG of ours.
    ProofForm "proof-form" "the proof is not a signature as ssh-keygen -Y sign -n sallyport makes it";
    /// The proof is by another key.
    ProofKey "proof-key" "the proof is by another key";
    /// The proof is too old or ahead.
    ProofTime "proof-time" "the proof is too old: check the clocks and sign again";
    /// The proof does not verify.
    Proof "proof" "the proof does not verify: check the signed message";
    /// It was used before.
    Replayed "replayed" "the token was used before: get a new one";
    /// Another key was shown for the same job.
    SecondKeyForJob "second-key-for-job" "this job signed in with another key before";
    /// The tenant is not one of those configured.
    Tenant "tenant" "the token is from a tenant that this bastion does not know";
    /// A claim that the profile needs is absent.
    ClaimMissing "claim-missing" "the token lacks a claim that this bastion needs";
    /// A claim that must have a value has another.
    ClaimValue "claim-value" "a claim of the token has a value that is not accepted";
    /// The subject is empty or too long.
    Subject "subject" "the token has no usable subject";
    /// The groups are no array of strings.
    GroupsForm "groups-form" "the token's groups have the wrong form";
    /// More groups than the bound, or longer ones.
    GroupsTooMany "groups-too-many" "the token has too many groups: limit them at the issuer";
    /// The issuer left the groups out and gave a link.
    GroupsOverage "groups-overage" "the token leaves its groups out: limit them at the issuer";

    /// The identity was revoked.
    IdentityRevoked "identity-revoked" "access was revoked";
}

impl Disclose for Reason {
    fn disclose(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.hint())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.as_str(), self.hint())
    }
}

impl From<crate::signer::KeyFault> for Reason {
    fn from(fault: crate::signer::KeyFault) -> Self {
        match fault {
            crate::signer::KeyFault::Weak => Self::KeyWeak,
            crate::signer::KeyFault::Kind => Self::KeyKind,
            crate::signer::KeyFault::Certificate => Self::KeyIsCertificate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_there_once() {
        let mut codes: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        let count = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), count);
        assert!(Reason::ALL.iter().all(|reason| reason.disclose().is_ascii()));
    }
}
