//! Proof of possession: the key signed this token's hash, for this bastion, now.
//!
//! Pure. The signature is an armored SSHSIG as `ssh-keygen -Y sign -n sallyport` makes it, so that a
//! pipeline needs no program of ours.

use std::time::Duration;

use russh::keys::ssh_key::SshSig;
use russh::keys::{Algorithm, PublicKey};

use super::reason::Reason;
use crate::domain::Timestamp;
use crate::domain::binding::{PROOF_NAMESPACE, proof_message};

/// What a client sends to prove that it holds the key.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Armored SSHSIG.
    pub armored: String,
    /// The time in the signed message.
    pub time: Timestamp,
}

/// How far the proof's time may lie from ours, either way. One use is the token's business.
pub const WINDOW: Duration = Duration::from_secs(120);
const LIMIT_BYTES: usize = 8 * 1024;

impl Proof {
    /// Checks that `key` signed for `token` at `bastion`, close enough to `now`.
    pub fn check(&self, bastion: &str, token: &str, key: &PublicKey, now: Timestamp) -> Result<(), Reason> {
        if self.armored.len() > LIMIT_BYTES {
            return Err(Reason::ProofForm);
        }
        // Browsers and shells rewrite line ends; the armor does not care about them.
        let armored = self.armored.trim().replace("\r\n", "\n") + "\n";
        let signature = SshSig::from_pem(&armored).map_err(|_| Reason::ProofForm)?;
        if signature.version() != SshSig::VERSION || signature.namespace() != PROOF_NAMESPACE {
            return Err(Reason::ProofForm);
        }
        // `ssh-rsa` is SHA-1, and the library would take it.
        if signature.algorithm() == (Algorithm::Rsa { hash: None }) {
            return Err(Reason::ProofForm);
        }
        if signature.public_key() != key.key_data() {
            return Err(Reason::ProofKey);
        }
        if now.since(self.time) > WINDOW || self.time.since(now) > WINDOW {
            return Err(Reason::ProofTime);
        }
        let message = proof_message(bastion, token, self.time);
        key.verify(PROOF_NAMESPACE, message.as_bytes(), &signature).map_err(|_| Reason::Proof)
    }
}

#[cfg(test)]
mod tests {
    use russh::keys::PrivateKey;
    use russh::keys::ssh_key::{HashAlg, LineEnding};

    use super::*;
    use crate::signer::new_key;

    const NOW: Timestamp = Timestamp::from_secs(1_795_467_889);

    fn sign(key: &PrivateKey, namespace: &str, message: &str) -> Proof {
        let signature = key.sign(namespace, HashAlg::Sha512, message.as_bytes()).unwrap();
        Proof { armored: signature.to_pem(LineEnding::LF).unwrap(), time: NOW }
    }

    #[test]
    fn a_proof_holds_for_one_token_at_one_bastion_for_two_minutes() {
        let key = new_key("").unwrap();
        let proof = sign(&key, "sallyport", &proof_message("b.example", "token", NOW));
        let check = |bastion, token, now| proof.check(bastion, token, key.public_key(), now);
        assert_eq!(check("b.example", "token", NOW), Ok(()));
        assert_eq!(check("b.example", "token", NOW.plus(WINDOW)), Ok(()));
        assert_eq!(check("b.example", "token", NOW.plus(WINDOW + Duration::from_secs(1))), Err(Reason::ProofTime));
        assert_eq!(check("b.example", "token", NOW.minus(WINDOW + Duration::from_secs(1))), Err(Reason::ProofTime));
        assert_eq!(check("other.example", "token", NOW), Err(Reason::Proof));
        assert_eq!(check("b.example", "other", NOW), Err(Reason::Proof));
        let other = new_key("").unwrap();
        assert_eq!(proof.check("b.example", "token", other.public_key(), NOW), Err(Reason::ProofKey));
    }

    #[test]
    fn another_namespace_or_form_is_refused() {
        let key = new_key("").unwrap();
        let message = proof_message("b.example", "token", NOW);
        let check = |proof: Proof| proof.check("b.example", "token", key.public_key(), NOW);
        assert_eq!(check(sign(&key, "file", &message)), Err(Reason::ProofForm));
        assert_eq!(check(Proof { armored: "no".into(), time: NOW }), Err(Reason::ProofForm));
        assert_eq!(check(Proof { armored: "x".repeat(9000), time: NOW }), Err(Reason::ProofForm));
        let good = sign(&key, "sallyport", &message);
        assert_eq!(check(Proof { armored: good.armored.replace('\n', "\r\n"), ..good }), Ok(()));
    }
}
