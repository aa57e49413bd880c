//! An ID token as bytes from a stranger: what is checked before any library or network sees it.
//!
//! Pure, bounded, and fit for a fuzzer. What comes out is well formed and *believed by nobody*: no
//! signature has been looked at.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::super::profile::Algorithm;
use super::super::reason::Reason;
use crate::domain::Digest;

/// The longest token that is read.
pub const LIMIT_BYTES: usize = 16 * 1024;
/// How deep objects and arrays may nest.
const LIMIT_DEPTH: usize = 8;
const LIMIT_KID_BYTES: usize = 256;

/// A well-formed token that nobody vouches for.
#[derive(Clone)]
pub struct Raw {
    pub(super) text: zeroize::Zeroizing<String>,
    /// SHA-256 of `header.payload`. One-time use goes by this: an ECDSA signature has a second spelling.
    pub digest: Digest,
    /// The header's algorithm.
    pub algorithm: Algorithm,
    /// The header's key id.
    pub kid: Option<String>,
    /// Who says to have issued it.
    pub issuer: String,
    pub(super) claims: Map<String, Value>,
}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Raw({})", self.digest)
    }
}

/// What one-time use goes by, for a token of any shape.
pub fn digest(token: &[u8]) -> Digest {
    let end = token.iter().rposition(|&b| b == b'.').unwrap_or(token.len());
    Digest::of(token.get(..end).unwrap_or(token))
}

/// The raw group of checks. Never fetches, never panics, and takes time in proportion to the length.
pub fn raw_checks(token: &[u8]) -> Result<Raw, Reason> {
    if token.len() > LIMIT_BYTES {
        return Err(Reason::TokenTooLong);
    }
    let text = std::str::from_utf8(token).map_err(|_| Reason::TokenShape)?;
    let mut parts = text.split('.');
    let (Some(header), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Reason::TokenShape);
    };
    // Strict: no padding, no other alphabet, no loose bits at the end, so one token has one spelling.
    let decode = |part: &str| match part.is_empty() {
        true => Err(Reason::TokenShape),
        false => BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| Reason::TokenShape),
    };
    // An empty signature is `alg: none`, which has its own reason below.
    let (header, payload) = (decode(header)?, decode(payload)?);
    if !signature.is_empty() {
        decode(signature)?;
    }

    let header = object(&header)?;
    for name in header.keys() {
        // What would fetch or bring a key, change how to read the rest, or is not understood.
        if matches!(name.as_str(), "jku" | "x5u" | "jwk" | "crit" | "b64" | "enc" | "zip" | "cty") {
            return Err(Reason::Header);
        }
    }
    let algorithm = match header.get("alg") {
        Some(Value::String(alg)) => {
            Algorithm::ALL.into_iter().find(|known| known.as_str() == alg).ok_or(Reason::Algorithm)?
        }
        _ => return Err(Reason::Algorithm),
    };
    match header.get("typ") {
        None => {}
        Some(Value::String(typ)) if typ.eq_ignore_ascii_case("JWT") => {}
        Some(_) => return Err(Reason::TokenType),
    }
    let kid = match header.get("kid") {
        None => None,
        Some(Value::String(kid)) if kid.len() <= LIMIT_KID_BYTES => Some(kid.clone()),
        Some(_) => return Err(Reason::Header),
    };
    if signature.is_empty() {
        return Err(Reason::Signature);
    }

    let claims = object(&payload)?;
    let Some(Value::String(issuer)) = claims.get("iss") else { return Err(Reason::UnknownIssuer) };
    Ok(Raw {
        digest: digest(token),
        text: zeroize::Zeroizing::new(text.to_owned()),
        algorithm,
        kid,
        issuer: issuer.clone(),
        claims,
    })
}

/// Reads one JSON object, refusing names that stand twice and deep nesting. Also for keys of issuers.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, Reason> {
    match serde_json::from_slice(bytes) {
        Ok(Strict(Value::Object(map))) => Ok(map),
        Ok(_) => Err(Reason::TokenJson),
        Err(error) if error.to_string().starts_with(DUPLICATE) => Err(Reason::TokenDuplicate),
        Err(_) => Err(Reason::TokenJson),
    }
}

const DUPLICATE: &str = "a name stands twice";

/// A JSON value read so that it cannot be read two ways.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Depth(LIMIT_DEPTH).deserialize(deserializer).map(Self)
    }
}

#[derive(Clone, Copy)]
struct Depth(usize);

