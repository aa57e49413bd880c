//! `[[target]]`: the hosts behind the bastion, and how each proves that it is itself.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use russh::keys::{PrivateKey, PublicKey};

use super::Reader;
use crate::app::file;
use crate::app::rights::Readers;
use crate::domain::target::{Address, HostTrust, Login, Target, TargetName};
use crate::policy::nearest;
use crate::signer;

/// What targets are checked against.
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    pub(super) listen: Option<SocketAddr>,
    pub(super) environments: &'a BTreeSet<String>,
}

/// Smallest RSA keys: a host's own, and an authority's.
const HOST_BITS: u32 = 2048;
const AUTHORITY_BITS: u32 = 3072;

impl Reader<'_> {
    pub(super) fn targets(&mut self, written: &[file::Target], place: &Place<'_>) -> Vec<Target> {
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        let mut targets = Vec::new();
        for table in written {
            let Some(target) = self.target(table, place) else { continue };
            for name in std::iter::once(&target.name).chain(&target.aliases) {
                if let Some(other) = names.insert(name.to_string(), table.path.clone()) {
                    let what = format!("has the name {name}, which {other} has too");
                    self.faults.add(&table.path, what, "rename one: a name leads to one host");
                }
            }
            targets.push(target);
        }
        targets
    }

    fn target(&mut self, written: &file::Target, place: &Place<'_>) -> Option<Target> {
        let at = |key: &str| format!("{}.{key}", written.path);
        let allow_loopback = written.allow_loopback.unwrap_or(false);
        let named = "use 1 to 64 of a-z 0-9 . - _, beginning with a letter or digit";
        let name = self.faults.required(&at("name"), written.name.as_deref(), "give it a name, such as \"db1\"");
        let name = name.and_then(|name| self.faults.check(&at("name"), TargetName::parse(name), named));
        let aliases = written.aliases.iter().flatten();
        let aliases: Vec<_> =
            aliases.filter_map(|alias| self.faults.check(&at("aliases"), TargetName::parse(alias), named)).collect();
        let mend = "write its address and port: \"10.0.3.4:22\"";
        let address = self.faults.required(&at("address"), written.address.as_deref(), mend);
        let address = address.and_then(|text| {
            self.faults.check(&at("address"), Address::parse(text).ok_or("is no host and port"), mend)
        });
        if let Some(address) = address.as_ref().filter(|address| !allow_loopback && own(address, place)) {
            let what = format!("{} is this machine", address.host);
            self.faults.add(at("address"), what, "name the target's own address, or say allow_loopback = true");
        }
        let (logins, default_login) = self.logins(written);
        let labels = self.labels(written, place);
        let mend = "write shell = \"posix\", or leave it out";
        let posix_shell = match written.shell.as_deref() {
            None => false,
            Some("posix") => true,
            Some(other) => {
                self.faults.add(at("shell"), format!("{other:?} is not known"), mend);
                false
            }
        };
        let host_trust = self.host_trust(written);
        let key_file = written.key_file.as_deref().map(|path| self.path(path));
        if let Some(path) = &key_file
            && let Some(bytes) = self.read(&at("key_file"), path, Readers::Owner)
        {
            let plain = PrivateKey::from_openssh(&bytes).map_err(|error| format!("is no OpenSSH private key: {error}"));
            let plain = plain.and_then(|key| match () {
                () if key.is_encrypted() => Err("has a passphrase".to_owned()),
                () if !signer::signs_here(&key) => Err("is neither Ed25519 nor ECDSA".to_owned()),
                () => Ok(()),
            });
            self.faults.check(
                &at("key_file"),
                plain,
                "name a private key without passphrase, made by ssh-keygen -t ed25519",
            );
        }
        let seen_as = written.seen_as.as_deref().and_then(|text| {
            let mend = "write the address from which the target sees the bastion, without a port";
            self.faults.check(&at("seen_as"), text.parse::<IpAddr>(), mend)
        });
        let env: Vec<String> = written.env.clone().unwrap_or_default();
        for name in env.iter().filter(|name| !passable(name)) {
            let mend = "name variables that change no meaning: not PATH, LD_*, BASH_ENV, SALLYPORT_* and their like";
            self.faults.add(at("env"), format!("has {name:?}, which is not passed on"), mend);
        }
        Some(Target {
            name: name?,
            aliases,
            address: address?,
            logins,
            default_login,
            labels,
            posix_shell,
            host_trust: host_trust?,
            key_file,
            seen_as,
            env,
            allow_loopback,
        })
    }

    fn logins(&mut self, written: &file::Target) -> (Vec<Login>, Option<Login>) {
        let at = |key: &str| format!("{}.{key}", written.path);
        let mend = "name the accounts that may be asked for: logins = [\"deploy\"]";
        let texts = written.logins.as_ref().filter(|logins| !logins.is_empty());
        let texts = self.faults.required(&at("logins"), texts, mend);
        let mut logins = Vec::new();
        for text in texts.into_iter().flatten() {
            logins.extend(self.faults.check(&at("logins"), Login::parse(text), "name an account of the target"));
        }
        let default = written.default_login.as_deref().and_then(|text| {
            let login = logins.iter().find(|login| login.as_str() == text).cloned();
            let mend = "name one of logins, or leave it out";
            self.faults.check(&at("default_login"), login.ok_or(format!("{text:?} is not among logins")), mend)
        });
        (logins, default)
    }

    fn labels(&mut self, written: &file::Target, place: &Place<'_>) -> BTreeMap<String, String> {
        let labels = written.labels.clone().unwrap_or_default();
        for (name, value) in &labels {
            let at = format!("{}.labels.{name}", written.path);
            // An empty label would equal a claim that a pipeline does not have.
            if value.is_empty() || value.len() > 256 || value.chars().any(char::is_control) {
                self.faults.add(
                    &at,
                    "is empty, too long or has control characters",
                    "write 1 to 256 bytes, or remove it",
                );
            }
            if name == "env" && !place.environments.contains(value) {
                let known: Vec<&str> = place.environments.iter().map(String::as_str).collect();
                let mend = match nearest(value, known.iter().copied()) {
                    Some(meant) => format!("did you mean {meant:?}?"),
                    None => format!("use one of policy.environments ({}), or add it there", known.join(", ")),
                };
                self.faults.add(&at, format!("{value:?} is not an environment"), mend);
            }
        }
        labels
    }

    fn host_trust(&mut self, written: &file::Target) -> Option<HostTrust> {
        let at = |key: &str| format!("{}.{key}", written.path);
        match (&written.host_key, &written.host_ca_file) {
            (Some(keys), None) => {
                let keys = self.keys(&at("host_key"), keys.0.iter().map(String::as_str), HOST_BITS)?;
                Some(HostTrust::Pinned(keys))
            }
            (None, Some(path)) => {
                let path = self.path(path);
                let bytes = self.read(&at("host_ca_file"), &path, Readers::Anyone)?;
                let text = String::from_utf8_lossy(&bytes);
                let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
                Some(HostTrust::Authority(self.keys(&at("host_ca_file"), lines, AUTHORITY_BITS)?))
            }
            (Some(_), Some(_)) => {
                self.faults.add(&written.path, "has host_key and host_ca_file", "keep the one that is meant");
                None
            }
            (None, None) => {
                let mend = "write host_key = \"ssh-ed25519 …\" (`sallyport target add` scans it), or host_ca_file";
                self.faults.add(&written.path, "cannot be told from an impostor: it has no host_key", mend);
                None
            }
        }
    }

    /// Public keys, each checked and written anew without comment.
    fn keys<'a>(&mut self, at: &str, lines: impl Iterator<Item = &'a str>, bits: u32) -> Option<Vec<String>> {
        let checked: Result<Vec<String>, String> = lines.map(|line| key(line, bits)).collect();
        let checked = checked.and_then(|keys| if keys.is_empty() { Err("has no key".to_owned()) } else { Ok(keys) });
        let mend = "write a public key as in a host's /etc/ssh/ssh_host_ed25519_key.pub: ssh-ed25519 AAAA…";
        self.faults.check(at, checked, mend)
    }
}

