//! Keys of the demo issuer: sign compact JWTs, publish a key set.
//!
//! Signs whatever it is given, bad claims too; judges nothing.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::Error;

/// The two issuers of one demo issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Realm {
    /// People.
    Corp,
    /// Pipelines.
    Actions,
}

impl Realm {
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Corp => "corp",
            Self::Actions => "actions",
        }
    }
}

/// How a realm signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSA with 2048 bits.
    Rs256,
}

impl Algorithm {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }
}

/// A realm's signing key, and the set it publishes.
pub(super) struct Keys {
    algorithm: Algorithm,
    pair: Pair,
    kid: String,
    published: Vec<Value>,
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Keys {
    pub(super) fn new(algorithm: Algorithm) -> Result<Self, Error> {
        let pair = match algorithm {
            Algorithm::Es256 => Pair::Ecdsa(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?),
            Algorithm::EdDsa => Pair::Ed25519(Ed25519KeyPair::generate()?),
            Algorithm::Rs256 => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048)?),
        };
        let kid = random_text()?;
        let mut jwk = pair.public();
        for (name, value) in [("kid", kid.as_str()), ("alg", algorithm.name()), ("use", "sig")] {
            jwk.insert(name.to_owned(), value.into());
        }
        Ok(Self { algorithm, pair, kid, published: vec![Value::Object(jwk)] })
    }

    pub(super) fn rotate(&mut self, keep: bool) -> Result<(), Error> {
        let old = std::mem::replace(self, Self::new(self.algorithm)?);
        if keep {
            self.published.extend(old.published);
        }
        Ok(())
    }

    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(super) fn published(&self) -> Value {
        json!({ "keys": self.published })
    }

    pub(super) fn sign(&self, header: &Map<String, Value>, claims: &Map<String, Value>) -> Result<String, Error> {
        let mut full = Map::new();
        for (name, value) in [("alg", self.algorithm.name()), ("typ", "JWT"), ("kid", self.kid.as_str())] {
            full.insert(name.to_owned(), value.into());
        }
        full.extend(header.clone());
        let part = |map: &Map<String, Value>| BASE64_URL_SAFE_NO_PAD.encode(Value::Object(map.clone()).to_string());
        let signed = format!("{}.{}", part(&full), part(claims));
        let signature = self.pair.sign(signed.as_bytes())?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

impl Pair {
    fn public(&self) -> Map<String, Value> {
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let jwk = match self {
            Self::Ecdsa(pair) => {
                // SEC 1 §2.3.3: 0x04, then both coordinates.
                let (x, y) = pair.public_key().as_ref().split_at_checked(33).unwrap_or_default();
                json!({ "kty": "EC", "crv": "P-256", "x": text(x.get(1..).unwrap_or_default()), "y": text(y) })
            }
            Self::Ed25519(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) }),
            Self::Rsa(pair) => {
                // RFC 8017 §A.1.1 in DER; the lengths are those of 2048 bits: 9 bytes of framing and sign,
                // 256 of modulus, 2 of framing, then the exponent.
                let der = pair.public_key().as_ref();
                let (n, e) = (der.get(9..265).unwrap_or_default(), der.get(267..).unwrap_or_default());
                json!({ "kty": "RSA", "n": text(n), "e": text(e) })
            }
        };
        match jwk {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        match self {
            Self::Ecdsa(pair) => Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec()),
            Self::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
        }
    }
}

/// 128 random bits as text.
pub(super) fn random_text() -> Result<String, Error> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
}

impl From<aws_lc_rs::error::Unspecified> for Error {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Key
    }
}
