//! `target add`: scans a host's key, shows its fingerprint and the block it adds, and adds it to the config.
//!
//! Signs in nowhere: the scan ends before authentication. A scanned key is added only after somebody said that it is
//! the right one, and the file is replaced only by one without faults.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use russh::client;
use russh::keys::ssh_key::{Algorithm, EcdsaCurve, HashAlg};
use russh::keys::{PublicKey, PublicKeyOrCertificate};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Error, Which, runtime, terminal};
use crate::app::config::Config;
use crate::domain::target::{Address, Login, TargetName};

/// A host behind the bastion.
#[derive(Args, Debug)]
pub(super) struct Add {
    /// Its name: a-z 0-9 . - _
    name: String,
    /// Host name or address, and a port if it is not 22.
    address: String,
    /// An account that may be asked for. Can be given several times.
    #[arg(long = "login", value_name = "LOGIN")]
    logins: Vec<String>,
    /// The account of `ssh +NAME@bastion`. Else the only login, if there is only one.
    #[arg(long, value_name = "LOGIN")]
    default_login: Option<String>,
    /// Its environment, such as production or test. Without one, starter policies let admins only.
    #[arg(long, value_name = "ENVIRONMENT")]
    env: Option<String>,
    /// A further label for policies.
    #[arg(long = "label", value_name = "NAME=VALUE", value_parser = label)]
    labels: Vec<(String, String)>,
    /// A further name for it.
    #[arg(long = "alias", value_name = "NAME")]
    aliases: Vec<String>,
    /// Its public host key, as in its /etc/ssh/ssh_host_ed25519_key.pub: then nothing is scanned.
    #[arg(long, value_name = "KEY", conflicts_with = "host_ca_file")]
    host_key: Option<String>,
    /// A file with the authorities of its host certificate: then nothing is scanned.
    #[arg(long, value_name = "FILE")]
    host_ca_file: Option<PathBuf>,
    /// Permit an address of this machine.
    #[arg(long)]
    allow_loopback: bool,
    /// Add it without asking: you have compared the fingerprint already.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    which: Which,
}

/// How the host proves itself.
enum Proof {
    Given(String),
    Authority(String),
    Scanned(PublicKey),
}

pub(super) fn add(add: &Add) -> Result<(), Error> {
    let checked = Checked::new(add)?;
    // Before the network is touched: a config that cannot be added to is said at once.
    let path = add.which.path();
    let file = fs::canonicalize(&path).map_err(|source| Error::File { path: path.clone(), source })?;
    let old = fs::read_to_string(&file).map_err(|source| Error::File { path: file.clone(), source })?;
    let proof = match (&add.host_key, &add.host_ca_file) {
        (Some(key), _) => Proof::Given(key.trim().to_owned()),
        (None, Some(file)) => Proof::Authority(absolute(file)?),
        (None, None) => Proof::Scanned(
            runtime()?
                .block_on(scan(&checked.address))
                .map_err(|source| Error::Scan { address: checked.address.to_string(), source })?,
        ),
    };
    let block = block(add, &checked, &proof);
    let new = appended(&old, &block);
    Config::parse(&new, file.parent().unwrap_or(Path::new("/"))).map_err(Error::Config)?;
    terminal::out(&block)?;
    if let Proof::Scanned(key) = &proof {
        terminal::err(&format!(
            "sallyport: {address} shows {algorithm} {fingerprint}\n\
             sallyport: anybody on the way could have shown it. On the target this prints the right one:\n\
             sallyport:   ssh-keygen -l -f /etc/ssh/ssh_host_{short}_key.pub\n",
            address = checked.address,
            algorithm = key.algorithm(),
            fingerprint = key.fingerprint(HashAlg::Sha256),
            short = short(&key.algorithm()),
        ));
        if !add.yes {
            terminal::confirm(
                "Is it the same, and should the target be added?",
                "compare the fingerprint, then say --yes",
            )?;
        }
    }
    replace(&file, &old, &new)?;
    terminal::err(&format!("sallyport: added to {}; `sallyport serve` reads it when it starts\n", path.display()));
    Ok(())
}

/// Names that are names.
struct Checked {
    name: TargetName,
    aliases: Vec<TargetName>,
    address: Address,
    logins: Vec<Login>,
    default: Option<Login>,
}

