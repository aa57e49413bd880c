//! The lines for `~/.ssh/config` and `known_hosts`: shown first, written only where a marked block
//! holds them, and the same again when written twice.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use russh::keys::PublicKey;

use super::{Error, keys};

/// What the lines are about.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The bastion's name: what people will type, and what its host certificate says.
    pub bastion: String,
    /// Where it is reached, if not by its name.
    pub host_name: Option<String>,
    /// Its SSH port.
    pub port: u16,
    /// Names and aliases of targets to be reached through it by `ssh LOGIN@NAME`.
    pub targets: Vec<String>,
    /// Logins on targets to be reached by `ssh NAME` or `ssh LOGIN.NAME`, by user name: the faster road, encrypted once.
    pub logins: Vec<(String, String)>,
    /// The authority of the bastion's and the targets' host certificates.
    pub host_ca: PublicKey,
    /// The certificate. With an agent it chooses the one identity that is offered; see [`keys::write_certificate`].
    pub certificate: PathBuf,
    /// The private key, where there is no agent.
    pub key: Option<PathBuf>,
}

/// What would be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    /// For `~/.ssh/config`.
    pub config: String,
    /// For `~/.ssh/known_hosts`.
    pub known_hosts: String,
}

/// Composes the lines.
pub fn lines(setup: &Setup) -> Result<Lines, Error> {
    let names: Vec<&str> = std::iter::once(&setup.bastion).chain(&setup.targets).map(String::as_str).collect();
    let logins = setup.logins.iter().flat_map(|(login, target)| [login.as_str(), target.as_str()]);
    for name in names.iter().copied().chain(setup.host_name.as_deref()).chain(logins) {
        plain(name)?;
    }
    let bastion = &setup.bastion;
    let host_name = setup.host_name.as_deref().unwrap_or(bastion);
    let certificate = quoted(&setup.certificate)?;
    // Tried with OpenSSH 9.2: a `CertificateFile` is matched with a plain private key only. Named as
    // `IdentityFile`, the certificate chooses the agent's identity that is this very certificate.
    let identity = match &setup.key {
        Some(key) => format!("    IdentityFile {}\n    CertificateFile {certificate}\n", quoted(key)?),
        None => format!("    IdentityFile {certificate}\n"),
    };
    // What somebody says to the bastion itself: why, and how long they wait. It goes no further.
    let identity = identity + "    IdentitiesOnly yes\n    SendEnv SALLYPORT_REASON SALLYPORT_WAIT\n";
    // With an alias only the bare name is looked up in known_hosts, whatever the port.
    let mut config = format!(
        "# The account and the target stand in the user name: ssh LOGIN+TARGET@{bastion}\n\
         Host {bastion}\n    HostName {host_name}\n    Port {port}\n    HostKeyAlias {bastion}\n{identity}",
        port = setup.port
    );
    for (at, (login, target)) in setup.logins.iter().enumerate() {
        // The bare name means the login that was named first.
        let first = setup.logins.iter().position(|(_, other)| other == target) == Some(at);
        let bare = if first { format!("{target} ") } else { String::new() };
        config.push_str(&format!(
            "Host {bare}{login}.{target}\n    HostName {host_name}\n    Port {port}\n    User {login}+{target}\n    \
             HostKeyAlias {bastion}\n{identity}",
            port = setup.port
        ));
    }
    if !setup.targets.is_empty() {
        let targets = setup.targets.join(" ");
        config.push_str(&format!("Host {targets}\n    ProxyJump {bastion}\n{identity}"));
    }
    let key = setup.host_ca.to_openssh().map_err(|_| Error::Key)?;
    // The comment of a key is somebody else's text.
    let key: Vec<&str> = key.split(' ').take(2).collect();
    let known_hosts = format!("@cert-authority {} {}\n", names.join(","), key.join(" "));
    Ok(Lines { config, known_hosts })
}

