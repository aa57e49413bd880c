//! An issuer's published keys, read once and with suspicion (RFC 7517).
//!
//! Pure. Keys that are weak, private, for encryption or not understood are left out; the key for a
//! token is found by `kid` and algorithm, or not at all.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use openidconnect::core::CoreJsonWebKey;
use serde_json::{Map, Value};

use super::super::profile::Algorithm;
use super::super::reason::Reason;
use super::raw::object;

/// The usable signing keys of one issuer.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<Key>);

#[derive(Clone, Debug)]
struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    core: CoreJsonWebKey,
}

/// More keys than this are not read.
const LIMIT: usize = 64;
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

impl KeySet {
    /// Reads a JWKS document. Keys that cannot be used are left out; no usable key at all is no fault here.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let document = object(bytes).ok()?;
        let Some(Value::Array(keys)) = document.get("keys") else { return None };
        Some(Self(keys.iter().take(LIMIT).filter_map(|key| read(key.as_object()?)).collect()))
    }

    /// The one key for a token with this header.
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Result<&CoreJsonWebKey, Reason> {
        // A name that two keys share is ambiguous even where their kinds differ: an issuer has lost count.
        let mut named = self.0.iter().filter(|key| kid.is_none() || key.kid.as_deref() == kid);
        match (named.next(), named.next()) {
            (None, _) => Err(Reason::UnknownKey),
            (Some(_), Some(_)) => Err(Reason::AmbiguousKey),
            (Some(key), None) if key.algorithm == algorithm => Ok(&key.core),
            (Some(_), None) => Err(Reason::UnknownKey),
        }
    }

    /// Whether there is one for this algorithm.
    pub fn has(&self, algorithm: Algorithm) -> bool {
        self.0.iter().any(|key| key.algorithm == algorithm)
    }

    /// How many usable keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn read(key: &Map<String, Value>) -> Option<Key> {
    let text = |name: &str| key.get(name).map(|value| value.as_str().unwrap_or("?"));
    // A published private key is nobody's word any more.
    if key.contains_key("d") || !matches!(text("use"), None | Some("sig")) {
        return None;
    }
    if let Some(operations) = key.get("key_ops") {
        operations.as_array()?.iter().find(|operation| operation.as_str() == Some("verify"))?;
    }
    let algorithm = match (text("kty")?, text("crv")) {
        ("RSA", _) => {
            let modulus = BASE64_URL_SAFE_NO_PAD.decode(text("n")?).ok()?;
            RSA_BITS.contains(&bits(&modulus)).then_some(Algorithm::Rs256)?
        }
        ("EC", Some("P-256")) => Algorithm::Es256,
        ("OKP", Some("Ed25519")) => Algorithm::EdDsa,
        _ => return None,
    };
    if text("alg").is_some_and(|alg| alg != algorithm.as_str()) {
        return None;
    }
    // Only what a public signing key needs goes on to the library.
    let mut plain = Map::new();
    for name in ["kty", "crv", "n", "e", "x", "y", "kid"] {
        if let Some(value) = key.get(name) {
            plain.insert(name.to_owned(), value.clone());
        }
    }
    plain.insert("use".to_owned(), "sig".into());
    let core = serde_json::from_value(Value::Object(plain)).ok()?;
    Some(Key { kid: text("kid").map(str::to_owned), algorithm, core })
}

fn bits(modulus: &[u8]) -> usize {
    let rest: &[u8] = modulus.iter().position(|&b| b != 0).and_then(|at| modulus.get(at..)).unwrap_or_default();
    rest.first().map_or(0, |first| rest.len() * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa(bytes: usize, more: &str) -> String {
        let modulus = BASE64_URL_SAFE_NO_PAD.encode([&[0x00, 0xc1], vec![0x11; bytes - 1].as_slice()].concat());
        format!(r#"{{"kty":"RSA","n":"{modulus}","e":"AQAB"{more}}}"#)
    }

    #[track_caller]
    fn usable(key: &str, expected: usize) {
        let set = KeySet::parse(format!(r#"{{"keys":[{key}]}}"#).as_bytes()).unwrap();
        assert_eq!(set.len(), expected, "{key}");
    }

    #[test]
    fn weak_private_and_foreign_keys_are_left_out() {
        usable(&rsa(256, ""), 1);
        usable(&rsa(256, r#","use":"sig","alg":"RS256","key_ops":["verify"]"#), 1);
        usable(&rsa(128, ""), 0);
        usable(&rsa(255, ""), 0);
        usable(&rsa(1025, ""), 0);
        usable(&rsa(256, r#","use":"enc""#), 0);
        usable(&rsa(256, r#","alg":"RSA-OAEP""#), 0);
        usable(&rsa(256, r#","alg":"HS256""#), 0);
        usable(&rsa(256, r#","d":"AQAB""#), 0);
        usable(&rsa(256, r#","key_ops":["encrypt"]"#), 0);
        usable(r#"{"kty":"oct","k":"c2VjcmV0","kid":"k"}"#, 0);
        usable(r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#, 0);
    }

    #[test]
    fn two_keys_with_one_name_are_ambiguous() {
        let one = rsa(256, r#","kid":"a""#);
        let set = KeySet::parse(format!(r#"{{"keys":[{one},{one}]}}"#).as_bytes()).unwrap();
        assert_eq!(set.find(Some("a"), Algorithm::Rs256).unwrap_err(), Reason::AmbiguousKey);
        assert_eq!(set.find(Some("b"), Algorithm::Rs256).unwrap_err(), Reason::UnknownKey);
        assert_eq!(set.find(None, Algorithm::Rs256).unwrap_err(), Reason::AmbiguousKey);
    }

    #[test]
    fn a_document_that_can_be_read_two_ways_is_not_read() {
        assert!(KeySet::parse(br#"{"keys":[],"keys":[]}"#).is_none());
        assert!(KeySet::parse(b"[]").is_none());
        assert!(KeySet::parse(br#"{"keys":{}}"#).is_none());
    }
}
