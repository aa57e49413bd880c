#![no_main]
//! Ledger entries: whatever decodes was written in the one way there is to write it.

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sallyport::ledger::entry::{MAX_BYTES, decode};

fuzz_target!(|bytes: &[u8]| {
    if decode(&Bytes::copy_from_slice(bytes)).is_ok() {
        assert!(bytes.len() <= MAX_BYTES);
        assert!(bytes.starts_with(b"{") && bytes.ends_with(b"}"));
        assert!(std::str::from_utf8(bytes).is_ok());
    }
});
