#![no_main]
//! Names of targets, logins, addresses, digests and times: what parses, prints as what it was.

use libfuzzer_sys::fuzz_target;
use sallyport::domain::target::{Address, Login, TargetName};
use sallyport::domain::{Digest, RecordId, Timestamp};

fuzz_target!(|text: &str| {
    if let Ok(name) = TargetName::parse(text) {
        assert_eq!(name.to_string(), text);
        assert!(text.len() <= 64 && !text.contains(['+', ' ', '@', '/', '\n']));
    }
    if let Ok(login) = Login::parse(text) {
        assert_eq!(login.to_string(), text);
        assert!(text.len() <= 64 && !text.starts_with(['-', '@']) && !text.contains(char::is_control));
    }
    if let Some(address) = Address::parse(text) {
        assert_eq!(Address::parse(&address.to_string()), Some(address));
    }
    if let Some(digest) = Digest::parse(text) {
        assert_eq!(digest.to_string(), text.to_ascii_lowercase());
    }
    if let Some(id) = RecordId::parse(text) {
        assert_eq!(RecordId::parse(&id.to_string()), Some(id));
    }
    if let Some(time) = Timestamp::parse(text) {
        assert_eq!(Timestamp::parse(&time.to_string()), Some(time));
    }
});
