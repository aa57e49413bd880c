//! Targets: the named hosts that policy speaks about, and the accounts on them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use thiserror::Error;

/// The name of a target or one of its aliases.
///
/// Invariant: 1 to 64 bytes of `a-z 0-9 . - _`; begins with a letter or digit. So it holds no `+`,
/// space or `/`, and is safe in a user name, a file name and a certificate's principal.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetName(String);

impl TargetName {
    /// Checks the invariant. Names are compared byte for byte: capitals are refused, not folded.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let first = text.bytes().next().ok_or(NameError::Empty)?;
        if text.len() > 64 {
            return Err(NameError::TooLong { limit: 64 });
        }
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if let Some(at) = text.bytes().position(|b| !fits(b)) {
            return Err(NameError::Character { at });
        }
        if !first.is_ascii_alphanumeric() {
            return Err(NameError::Character { at: 0 });
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An account on a target.
///
/// Invariant: 1 to 64 bytes; printable ASCII without space, `+` or shell metacharacters; does not
/// begin with `-` or `@`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Login(String);

impl Login {
    /// Checks the invariant.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let first = text.bytes().next().ok_or(NameError::Empty)?;
        if text.len() > 64 {
            return Err(NameError::TooLong { limit: 64 });
        }
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-@$".contains(&b);
        if let Some(at) = text.bytes().position(|b| !fits(b)) {
            return Err(NameError::Character { at });
        }
        // `$` is legal at the end only (machine accounts): elsewhere a shell would expand it.
        if matches!(first, b'-' | b'@' | b'$') {
            return Err(NameError::Character { at: 0 });
        }
        if let Some(at) = text.bytes().position(|b| b == b'$').filter(|at| at + 1 != text.len()) {
            return Err(NameError::Character { at });
        }
        Ok(Self(text.to_owned()))
    }

    /// The login as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("is empty")]
    Empty,
    /// Over the limit.
    #[error("is longer than {limit} bytes")]
    TooLong {
        /// In bytes.
        limit: usize,
    },
    /// A byte that may not stand there.
    #[error("has a character at position {at} that may not stand there")]
    Character {
        /// Counted in bytes from 0.
        at: usize,
    },
}

/// Where a target listens: an IP address or DNS name, and a port.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    /// DNS name or IP address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Address {
    /// Parses `host`, `host:port`, `[v6]:port` or a bare IPv6 address; the port defaults to 22.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, port.strip_prefix(':').map_or(Some(22), |p| p.parse().ok())?)
        } else if text.parse::<std::net::Ipv6Addr>().is_ok() {
            (text, 22)
        } else {
            match text.split_once(':') {
                Some((host, port)) => (host, port.parse().ok()?),
                None => (text, 22),
            }
        };
        let plain = |b: u8| b.is_ascii_alphanumeric() || b".-_:".contains(&b);
        let fits = !host.is_empty() && host.len() <= 253 && host.bytes().all(plain) && port != 0;
        fits.then(|| Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How a target proves that it is itself. Never trust on first use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostTrust {
    /// One of exactly these public keys, each a line of OpenSSH text.
    Pinned(Vec<String>),
    /// A host certificate for the target's name, an alias or its host, by one of these authorities.
    Authority(Vec<String>),
}

/// A named host that policy speaks about, as the config describes it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The canonical name; policy and records use only this one.
    pub name: TargetName,
    /// Further names under which clients may ask for it.
    pub aliases: Vec<TargetName>,
    /// Where it listens.
    pub address: Address,
    /// The accounts that may be asked for at all.
    pub logins: Vec<Login>,
    /// The account of `+db1`, where no login is named.
    pub default_login: Option<Login>,
    /// Labels for policy; `env` is the environment.
    pub labels: BTreeMap<String, String>,
    /// Whether the reader of commands may assume a POSIX shell.
    pub posix_shell: bool,
    /// How the target proves itself.
    pub host_trust: HostTrust,
    /// A lasting key for targets without certificates. Weaker, and said so wherever it shows.
    pub key_file: Option<PathBuf>,
    /// The address from which this target sees the bastion, where a NAT stands between.
    pub seen_as: Option<IpAddr>,
    /// Names of environment variables that are passed on, beyond the default ones.
    pub env: Vec<String>,
    /// Permits an address on loopback or of the bastion itself.
    pub allow_loopback: bool,
}

impl Target {
    /// The environment that the target belongs to, if its labels say.
    pub fn environment(&self) -> Option<&str> {
        self.labels.get("env").map(String::as_str)
    }

    /// Whether output waits for the recording to be on disk: the default for production.
    pub fn durable(&self) -> bool {
        self.environment() == Some("production")
    }

    /// Whether nothing of it passes unmasked, whatever a policy permits.
    pub fn masks_always(&self) -> bool {
        self.labels.get("mask").is_some_and(|word| word == "mandatory")
    }

    /// The mask profiles that hold for all of it, beyond what policy asks for.
    pub fn mask_profiles(&self) -> impl Iterator<Item = &str> {
        let names = self.labels.get("mask_profile").map_or("", String::as_str);
        names.split(',').map(str::trim).filter(|name| !name.is_empty())
    }

    /// Whether `name` is this target's name or one of its aliases.
    pub fn is_called(&self, name: &str) -> bool {
        self.name.as_str() == name || self.aliases.iter().any(|alias| alias.as_str() == name)
    }
}

macro_rules! shown_as_text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}
shown_as_text!(TargetName, Login);

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn login(text: &str, fits: bool) {
        assert_eq!(Login::parse(text).is_ok(), fits, "{text:?}");
    }

    #[test]
    fn a_login_that_a_shell_or_a_client_could_misread_is_refused() {
        for text in ["deploy", "www-data", "svc_1", "HOST$", "a@b.example"] {
            login(text, true);
        }
        for text in ["", "-oProxyCommand=x", "@all", "a b", "a+b", "a;b", "a\nb", "$HOME", "a$b", "a`b", "é"] {
            login(text, false);
        }
        login(&"a".repeat(65), false);
    }

    #[test]
    fn a_target_name_is_lower_case_without_separators() {
        assert!(TargetName::parse("db1.internal").is_ok());
        for text in ["", "DB1", "a+b", "a b", "a/b", ".a", "-a", "дб"] {
            assert!(TargetName::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_address_takes_names_and_both_kinds_of_ip() {
        let shown = |text| Address::parse(text).map(|address| address.to_string());
        assert_eq!(shown("db1").as_deref(), Some("db1:22"));
        assert_eq!(shown("10.0.3.4:2022").as_deref(), Some("10.0.3.4:2022"));
        assert_eq!(shown("[::1]:22").as_deref(), Some("[::1]:22"));
        assert_eq!(shown("fe80::1").as_deref(), Some("[fe80::1]:22"));
        for text in ["", ":22", "a:b", "a:0", "a:70000", "a b", "[x]:1", "a\n"] {
            assert_eq!(shown(text), None, "{text:?}");
        }
    }
}
