//! Request and reply shapes of `/v1`, shared by the bastion (`http`) and a user's machine (`client`).
//!
//! Shapes and constants only: nothing here checks, signs or fetches. A token never shows in `Debug`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Trades an ID token for a certificate.
pub const CERTIFICATES_PATH: &str = "/v1/certificates";
/// The authorities' public keys, a line each: see [`ca_lines`]. `/v1/ca/user`, `/v1/ca/target` and
/// `/v1/ca/host` give one bare OpenSSH line, fit for `TrustedUserCAKeys` or `@cert-authority`.
pub const CA_PATH: &str = "/v1/ca";
/// How to sign in here: [`SignInOffer`].
pub const SIGN_IN_PATH: &str = "/v1/sign-in";

/// `grant_type` (RFC 8693 §2.1).
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// `subject_token_type` (RFC 8693 §3).
pub const ID_TOKEN_TYPE: &str = "urn:ietf:params:oauth:token-type:id_token";
/// `requested_token_type` and `issued_token_type`.
pub const CERTIFICATE_TYPE: &str = "urn:sallyport:params:token-type:ssh-user-certificate";
/// `token_type` of the reply (RFC 8693 §2.2.1: what is issued is no access token).
pub const NOT_APPLICABLE: &str = "N_A";
/// Media type of a refusal (RFC 9457).
pub const PROBLEM_TYPE: &str = "application/problem+json";
/// The longest request body that is read.
pub const REQUEST_LIMIT_BYTES: usize = 16 * 1024;

/// The body of `POST /v1/certificates`, as `application/x-www-form-urlencoded`.
#[derive(Clone, Serialize, Deserialize)]
pub struct CertificateRequest {
    /// [`GRANT_TYPE`].
    pub grant_type: String,
    /// The ID token.
    pub subject_token: String,
    /// [`ID_TOKEN_TYPE`].
    pub subject_token_type: String,
    /// [`CERTIFICATE_TYPE`]; may be left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_token_type: Option<String>,
    /// The key to certify, as a line of OpenSSH text.
    pub public_key: String,
    /// Armored SSHSIG by that key, namespace `sallyport`, over `domain::binding::proof_message`.
    pub proof: String,
    /// The time in the signed message: whole seconds since 1970, or RFC 3339.
    pub proof_time: String,
    /// base64url of the 32 random bytes in the token's nonce, where the nonce binds the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce_random: Option<String>,
    /// How the token was got: `local` (default for people), `device` or `ci`. It can only make the
    /// sign-in count for less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow: Option<String>,
}

impl fmt::Debug for CertificateRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateRequest")
            .field("subject_token", &format_args!("({} bytes)", self.subject_token.len()))
            .field("public_key", &self.public_key)
            .field("flow", &self.flow)
            .finish_non_exhaustive()
    }
}

/// The reply of `POST /v1/certificates`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateReply {
    /// The certificate, as a line of OpenSSH text.
    pub access_token: String,
    /// [`CERTIFICATE_TYPE`].
    pub issued_token_type: String,
    /// [`NOT_APPLICABLE`].
    pub token_type: String,
    /// Seconds until the certificate ends.
    pub expires_in: u64,
    /// The certificate's one principal: `issuer/base64url(subject)`.
    pub principal: String,
    /// Who that is, for people.
    pub name: String,
    /// When the certificate ends, RFC 3339.
    pub valid_before: String,
    /// Its serial.
    pub serial: u64,
    /// Record of the sign-in in the ledger.
    pub record: String,
    /// The bastion's name in host certificates and messages.
    pub bastion: String,
    /// The line to try next.
    pub ssh_example: String,
}

/// The reply of `GET /v1/sign-in`: what a client needs to ask an issuer for a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInOffer {
    /// The bastion's name: it stands in the proof and in audiences.
    pub bastion: String,
    /// The issuers that are trusted here.
    pub issuers: Vec<IssuerOffer>,
}

/// One issuer of a [`SignInOffer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerOffer {
    /// The bastion's short name for it.
    pub name: String,
    /// Its `iss`; discovery starts there.
    pub issuer: String,
    /// `person` or `pipeline`.
    pub kind: String,
    /// OAuth client of a person's sign-in (a public client; no secret).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Scopes to ask for, beside `openid`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// Whether its device flow may be used.
    #[serde(default)]
    pub device: bool,
}

/// A refusal (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `urn:sallyport:problem:<code>`.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short phrase.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What to do next.
    pub detail: String,
    /// A stable word for programs.
    pub code: String,
    /// The same reference stands in the bastion's log and, where there is one, in its ledger.
    pub reference: String,
}

/// The body of `GET /v1/ca` from (authority, OpenSSH line) pairs. The word in front keeps the file
/// from being used whole as `TrustedUserCAKeys`, where it would trust too much.
pub fn ca_lines<'a>(keys: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    keys.into_iter().map(|(authority, line)| format!("{authority} {}\n", line.trim())).collect()
}

/// The OpenSSH line of `authority` (`user`, `target` or `host`) in the body of `GET /v1/ca`.
pub fn ca_line<'a>(body: &'a str, authority: &str) -> Option<&'a str> {
    body.lines().find_map(|line| line.strip_prefix(authority)?.strip_prefix(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ca_line_is_found_by_its_authority() {
        let body = ca_lines([("user", "ssh-ed25519 AAAA u"), ("host", "ssh-ed25519 BBBB h\n")]);
        assert_eq!(ca_line(&body, "host"), Some("ssh-ed25519 BBBB h"));
        assert_eq!(ca_line(&body, "target"), None);
    }

    #[test]
    fn a_request_never_shows_its_token_in_debug() {
        let request = CertificateRequest {
            grant_type: GRANT_TYPE.into(),
            subject_token: "eyJsecret".into(),
            subject_token_type: ID_TOKEN_TYPE.into(),
            requested_token_type: None,
            public_key: "ssh-ed25519 AAAA".into(),
            proof: "proof".into(),
            proof_time: "1".into(),
            nonce_random: None,
            flow: None,
        };
        assert!(!format!("{request:?}").contains("eyJ"));
    }
}
