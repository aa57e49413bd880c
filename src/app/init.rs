//! A new working folder: keys, log origin, config, starter policies.
//!
//! Refuses to overwrite anything.

use std::fs;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::HashAlg;
use thiserror::Error;

use super::config::{Config, Faults};
use crate::policy;
use crate::signer::{self, Signer};

/// The folder of keys within the state folder.
pub const KEYS: &str = "keys";
/// The file of the log's origin within the state folder.
pub(super) const ORIGIN: &str = "origin";

/// What a new bastion is to be.
#[derive(Clone, Debug)]
pub struct Ask {
    /// Where config and policies go; the state folder is made in it.
    pub dir: PathBuf,
    /// The public host name.
    pub name: String,
    /// A short name for the issuer.
    pub issuer_name: String,
    /// Its profile.
    pub profile: String,
    /// Its address.
    pub issuer_url: String,
    /// Audiences that its tokens may be for.
    pub client_ids: Vec<String>,
    /// Claims that its tokens must have.
    pub require: Vec<(String, String)>,
    /// The issuer vouches for one organisation only.
    pub single_tenant: bool,
    /// The issuer is on a private address.
    pub internal: bool,
    /// Where SSH clients come in.
    pub ssh_listen: SocketAddr,
    /// Where certificates are asked for; loopback only, until TLS is set up.
    pub http_listen: Option<SocketAddr>,
    /// Subjects of the issuer that may do everything.
    pub admins: Vec<String>,
}

/// What was made.
#[derive(Clone, Debug)]
pub struct Made {
    /// The config file.
    pub config: PathBuf,
    /// The folder of policies.
    pub policies: PathBuf,
    /// The state folder.
    pub state: PathBuf,
    /// Fingerprint of the bastion's host key.
    pub host_key: String,
    /// Public line of the authority of host certificates.
    pub host_ca: String,
    /// Public line of the authority of target certificates.
    pub target_ca: String,
    /// The log's origin.
    pub origin: String,
}

/// Makes it all, and reads the config back to be sure that `serve` will.
pub fn init(ask: &Ask) -> Result<Made, Error> {
    let config = ask.dir.join("sallyport.toml");
    let policies = ask.dir.join("policies");
    let state = ask.dir.join("state");
    for path in [&config, &policies, &state] {
        if path.symlink_metadata().is_ok() {
            return Err(Error::Exists(path.clone()));
        }
    }
    let text = text(ask);
    // Before anything is made: a fault in what was asked is told in the words of the config.
    Config::parse(&text, &ask.dir).map_err(Error::Config)?;
    folder(&ask.dir, 0o755)?;
    folder(&policies, 0o755)?;
    for (name, text) in policy::STARTER {
        write(&policies.join(name), text.as_bytes(), 0o644)?;
    }
    folder(&state, 0o700)?;
    let signer = Signer::create(&state.join(KEYS)).map_err(Error::Keys)?;
    let log_id: String = crate::domain::RecordId::new(crate::clock::Clock::system().now())
        .to_bytes()
        .iter()
        .skip(12)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let origin = format!("{}/sallyport/{log_id}", ask.name);
    write(&state.join(ORIGIN), format!("{origin}\n").as_bytes(), 0o600)?;
    write(&config, text.as_bytes(), 0o644)?;
    Config::load(&config).map_err(Error::Config)?;
    Ok(Made {
        config,
        policies,
        state,
        host_key: signer.host_key().public_key().fingerprint(HashAlg::Sha256).to_string(),
        host_ca: signer.host_ca().to_openssh().unwrap_or_default(),
        target_ca: signer.target_ca().to_openssh().unwrap_or_default(),
        origin,
    })
}

/// The log's origin, as `init` has fixed it.
pub fn read_origin(state: &Path) -> Result<String, Error> {
    let path = state.join(ORIGIN);
    let text = fs::read_to_string(&path).map_err(|source| Error::Io { path, source })?;
    Ok(text.trim_end().to_owned())
}

