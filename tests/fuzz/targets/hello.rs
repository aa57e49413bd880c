#![no_main]
//! What a client says first: once it is known what it knows, more does not change it, and it is known before too much was heard.

use libfuzzer_sys::fuzz_target;
use sallyport::gateway::ssh::hello::{MOST_BYTES, knows_aes_gcm};

fuzz_target!(|heard: &[u8]| {
    let known = knows_aes_gcm(heard);
    assert!(known.is_some() || heard.len() < MOST_BYTES);
    for length in [heard.len() / 2, heard.len().saturating_sub(1)] {
        let before = knows_aes_gcm(&heard[..length]);
        assert!(before.is_none() || before == known);
    }
});