impl Checked {
    fn new(add: &Add) -> Result<Self, Error> {
        let named =
            |name, text: &str| TargetName::parse(text).map_err(|error| argument(name, text, &error.to_string()));
        let login = |text: &str| Login::parse(text).map_err(|error| argument("login", text, &error.to_string()));
        let address = Address::parse(&add.address);
        let mut logins: Vec<Login> = add.logins.iter().map(|text| login(text)).collect::<Result<_, _>>()?;
        if logins.is_empty() && terminal::can_ask() {
            let asked = terminal::ask("Accounts on it that may be asked for, with blanks between", None)?;
            logins = asked.split_whitespace().map(login).collect::<Result<_, _>>()?;
        }
        let default = match (&add.default_login, logins.as_slice()) {
            (Some(text), _) => Some(login(text)?),
            (None, [only]) => Some(only.clone()),
            (None, []) => return Err(Error::Missing { what: "an account", mend: "--login deploy" }),
            (None, _) => None,
        };
        if let Some(default) = default.as_ref().filter(|default| !logins.contains(default)) {
            logins.insert(0, default.clone());
        }
        Ok(Self {
            name: named("name", &add.name)?,
            aliases: add.aliases.iter().map(|text| named("alias", text)).collect::<Result<_, _>>()?,
            address: address.ok_or_else(|| argument("address", &add.address, "is no host and port"))?,
            logins,
            default,
        })
    }
}

fn argument(name: &'static str, text: &str, why: &str) -> Error {
    Error::Argument { name, text: text.to_owned(), why: why.to_owned() }
}

fn absolute(file: &Path) -> Result<String, Error> {
    let found = fs::canonicalize(file).map_err(|source| Error::File { path: file.to_owned(), source })?;
    match found.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(argument("host-ca-file", &found.to_string_lossy(), "is not UTF-8")),
    }
}

/// The block, as it is shown and added.
fn block(add: &Add, checked: &Checked, proof: &Proof) -> String {
    let list =
        |texts: Vec<String>| format!("[{}]", texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", "));
    let mut text = format!("[[target]]\nname = {}\n", quoted(checked.name.as_str()));
    if !checked.aliases.is_empty() {
        text += &format!("aliases = {}\n", list(checked.aliases.iter().map(ToString::to_string).collect()));
    }
    text += &format!("address = {}\n", quoted(&checked.address.to_string()));
    text += &format!("logins = {}\n", list(checked.logins.iter().map(ToString::to_string).collect()));
    if let Some(default) = &checked.default {
        text += &format!("default_login = {}\n", quoted(default.as_str()));
    }
    let mut labels: BTreeMap<&str, &str> =
        add.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    labels.extend(add.env.as_deref().map(|env| ("env", env)));
    if !labels.is_empty() {
        let pairs: Vec<String> =
            labels.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
        text += &format!("labels = {{ {} }}\n", pairs.join(", "));
    }
    if add.allow_loopback {
        text += "allow_loopback = true\n";
    }
    text += &match proof {
        Proof::Given(line) => format!("host_key = {}\n", quoted(line)),
        Proof::Authority(path) => format!("host_ca_file = {}\n", quoted(path)),
        Proof::Scanned(key) => {
            let line = key.to_openssh().unwrap_or_default();
            // A comment is somebody else's text.
            format!("host_key = {}\n", quoted(&line.split(' ').take(2).collect::<Vec<_>>().join(" ")))
        }
    };
    text
}

/// A text of TOML.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out += &format!("\\u{:04X}", u32::from(c)),
            c => out.push(c),
        }
    }
    out + "\""
}

fn appended(old: &str, block: &str) -> String {
    let old = old.trim_end();
    if old.is_empty() { block.to_owned() } else { format!("{old}\n\n{block}") }
}

/// Whole or not at all, with the rights and the owner that the file had.
fn replace(path: &Path, old: &str, new: &str) -> Result<(), Error> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let write = || -> io::Result<()> {
        let before = fs::metadata(path)?;
        // Somebody may have edited it while the question stood.
        if fs::read_to_string(path)? != old {
            return Err(io::Error::other("it was changed meanwhile: try again"));
        }
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mode = before.mode() & 0o777;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&fresh)?;
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
        file.write_all(new.as_bytes())?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    };
    write().map_err(|source| Error::File { path: path.to_owned(), source })
}