/// The text of a file with `lines` in the block that is marked for `bastion`: replaced where the
/// block stands, else added at the end, where it cannot swallow lines that hold for all hosts.
pub fn merged(text: &str, bastion: &str, lines: &str) -> String {
    let (begin, end) = (format!("# >>> sallyport {bastion} >>>"), format!("# <<< sallyport {bastion} <<<"));
    let block = format!("{begin}\n{lines}{end}\n");
    let all: Vec<&str> = text.lines().collect();
    // A block that lost its end is left as it is: what follows it may be somebody's own.
    let closed = |at: usize| {
        let mut after = all.iter().skip(at + 1).filter(|line| **line == begin || **line == end);
        after.next().is_some_and(|line| *line == end)
    };
    let (mut kept, mut inside, mut placed) = (String::new(), false, false);
    for (at, line) in all.iter().enumerate() {
        if *line == begin && closed(at) {
            inside = true;
            if !placed {
                kept.push_str(&block);
                placed = true;
            }
        }
        if !inside {
            kept.push_str(line);
            kept.push('\n');
        }
        if *line == end {
            inside = false;
        }
    }
    if !placed {
        if !kept.is_empty() && !kept.ends_with("\n\n") {
            kept.push('\n');
        }
        kept.push_str(&block);
    }
    kept
}

/// Writes `lines` into the marked block of `path`, keeping everything else. Whether anything changed.
pub fn write(path: &Path, bastion: &str, lines: &str) -> Result<bool, Error> {
    plain(bastion)?;
    let fault = |source| Error::File { path: path.display().to_string(), source };
    // People keep these files in a repository and link to them: the link stays.
    let path = match path.canonicalize() {
        Ok(path) => path,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(fault(error)),
    };
    let old = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(fault(error)),
    };
    let new = merged(&old, bastion, lines);
    if new == old {
        return Ok(false);
    }
    let mode = std::fs::metadata(&path).map_or(keys::OWNER_ONLY, |found| found.permissions().mode() & 0o777);
    keys::replace(&path, new.as_bytes(), mode)?;
    Ok(true)
}

/// A name that is one word in both files, and no pattern.
fn plain(name: &str) -> Result<(), Error> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-:".contains(&b);
    if name.is_empty() || name.starts_with(['-', '.']) || !name.bytes().all(fits) {
        return Err(Error::Config { text: super::printable(name) });
    }
    Ok(())
}