fn text(ask: &Ask) -> String {
    let quoted = |text: &str| toml_string(text);
    let list = |texts: &[String]| format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "));
    let mut out = String::from(
        "# Sallyport. `sallyport check` names every fault in this file at once; docs/CONFIG.md has every key.\n\
         # A file that others than root or its owner may write is refused.\n\n",
    );
    out += &format!(
        "# The public host name: in certificates, in what tokens are asked for, in the log. It stays.\nname = {}\n",
        quoted(&ask.name)
    );
    out += "state = \"state\"\n\n";
    out += &format!("[ssh]\nlisten = {}\n\n", quoted(&ask.ssh_listen.to_string()));
    match ask.http_listen {
        Some(listen) => {
            out += "# Where tokens are traded for certificates. Without TLS it may only listen on loopback; for others, add\n\
                    # tls_cert_file and tls_key_file, or behind_proxy.\n";
            out += &format!("[http]\nlisten = {}\n\n", quoted(&listen.to_string()));
        }
        None => {
            out += "# Where tokens are traded for certificates. Needed for `sallyport login` and for pipelines.\n\
                    # [http]\n# listen = \"[::]:8443\"\n# tls_cert_file = \"/etc/sallyport/tls.crt\"\n\
                    # tls_key_file = \"/etc/sallyport/tls.key\"\n\n";
        }
    }
    out += "# Who vouches for people.\n[[issuer]]\n";
    out += &format!(
        "name = {}\nprofile = {}\nurl = {}\n",
        quoted(&ask.issuer_name),
        quoted(&ask.profile),
        quoted(&ask.issuer_url)
    );
    if !ask.client_ids.is_empty() {
        out += &format!("client_id = {}\n", list(&ask.client_ids));
    }
    if !ask.require.is_empty() {
        let pairs = ask.require.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value)));
        out += &format!("require = {{ {} }}\n", pairs.collect::<Vec<_>>().join(", "));
    }
    if ask.single_tenant {
        out += "# This issuer vouches for one organisation only.\nsingle_tenant = true\n";
    }
    if ask.internal {
        out += "# It is on an address of our own network.\ninternal = true\n";
    }
    out += "\n# The groups that the starter policies name. A member is `issuer:subject`, or `issuer/group` for a group that\n\
            # the issuer asserts. `ssh … whoami` prints the line of whoever asks.\n";
    let admins: Vec<String> = ask.admins.iter().map(|subject| format!("{}:{subject}", ask.issuer_name)).collect();
    for (group, members) in [("admins", admins), ("users", Vec::new()), ("auditors", Vec::new())] {
        out += &format!("[[group]]\nname = {}\nmembers = {}\n\n", quoted(group), list(&members));
    }
    out += "# `sallyport target add NAME ADDRESS` scans the host key and adds a block here.\n";
    out
}

/// A basic string of TOML: everything that could end it or be misread is escaped.
fn toml_string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn folder(path: &Path, mode: u32) -> Result<(), Error> {
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(|source| Error::Io { path: path.to_owned(), source }),
    }
}

fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    made.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|source| Error::Io { path: path.to_owned(), source })
}

/// Why nothing, or not everything, was made.
#[derive(Debug, Error)]
pub enum Error {
    /// Something is there already.
    #[error("{0} is there already: name another folder, or move it aside")]
    Exists(PathBuf),
    /// What was asked is not a config.
    #[error("{0}")]
    Config(Faults),
    /// The keys.
    #[error("keys")]
    Keys(#[source] signer::Error),
    /// A file or folder.
    #[error("{path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(dir: &Path) -> Ask {
        Ask {
            dir: dir.to_owned(),
            name: "bastion.example.com".to_owned(),
            issuer_name: "corp".to_owned(),
            profile: "generic".to_owned(),
            issuer_url: "https://issuer.example.com".to_owned(),
            client_ids: vec!["sallyport".to_owned()],
            require: Vec::new(),
            single_tenant: true,
            internal: false,
            ssh_listen: "127.0.0.1:2222".parse().unwrap(),
            http_listen: None,
            admins: vec!["00u\"1".to_owned()],
        }
    }

    #[test]
    fn what_init_writes_is_a_config_and_a_policy_without_faults() {
        let dir = tempfile::tempdir().unwrap();
        let made = init(&ask(dir.path())).unwrap();
        let config = Config::load(&made.config).unwrap();
        policy::Policy::load(&config.policy_files().unwrap(), &config.catalogue()).unwrap();
        assert_eq!(read_origin(&made.state).unwrap(), made.origin);
        assert!(made.origin.starts_with("bastion.example.com/sallyport/"));
        assert_eq!(config.state, made.state);
    }

    #[test]
    fn init_overwrites_nothing() {
        let dir = tempfile::tempdir().unwrap();
        init(&ask(dir.path())).unwrap();
        assert!(matches!(init(&ask(dir.path())), Err(Error::Exists(_))));
    }

    #[test]
    fn a_fault_in_what_was_asked_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let asked = Ask { issuer_url: "not an address".to_owned(), ..ask(dir.path()) };
        assert!(matches!(init(&asked), Err(Error::Config(_))));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
