//! Who is let in: the checks that the SSH library leaves to a server.
//!
//! Pure. Fails closed: what it does not know it refuses.

use std::net::IpAddr;

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, HashAlg};
use thiserror::Error;

use super::Settings;

/// Somebody whom a certificate let in.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) login: String,
    pub(super) key_id: String,
    pub(super) force_command: Option<String>,
    pub(super) may_have_terminal: bool,
}

/// Why a certificate does not open this target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// It is no user certificate.
    #[error("not a user certificate")]
    NotForUsers,
    /// The clock is out of range.
    #[error("the clock is out of range")]
    Clock,
    /// Another authority, a bad signature, not yet or no longer valid.
    #[error("not by our authority, or not valid now")]
    NotValid,
    /// The login is not among its principals. None at all opens nothing.
    #[error("the login is not among its principals")]
    WrongPrincipal,
    /// There is no such account.
    #[error("no such account")]
    NoSuchLogin,
    /// It may not be used from here.
    #[error("it may not be used from this address")]
    WrongSource,
    /// It carries a critical option that we do not know.
    #[error("it carries a critical option that is not known here")]
    UnknownOption,
}

pub(super) fn admit(
    certificate: &Certificate,
    user: &str,
    source: IpAddr,
    settings: &Settings,
) -> Result<Admitted, Refusal> {
    if certificate.cert_type() != CertType::User {
        return Err(Refusal::NotForUsers);
    }
    let now = u64::try_from(settings.clock.now().secs()).map_err(|_| Refusal::Clock)?;
    let authority = settings.target_ca.fingerprint(HashAlg::Sha256);
    certificate.validate_at(now, [&authority]).map_err(|_| Refusal::NotValid)?;
    if !certificate.valid_principals().iter().any(|principal| principal == user) {
        return Err(Refusal::WrongPrincipal);
    }
    if !settings.logins.iter().any(|login| login.as_str() == user) {
        return Err(Refusal::NoSuchLogin);
    }
    let mut force_command = None;
    for (name, value) in certificate.critical_options().iter() {
        match name.as_str() {
            "force-command" => force_command = Some(value.clone()),
            "source-address" if from_any(source, value) => {}
            "source-address" => return Err(Refusal::WrongSource),
            _ => return Err(Refusal::UnknownOption),
        }
    }
    Ok(Admitted {
        login: user.to_owned(),
        key_id: certificate.key_id().to_owned(),
        force_command,
        may_have_terminal: certificate.extensions().contains_key("permit-pty"),
    })
}

/// Whether `source` lies in one of the networks of a `source-address` option. A list with anything
/// unreadable in it matches nothing.
fn from_any(source: IpAddr, list: &str) -> bool {
    let networks: Option<Vec<(IpAddr, u32)>> = list.split(',').map(network).collect();
    networks.is_some_and(|networks| networks.iter().any(|network| contains(*network, source)))
}

fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.unwrap_or(width);
    (bits <= width).then_some((address, bits))
}

fn contains((network, bits): (IpAddr, u32), source: IpAddr) -> bool {
    match (network, source.to_canonical()) {
        (IpAddr::V4(network), IpAddr::V4(source)) => {
            let differ = u32::from(network) ^ u32::from(source);
            differ.checked_shr(32 - bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(network), IpAddr::V6(source)) => {
            let differ = u128::from(network) ^ u128::from(source);
            differ.checked_shr(128 - bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, list: &str, inside: bool) {
        assert_eq!(from_any(source.parse().unwrap(), list), inside, "{source} in {list}");
    }

    #[test]
    fn a_source_address_is_matched_by_network_and_an_unreadable_list_matches_nothing() {
        check("127.0.0.1", "127.0.0.1", true);
        check("127.0.0.1", "10.0.0.1,127.0.0.1/32", true);
        check("10.9.8.7", "10.0.0.0/8", true);
        check("11.9.8.7", "10.0.0.0/8", false);
        check("11.9.8.7", "0.0.0.0/0", true);
        check("::1", "::1", true);
        check("::1", "0.0.0.0/0", false);
        check("2001:db8::5", "2001:db8::/32", true);
        check("2001:db9::5", "2001:db8::/32", false);
        check("::ffff:127.0.0.1", "127.0.0.1", true);
        for list in ["", "127.0.0.1/33", "127.0.0.1,x", "127.0.0.1 "] {
            check("127.0.0.1", list, false);
        }
    }
}
