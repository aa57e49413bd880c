//! What ties an ID token to one SSH key: the texts that both sides of a sign-in compute.
//!
//! Pure. Whether a tie holds is judged in `identity`; a user's machine only makes them.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::{Digest, Timestamp};

/// Namespace of every SSHSIG made for the bastion: `ssh-keygen -Y sign -n sallyport`.
pub const PROOF_NAMESPACE: &str = "sallyport";

/// The message that the key signs to prove that its holder wants a certificate for this token:
///
/// ```text
/// sallyport-proof-v1
/// <bastion name>
/// <SHA-256 of the token as sent, 64 hex digits>
/// <whole seconds since 1970>
/// ```
///
/// Every line ends with a newline. `ssh-keygen -Y sign -n sallyport` signs it as it is.
pub fn proof_message(bastion: &str, token: &str, at: Timestamp) -> String {
    format!("sallyport-proof-v1\n{bastion}\n{}\n{}\n", Digest::of(token.as_bytes()), at.secs())
}

/// The nonce of a person's sign-in: `base64url(SHA-256("sallyport-bind-v1" || key blob || random))`.
///
/// `key` is the public key's wire form (RFC 4253 §6.6). A stolen token is useless with another key.
pub fn nonce(key: &[u8], random: &[u8; 32]) -> String {
    let mut text = b"sallyport-bind-v1".to_vec();
    text.extend_from_slice(key);
    text.extend_from_slice(random);
    BASE64_URL_SAFE_NO_PAD.encode(Digest::of(&text).0)
}

/// The audience of a token that is bound to no key.
pub fn audience(bastion: &str) -> String {
    format!("https://{bastion}/ssh")
}

/// The audience that binds a pipeline's token to a key; `fingerprint` as `ssh-keygen -l` prints it (`SHA256:…`).
pub fn bound_audience(bastion: &str, fingerprint: &str) -> String {
    let base64 = fingerprint.strip_prefix("SHA256:").unwrap_or(fingerprint);
    format!("{}#sha256:{base64}", audience(bastion))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_as_documented() {
        assert_eq!(
            proof_message("bastion.example.com", "abc", Timestamp::from_secs(1_795_467_889)),
            "sallyport-proof-v1\nbastion.example.com\n\
             ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n1795467889\n"
        );
        assert_eq!(bound_audience("b.example", "SHA256:AbC+/"), "https://b.example/ssh#sha256:AbC+/");
        assert_eq!(nonce(b"key", &[7; 32]).len(), 43);
        assert_ne!(nonce(b"key", &[7; 32]), nonce(b"kez", &[7; 32]));
    }
}