fn key(line: &str, bits: u32) -> Result<String, String> {
    let mut key =
        PublicKey::from_openssh(line).map_err(|error| format!("has a line that is no public key: {error}"))?;
    let algorithm = key.algorithm();
    if algorithm.as_str() == "ssh-dss" {
        return Err("has a DSA key, which is too weak".into());
    }
    if let Some(size) = key.key_data().rsa().map(|rsa| rsa.key_size()).filter(|size| *size < bits) {
        return Err(format!("has an RSA key of {size} bits, fewer than {bits}"));
    }
    key.set_comment("");
    key.to_openssh().map_err(|error| error.to_string())
}

/// Whether the address is this machine: then a target would be a way into the bastion.
fn own(address: &Address, place: &Place<'_>) -> bool {
    let host = address.host.trim_end_matches('.').to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(ip) => {
            let ip = ip.to_canonical();
            let listens = place.listen.is_some_and(|listen| listen.ip().to_canonical() == ip);
            ip.is_loopback() || ip.is_unspecified() || listens
        }
        Err(_) => host == "localhost" || host.ends_with(".localhost") || host == place.name,
    }
}

/// Variables that change what a command means are never passed on, whoever asks.
fn passable(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let stem = name.strip_suffix('*').unwrap_or(name);
    let starts = stem.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let never = ["PATH", "ENV", "BASH_ENV", "BASHOPTS", "SHELLOPTS", "IFS", "PS4", "PROMPT_COMMAND", "CDPATH", "HOME"];
    let prefixes = ["LD_", "DYLD_", "GLIBC_", "SALLYPORT_", "SSH_", "GIT_", "PYTHON", "PERL", "BASH_FUNC_"];
    let touches = |prefix: &&str| stem.starts_with(*prefix) || (name != stem && prefix.starts_with(stem));
    let hits = |word: &&str| stem == *word || (name != stem && word.starts_with(stem));
    starts && stem.bytes().all(plain) && !never.iter().any(hits) && !prefixes.iter().any(touches)
}
