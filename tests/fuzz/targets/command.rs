#![no_main]
//! Command lines: carried exactly or refused, and never shown by `Debug`.

use libfuzzer_sys::fuzz_target;
use sallyport::domain::session::Command;

fuzz_target!(|bytes: &[u8]| {
    match Command::parse(bytes.to_vec()) {
        Ok(command) => assert_eq!(command.bytes(), bytes),
        Err(_) => assert!(bytes.len() > Command::LIMIT_BYTES || bytes.contains(&0)),
    }
});
