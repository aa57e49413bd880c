//! A certificate of a test's own. For tests only.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::CertificateDer;

/// A certificate for `localhost` by its own key: chain and key as PEM, and the certificate itself.
pub(crate) fn self_signed() -> (String, String, CertificateDer<'static>) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    // RFC 5280 §4.1, RFC 8410.
    let der = |tag: u8, parts: &[&[u8]]| {
        let body = parts.concat();
        let length = u16::try_from(body.len()).unwrap().to_be_bytes();
        let length = match body.len() {
            0..128 => vec![length[1]],
            128..256 => vec![0x81, length[1]],
            _ => vec![0x82, length[0], length[1]],
        };
        [vec![tag], length, body].concat()
    };
    let ed25519 = der(0x30, &[&[0x06, 0x03, 0x2b, 0x65, 0x70]]);
    let name = der(0x30, &[&der(0x31, &[&der(0x30, &[&[0x06, 0x03, 0x55, 0x04, 0x03], &der(0x0c, &[b"test"])])])]);
    let validity = der(0x30, &[&der(0x17, &[b"200101000000Z"]), &der(0x17, &[b"491231235959Z"])]);
    let public = der(0x30, &[&ed25519, &der(0x03, &[&[0], pair.public_key().as_ref()])]);
    let alternative = der(0x04, &[&der(0x30, &[&der(0x82, &[b"localhost"])])]);
    let extensions = der(0x30, &[&der(0x30, &[&[0x06, 0x03, 0x55, 0x1d, 0x11], &alternative])]);
    let version = der(0xa0, &[&[0x02, 0x01, 0x02]]);
    let to_sign = der(
        0x30,
        &[&version, &[0x02, 0x01, 0x01], &ed25519, &name, &validity, &name, &public, &der(0xa3, &[&extensions])],
    );
    let signature = der(0x03, &[&[0], pair.sign(&to_sign).as_ref()]);
    let certificate = der(0x30, &[&to_sign, &ed25519, &signature]);
    let pem = |label: &str, bytes: &[u8]| {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(bytes))
    };
    (pem("CERTIFICATE", &certificate), pem("PRIVATE KEY", pkcs8.as_ref()), certificate.into())
}
