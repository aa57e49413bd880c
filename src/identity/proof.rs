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

/// How it is known that a client holds the key.
#[derive(Clone, Debug)]
pub enum Proof {
    /// It sent a signature.
    Signed {
        /// Armored SSHSIG.
        armored: String,
        /// The time in the signed message.
        time: Timestamp,
    },
    /// It signed in the exchange of the SSH connection on which the sign-in goes on (RFC 4252 §7).
    OnConnection,
}

/// How far the proof's time may lie from ours, either way. One use is the token's business.
pub const WINDOW: Duration = Duration::from_secs(120);
const LIMIT_BYTES: usize = 8 * 1024;

impl Proof {
    /// Checks that `key` signed for `token` at `bastion`, close enough to `now`.
    pub fn check(&self, bastion: &str, token: &str, key: &PublicKey, now: Timestamp) -> Result<(), Reason> {
        match self {
            Self::Signed { armored, time } => check(armored, *time, bastion, token, key, now),
            Self::OnConnection => Ok(()),
        }
    }
}

fn check(
    armored: &str,
    time: Timestamp,
    bastion: &str,
    token: &str,
    key: &PublicKey,
    now: Timestamp,
) -> Result<(), Reason> {
    if armored.len() > LIMIT_BYTES {
        return Err(Reason::ProofForm);
    }
    // Browsers and shells rewrite line ends; the armor does not care about them.
    let armored = armored.trim().replace("\r\n", "\n") + "\n";
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
    if now.since(time) > WINDOW || time.since(now) > WINDOW {
        return Err(Reason::ProofTime);
    }
    let message = proof_message(bastion, token, time);
    key.verify(PROOF_NAMESPACE, message.as_bytes(), &signature).map_err(|_| Reason::Proof)
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
        Proof::Signed { armored: signature.to_pem(LineEnding::LF).unwrap(), time: NOW }
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
        assert_eq!(check(Proof::Signed { armored: "no".into(), time: NOW }), Err(Reason::ProofForm));
        assert_eq!(check(Proof::Signed { armored: "x".repeat(9000), time: NOW }), Err(Reason::ProofForm));
        let Proof::Signed { armored, time } = sign(&key, "sallyport", &message) else { panic!() };
        assert_eq!(check(Proof::Signed { armored: armored.replace('\n', "\r\n"), time }), Ok(()));
    }

    /// As OpenSSH 9 made it; the private keys were thrown away.
    #[test]
    fn a_proof_made_by_ssh_keygen_alone_is_taken() {
        for (key, armored) in SSH_KEYGEN {
            let key = PublicKey::from_openssh(key).unwrap();
            let proof = Proof::Signed { armored: (*armored).to_owned(), time: NOW };
            assert_eq!(proof.check("bastion.example.com", "token", &key, NOW), Ok(()), "{}", key.algorithm());
            assert_eq!(proof.check("bastion.example.com", "other", &key, NOW), Err(Reason::Proof));
        }
    }

    const SSH_KEYGEN: &[(&str, &str)] = &[
        (
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPdak8p/i4SoqHUHyp7TNW4hvd1uhv7wuCbiEEWMDB2g throw-away",
            "-----BEGIN SSH SIGNATURE-----\n\
             U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAg91qTyn+LhKiodQfKntM1biG93W\n\
             6G/vC4JuIQRYwMHaAAAAAJc2FsbHlwb3J0AAAAAAAAAAZzaGE1MTIAAABTAAAAC3NzaC1l\n\
             ZDI1NTE5AAAAQIcu5xuoEgRpQ01OjMXdnN2q7X9i1ktOGwTD6rlwSdLlDYXTb76SMEzIk/\n\
             XSTU+lvknIk+2g+Nx8+THz8iibNwI=\n\
             -----END SSH SIGNATURE-----\n",
        ),
        (
            "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC2useQcJTsVHBVH5sBjz+wArQuVOv7lxLymCwJlAmU3KgD1vVwPZfdtKEDaP0V6pOQCy1w4JOappiT1linn93VAIhtz12rO3lMHZQPPv4a6kx5FNuxxTxZ6y+cd1Y11ZRJYU+dBLejesEqMR54tq5g/Dic9Him9/XeGx9kUexMUvyrSjV5QB8I6O9GdJZQAayeX2MH10mkxLAr2R9yz1QZ878k42J46uehMqym0JoIb1CvFGs+RH6PYIgvM6NLmKw24ScWZSU9awBNj7apZ5KySNzakeXoI/36Y2HeEwbr7/vHWwElTTO31fZaOCIN6zYtA89zEvF3x6SP2f13gp43531JLK0PriIh6RM5/pIibUySjDuZErl/A7SXNr2+qTVjQz4IVadyw8AnEMplstuqqflolSRjAJ3cMSc8a02yYX1BGYJ4c1zivBBSVHwY8jM9SaCo3bKKDVE21hztJRfxvILh7+poz0DVeWFqvC15BF6yiz8x2CnjcBR97h8hHG0= throw-away",
            "-----BEGIN SSH SIGNATURE-----\n\
             U1NIU0lHAAAAAQAAAZcAAAAHc3NoLXJzYQAAAAMBAAEAAAGBALa6x5BwlOxUcFUfmwGPP7\n\
             ACtC5U6/uXEvKYLAmUCZTcqAPW9XA9l920oQNo/RXqk5ALLXDgk5qmmJPWWKef3dUAiG3P\n\
             Xas7eUwdlA8+/hrqTHkU27HFPFnrL5x3VjXVlElhT50Et6N6wSoxHni2rmD8OJz0eKb39d\n\
             4bH2RR7ExS/KtKNXlAHwjo70Z0llABrJ5fYwfXSaTEsCvZH3LPVBnzvyTjYnjq56EyrKbQ\n\
             mghvUK8Uaz5Efo9giC8zo0uYrDbhJxZlJT1rAE2PtqlnkrJI3NqR5egj/fpjYd4TBuvv+8\n\
             dbASVNM7fV9lo4Ig3rNi0Dz3MS8XfHpI/Z/XeCnjfnfUksrQ+uIiHpEzn+kiJtTJKMO5kS\n\
             uX8DtJc2vb6pNWNDPghVp3LDwCcQymWy26qp+WiVJGMAndwxJzxrTbJhfUEZgnhzXOK8EF\n\
             JUfBjyMz1JoKjdsooNUTbWHO0lF/G8guHv6mjPQNV5YWq8LXkEXrKLPzHYKeNwFH3uHyEc\n\
             bQAAAAlzYWxseXBvcnQAAAAAAAAABnNoYTUxMgAAAZQAAAAMcnNhLXNoYTItNTEyAAABgB\n\
             maQohCz4kL0nd30IbG/9+n4lkc8wtmzjEUoyLlCYQIO+xXamBVB3vGnK1hc2aXfOQ4oMyx\n\
             9HIViK4CT/toGnC32TV+3FctkVG3P76/bsZNn/pQ7m5w024nUv8sh199As1AfZPknnN7lT\n\
             VWxrsRbHsjxSjiXQX0VV4KhOKxKfqkmPOAU3BUUDmHyq8jA6LXJyuCQfCVrXIzezxPWYuG\n\
             lePDKANYfvMaip5ynhu25s7zmvNBRu6w/fyEi474537PrYgl8Tu7gYIWddYEPJy4njcEGd\n\
             JQYeiSRYPUx6DCDeGZI11+eI6MTEcmCdlxSakOkZoTIC4YeNR1NngRe7OGugszkA7UwD0E\n\
             aMjlx0Z0U3DjiRXVfPgb0Esw8bcNeLk1M2/VHZ6+t+WihennrZJSGRlVnm9qYBV8jMUcTQ\n\
             b1zM+Z/i5saFmRaCmmGM8CVD+rxwNp4009NVMBFbLMJQpXSZWWL+3bbLsoR4KiYcBToZYv\n\
             BQdHOjLuFQWdSV4pnKakQQ==\n\
             -----END SSH SIGNATURE-----\n",
        ),
        (
            "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBDxSTAICsnUcxR/cP3RvVBeCp0UmYzpAKs27IafFowHwkuRJJlP9Kpbz1Gx7tk3+yJHJBZd1ZzKg9/zrjCUJVFc= throw-away",
            "-----BEGIN SSH SIGNATURE-----\n\
             U1NIU0lHAAAAAQAAAGgAAAATZWNkc2Etc2hhMi1uaXN0cDI1NgAAAAhuaXN0cDI1NgAAAE\n\
             EEPFJMAgKydRzFH9w/dG9UF4KnRSZjOkAqzbshp8WjAfCS5EkmU/0qlvPUbHu2Tf7IkckF\n\
             l3VnMqD3/OuMJQlUVwAAAAlzYWxseXBvcnQAAAAAAAAABnNoYTUxMgAAAGQAAAATZWNkc2\n\
             Etc2hhMi1uaXN0cDI1NgAAAEkAAAAgFo0two/5rWKec38IfyZr0/8z7lkiJEjLyK6ccCHO\n\
             yd0AAAAhAPYtYRAqBp6qh/8F9x6Gq5o3tuZ9ePSVVFIX9H4D78xc\n\
             -----END SSH SIGNATURE-----\n",
        ),
    ];
}
