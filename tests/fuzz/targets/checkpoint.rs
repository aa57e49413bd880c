#![no_main]
//! Signed checkpoints: nobody can sign for this key, so nothing opens; names of keys print as they were read.

use libfuzzer_sys::fuzz_target;
use sallyport::ledger::checkpoint::{Key, open};

fuzz_target!(|bytes: &[u8]| {
    // An arbitrary point: its private half is unknown.
    let key = Key::new("bastion.example.com/sallyport/7f3a", [0x58; 32]).expect("a valid name");
    assert!(open(bytes, &key).is_err());
    if let Some(key) = std::str::from_utf8(bytes).ok().and_then(|text| Key::parse(text).ok()) {
        assert_eq!(Key::parse(&key.to_string()).ok(), Some(key));
    }
});
