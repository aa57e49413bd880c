#![no_main]
//! User names of SSH connections: what names a target names what stands behind the last separator.

use libfuzzer_sys::fuzz_target;
use sallyport::gateway::ssh::address::{Destination, LIMIT_BYTES, parse};

fuzz_target!(|user: &str| {
    match parse(user) {
        Destination::Console => assert!(!user.contains(['+', ' '])),
        Destination::Target { login, target } => {
            assert!(user.contains(['+', ' ']));
            assert!(!target.contains(['+', ' ']));
            assert!(login.as_deref() != Some(""));
            if user.len() <= LIMIT_BYTES {
                assert!(user.ends_with(&target));
                assert!(user.starts_with(login.as_deref().unwrap_or_default()));
            }
        }
    }
});
