#![no_main]
//! ID tokens before anything is believed: bounded, and whatever passes is three parts of strict base64url.

use libfuzzer_sys::fuzz_target;
use sallyport::identity::token::{LIMIT_BYTES, raw_checks};

fuzz_target!(|token: &[u8]| {
    if raw_checks(token).is_ok() {
        assert!(token.len() <= LIMIT_BYTES);
        assert_eq!(token.iter().filter(|byte| **byte == b'.').count(), 2);
        assert!(token.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte)));
    }
});