impl Depth {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        self.0.checked_sub(1).map(Self).ok_or_else(|| E::custom("nests too deep"))
    }
}

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = seq.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(inner)?;
            if values.insert(name, value).is_some() {
                return Err(A::Error::custom(DUPLICATE));
            }
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(header), BASE64_URL_SAFE_NO_PAD.encode(payload))
    }

    #[track_caller]
    fn check(header: &str, payload: &str, expected: Result<(), Reason>) {
        assert_eq!(raw_checks(token(header, payload).as_bytes()).map(|_| ()), expected, "{header} {payload}");
    }

    const HEADER: &str = r#"{"alg":"RS256","typ":"JWT","kid":"k"}"#;
    const CLAIMS: &str = r#"{"iss":"https://issuer.example","sub":"a"}"#;

    #[test]
    fn a_well_formed_token_passes() {
        check(HEADER, CLAIMS, Ok(()));
        check(r#"{"alg":"ES256"}"#, CLAIMS, Ok(()));
        check(r#"{"alg":"EdDSA","kid":"../../etc/passwd"}"#, CLAIMS, Ok(()));
    }

    #[test]
    fn a_bad_header_has_its_own_reason() {
        for alg in ["none", "None", "HS256", "HS512", "rs256", "RS1", ""] {
            check(&format!(r#"{{"alg":"{alg}"}}"#), CLAIMS, Err(Reason::Algorithm));
        }
        check("{}", CLAIMS, Err(Reason::Algorithm));
        check(r#"{"alg":["RS256"]}"#, CLAIMS, Err(Reason::Algorithm));
        for name in ["jku", "x5u", "jwk", "crit", "b64", "enc", "zip", "cty"] {
            check(&format!(r#"{{"alg":"RS256","{name}":"x"}}"#), CLAIMS, Err(Reason::Header));
        }
        check(r#"{"alg":"RS256","typ":"at+jwt"}"#, CLAIMS, Err(Reason::TokenType));
        check(r#"{"alg":"RS256","kid":7}"#, CLAIMS, Err(Reason::Header));
        check(r#"{"alg":"RS256","alg":"none"}"#, CLAIMS, Err(Reason::TokenDuplicate));
        check("[]", CLAIMS, Err(Reason::TokenJson));
    }

    #[test]
    fn bad_claims_have_their_own_reason() {
        check(HEADER, r#"{"iss":"a","sub":"x","sub":"y"}"#, Err(Reason::TokenDuplicate));
        check(HEADER, r#"{"iss":"a","deep":{"a":1,"a":2}}"#, Err(Reason::TokenDuplicate));
        check(HEADER, r#"{"iss":"a","\u0069ss":"b"}"#, Err(Reason::TokenDuplicate));
        check(HEADER, r#"{"iss":["a"]}"#, Err(Reason::UnknownIssuer));
        check(HEADER, "{}", Err(Reason::UnknownIssuer));
        check(HEADER, "{} {}", Err(Reason::TokenJson));
        check(HEADER, &format!(r#"{{"iss":"a","deep":{}{}}}"#, "[".repeat(9), "]".repeat(9)), Err(Reason::TokenJson));
        check(HEADER, &format!(r#"{{"iss":"a","deep":{}"#, "[".repeat(8000)), Err(Reason::TokenJson));
    }

    #[test]
    fn another_spelling_of_the_same_bytes_is_refused() {
        let good = token(HEADER, CLAIMS);
        let (head, _) = good.rsplit_once('.').unwrap();
        let reason = |text: &str| raw_checks(text.as_bytes()).map(|_| ()).unwrap_err();
        assert_eq!(reason(&format!("{good}=")), Reason::TokenShape);
        assert_eq!(reason(&format!(" {good}")), Reason::TokenShape);
        assert_eq!(reason(&format!("{good}\n")), Reason::TokenShape);
        assert_eq!(reason(&format!("{good}.x")), Reason::TokenShape);
        assert_eq!(reason(&format!("{head}.c2l")), Reason::TokenShape, "loose bits at the end");
        assert_eq!(reason(&format!("{head}.")), Reason::Signature);
        assert_eq!(reason(""), Reason::TokenShape);
        assert_eq!(reason(&"a".repeat(LIMIT_BYTES + 1)), Reason::TokenTooLong);
    }

    #[test]
    fn one_time_use_does_not_see_the_signature() {
        let one = raw_checks(format!("{}A", token(HEADER, CLAIMS)).replace("c2lnA", "c2ln").as_bytes()).unwrap();
        let two = raw_checks(token(HEADER, CLAIMS).replace("c2ln", "AAAA").as_bytes()).unwrap();
        assert_eq!(one.digest, two.digest);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            let _ = raw_checks(&bytes);
            let _ = object(&bytes);
        }
    }
}
