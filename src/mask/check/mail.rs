//! What is an address of a person, and what only looks like one.

/// A name that is no machine's, at a domain that is no file and no unit of a service manager.
pub(super) fn mail(value: &[u8]) -> bool {
    let lower = value.to_ascii_lowercase();
    let mut parts = lower.splitn(2, |byte| *byte == b'@');
    let (name, domain) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let top = domain.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let is_machine =
        MACHINES.iter().any(|machine| machine.as_bytes() == name) || domain.windows(8).any(|part| part == b"noreply.");
    top.len() >= 2
        && top.iter().all(u8::is_ascii_lowercase)
        && !NO_DOMAINS.iter().any(|other| other.as_bytes() == top)
        && !is_machine
}

/// Accounts that nobody is.
const MACHINES: &[&str] = &["git", "hg", "svn", "noreply", "no-reply", "donotreply", "mailer-daemon", "root", "www"];

/// Endings of files, of units and of names inside a network.
const NO_DOMAINS: &[&str] = &[
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "webp",
    "js",
    "css",
    "json",
    "service",
    "socket",
    "timer",
    "mount",
    "slice",
    "target",
    "scope",
    "path",
    "device",
    "swap",
    "local",
    "localdomain",
    "internal",
    "lan",
];