/// The host key that the address shows. Ends before authentication.
async fn scan(address: &Address) -> Result<PublicKey, ScanError> {
    let eye = Eye::default();
    let seen = Arc::clone(&eye.seen);
    let config = Arc::new(client::Config {
        preferred: russh::Preferred { key: KEYS.into(), host_key_certificates: (&[]).into(), ..Default::default() },
        ..Default::default()
    });
    let look = async {
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(ScanError::Connect)?;
        match client::connect_stream(config, stream, eye).await {
            Ok(_) => Ok(()),
            Err(error) => Err(ScanError::Ssh(error)),
        }
    };
    let looked = timeout(SCAN_TIME, look).await.unwrap_or(Err(ScanError::TimedOut));
    let key = seen.lock().unwrap_or_else(PoisonError::into_inner).take();
    // Once it has shown its key it is turned away: that error is none.
    match (key, looked) {
        (Some(key), _) => Ok(key),
        (None, Err(error)) => Err(error),
        (None, Ok(())) => Err(ScanError::NoKey),
    }
}

/// Looks at the key and accepts none.
#[derive(Default)]
struct Eye {
    seen: Arc<Mutex<Option<PublicKey>>>,
}

impl client::Handler for Eye {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        if let PublicKeyOrCertificate::PublicKey { key, .. } = shown {
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        }
        Ok(false)
    }
}

/// As the file of the key is called.
fn short(algorithm: &Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Ecdsa { .. } => "ecdsa",
        Algorithm::Rsa { .. } => "rsa",
        _ => "ed25519",
    }
}

fn label(text: &str) -> Result<(String, String), &'static str> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("not NAME=VALUE"),
    }
}

/// Best first: what the host has of these first is what it shows.
const KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP384 },
    Algorithm::Ecdsa { curve: EcdsaCurve::NistP521 },
    Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
    Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
];
const SCAN_TIME: Duration = Duration::from_secs(10);

/// Why no key was seen.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    /// No connection.
    #[error("connect")]
    Connect(#[source] io::Error),
    /// No SSH, or none that we speak.
    #[error("speak SSH")]
    Ssh(#[source] russh::Error),
    /// It let us in without a key.
    #[error("it showed no key")]
    NoKey,
    /// Nothing within the time.
    #[error("no answer within ten seconds")]
    TimedOut,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Command, Line, TargetCommand};

    fn asked(words: &[&str]) -> Add {
        let line = Line::try_parse_from(["sallyport", "target", "add"].iter().chain(words)).unwrap();
        let Command::Target { command: TargetCommand::Add(add) } = line.command else { panic!("another command") };
        add
    }

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    #[test]
    fn a_block_says_what_was_asked_and_the_only_login_is_the_default() {
        let add = asked(&["db1", "10.0.3.4", "--login", "deploy", "--env", "test", "--label", "tier=\"x\""]);
        let proof = Proof::Scanned(PublicKey::from_openssh(&format!("{KEY} evil \"comment")).unwrap());
        assert_eq!(
            block(&add, &Checked::new(&add).unwrap(), &proof),
            format!(
                "[[target]]\nname = \"db1\"\naddress = \"10.0.3.4:22\"\nlogins = [\"deploy\"]\ndefault_login = \"deploy\"\n\
                 labels = {{ \"env\" = \"test\", \"tier\" = \"\\\"x\\\"\" }}\nhost_key = \"{KEY}\"\n"
            )
        );
    }

    #[test]
    fn names_that_are_none_are_refused_before_anything_is_scanned() {
        for words in [["DB1", "10.0.3.4", "deploy"], ["db1", "10.0.3.4:99999", "deploy"], ["db1", "10.0.3.4", "-x"]] {
            let add = asked(&[words[0], words[1], &format!("--login={}", words[2])]);
            assert!(matches!(Checked::new(&add), Err(Error::Argument { .. })), "{words:?}");
        }
    }

    #[test]
    fn a_default_login_is_a_login() {
        let add = asked(&["db1", "h", "--login", "a", "--login", "b", "--default-login", "root"]);
        let checked = Checked::new(&add).unwrap();
        assert_eq!(checked.logins.iter().map(Login::as_str).collect::<Vec<_>>(), ["root", "a", "b"]);
        assert_eq!(Checked::new(&asked(&["db1", "h", "--login=a", "--login=b"])).unwrap().default, None);
    }

    #[test]
    fn the_file_keeps_its_text_and_its_rights_and_is_not_written_over_what_somebody_else_wrote() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sallyport.toml");
        fs::write(&path, "# mine\nname = \"b\"\n\n\n").unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
        let old = fs::read_to_string(&path).unwrap();
        let new = appended(&old, "[[target]]\n");
        assert_eq!(new, "# mine\nname = \"b\"\n\n[[target]]\n");
        replace(&path, &old, &new).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), new);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert!(replace(&path, &old, "lost").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), new);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