fn quoted(path: &Path) -> Result<String, Error> {
    let text = path.to_str().filter(|text| !text.contains(['"', '\n', '\r', '\\']));
    // ssh reads `%` as the beginning of a token, `${` as that of a variable.
    let text = text.filter(|text| !text.contains("${")).map(|text| text.replace('%', "%%"));
    let text = text.ok_or_else(|| Error::Config { text: super::printable(&path.display().to_string()) })?;
    Ok(format!("\"{text}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CA: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN+JYZtvFT67c0hf32Hh9mv2mPHJJz0U4PjZjzMnd1y6 evil * comment";

    fn setup() -> Setup {
        Setup {
            bastion: "bastion.example.com".to_owned(),
            host_name: Some("10.0.0.1".to_owned()),
            port: 2222,
            targets: vec!["db1".to_owned(), "db1.internal".to_owned()],
            logins: Vec::new(),
            host_ca: PublicKey::from_openssh(CA).unwrap(),
            certificate: "/home/a b/.ssh/sallyport/bastion.example.com-cert.pub".into(),
            key: None,
        }
    }

    #[test]
    fn the_lines_name_the_bastion_and_its_targets_and_never_everything() {
        let lines = lines(&setup()).unwrap();
        let identity = "    IdentityFile \"/home/a b/.ssh/sallyport/bastion.example.com-cert.pub\"\n\
                        \x20   IdentitiesOnly yes\n    SendEnv SALLYPORT_REASON SALLYPORT_WAIT\n";
        assert_eq!(
            lines.config,
            format!(
                "# The account and the target stand in the user name: ssh LOGIN+TARGET@bastion.example.com\n\
                 Host bastion.example.com\n    HostName 10.0.0.1\n    Port 2222\n    HostKeyAlias bastion.example.com\n\
                 {identity}Host db1 db1.internal\n    ProxyJump bastion.example.com\n{identity}"
            )
        );
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN+JYZtvFT67c0hf32Hh9mv2mPHJJz0U4PjZjzMnd1y6";
        assert_eq!(lines.known_hosts, format!("@cert-authority bastion.example.com,db1,db1.internal {key}\n"));
    }

    #[test]
    fn a_login_has_a_block_of_its_own_that_leads_through_the_user_name() {
        let pair = |login: &str, target: &str| (login.to_owned(), target.to_owned());
        let logins = vec![pair("deploy", "db1"), pair("root", "db1")];
        let lines = lines(&Setup { targets: Vec::new(), logins, ..setup() }).unwrap();
        let block = |hosts: &str, user: &str| {
            format!(
                "Host {hosts}\n    HostName 10.0.0.1\n    Port 2222\n    User {user}\n    HostKeyAlias bastion.example.com\n    \
                 IdentityFile \"/home/a b/.ssh/sallyport/bastion.example.com-cert.pub\"\n    IdentitiesOnly yes\n    SendEnv SALLYPORT_REASON SALLYPORT_WAIT\n"
            )
        };
        let both = block("db1 deploy.db1", "deploy+db1") + &block("root.db1", "root+db1");
        assert!(lines.config.ends_with(&both), "{}", lines.config);
        assert!(
            lines.known_hosts.starts_with("@cert-authority bastion.example.com ssh-ed25519 "),
            "the bastion's name only"
        );
        for (login, target) in [("a b", "db1"), ("deploy", "*"), ("", "db1"), ("deploy", "db1\nHost *")] {
            assert!(super::lines(&Setup { logins: vec![pair(login, target)], ..setup() }).is_err(), "{login}@{target}");
        }
    }

    #[test]
    fn a_name_that_means_more_than_one_host_is_refused() {
        for name in ["*", "db?", "!db1", "a b", "a,b", "", "-oProxyCommand=x", "a\nHost *", ".hidden", "../x"] {
            let spoilt = Setup { targets: vec![name.to_owned()], ..setup() };
            assert!(lines(&spoilt).is_err(), "{name:?}");
            assert!(lines(&Setup { bastion: name.to_owned(), ..setup() }).is_err(), "{name:?}");
        }
        assert!(lines(&Setup { certificate: "/a\"b".into(), ..setup() }).is_err());
    }

    #[test]
    fn a_block_is_added_once_and_replaced_where_it_stands() {
        let own = "Host *\n    User me\n";
        let once = merged(own, "b", "Host b\n");
        assert_eq!(once, format!("{own}\n# >>> sallyport b >>>\nHost b\n# <<< sallyport b <<<\n"));
        assert_eq!(merged(&once, "b", "Host b\n"), once);
        let more = format!("{once}Host z\n");
        let replaced = merged(&more, "b", "Host b2\n");
        assert_eq!(replaced, more.replace("Host b\n", "Host b2\n"));
        // Another bastion's block is somebody else's.
        assert!(merged(&once, "c", "Host c\n").starts_with(&once));
    }

    #[test]
    fn a_block_that_lost_its_end_swallows_nothing() {
        let torn = "# >>> sallyport b >>>\nHost b\nHost mine\n";
        let once = merged(torn, "b", "Host b\n");
        assert!(once.starts_with(torn));
        assert_eq!(merged(&once, "b", "Host b\n"), once);
    }

    #[test]
    fn writing_twice_changes_nothing_and_a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("dotfiles"), folder.path().join("config"));
        std::fs::write(&file, "Host *\n").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(write(&link, "b", "Host b\n").unwrap());
        assert!(!write(&link, "b", "Host b\n").unwrap());
        assert!(link.is_symlink());
        assert!(std::fs::read_to_string(&file).unwrap().starts_with("Host *\n\n# >>> sallyport b >>>\nHost b\n"));
        assert!(write(&folder.path().join("new"), "b", "Host b\n").unwrap());
    }
}
