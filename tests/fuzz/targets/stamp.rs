#![no_main]
//! Answers of timestamping authorities: whatever comes, it is a grant for what was asked or an error.

use libfuzzer_sys::fuzz_target;
use sallyport::domain::Digest;
use sallyport::ledger::stamp::{Nonce, read};

fuzz_target!(|bytes: &[u8]| {
    let digest = Digest::of(b"a checkpoint");
    if read(bytes, &digest, Nonce::of(7)).is_ok() {
        assert!(bytes.windows(digest.0.len()).any(|window| window == digest.0));
    }
});
