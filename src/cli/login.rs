//! `login`: signs in by `client`, puts the certificate where `ssh` finds it, and says who you are, until when, and the
//! `ssh` line to use.
//!
//! No secret comes by argument, and none is printed. An agent that cannot tie the key to the bastion is named, never
//! used without.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::{ArgGroup, Args};
use serde_json::json;
use url::Url;

use super::{Error, runtime, terminal, variable, variable_os};
use crate::client::agent::{self, Destination};
use crate::client::token::{Ci, Prompt, Way};
use crate::client::{self, SignedIn, keys, setup};
use crate::clock::Clock;
use crate::domain::Timestamp;

/// Where and how to sign in.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("way").args(["device", "ci"]))]
pub(super) struct Login {
    /// The bastion's HTTPS side, such as https://bastion.example.com:8443. Else that of the last sign-in.
    bastion: Option<String>,
    /// Which issuer, where the bastion trusts several.
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// Sign in with a browser on another device, by a code.
    #[arg(long)]
    device: bool,
    /// As a pipeline: github, gitlab, buildkite, env:NAME or file:PATH says where its token is.
    #[arg(long, value_name = "WHERE", conflicts_with = "issuer")]
    ci: Option<String>,
    /// Write what ssh needs into ~/.ssh/config and ~/.ssh/known_hosts. Shown first, and asked.
    #[arg(long)]
    setup: bool,
    /// With --setup: a target to have lines for. NAME jumps there (`ssh LOGIN@NAME`); LOGIN@NAME goes by user name (`ssh NAME`),
    /// which is encrypted once instead of twice. May be given several times.
    #[arg(long = "target", value_name = "[LOGIN@]NAME", requires = "setup")]
    targets: Vec<String>,
    /// With --setup: write without asking.
    #[arg(long, requires = "setup")]
    yes: bool,
    /// Into files, also where there is an agent.
    #[arg(long)]
    files: bool,
    /// Into the agent without tying the key to the bastion: whoever can use the agent can use it elsewhere.
    #[arg(long, conflicts_with = "files")]
    no_constraint: bool,
    /// Authorities for HTTPS beyond the system's own, as PEM.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The name that the bastion must give itself, where that is not the host of its address.
    #[arg(long, value_name = "HOST")]
    name: Option<String>,
    /// Ports of 127.0.0.1 for the browser to come back to, for issuers that compare them exactly.
    #[arg(long = "port", value_name = "PORT", value_delimiter = ',')]
    ports: Vec<u16>,
    /// Only print the address that is to be opened.
    #[arg(long)]
    no_browser: bool,
    /// Answer as JSON.
    #[arg(long)]
    json: bool,
}

impl Login {
    /// Targets to be jumped to.
    fn jumps(&self) -> impl Iterator<Item = String> {
        self.targets.iter().filter(|name| !name.contains('@')).cloned()
    }

    /// Logins on targets, to be reached by user name.
    fn logins(&self) -> impl Iterator<Item = (String, String)> {
        let pairs = self.targets.iter().filter_map(|name| name.rsplit_once('@'));
        pairs.map(|(login, target)| (login.to_owned(), target.to_owned()))
    }
}

pub(super) fn run(login: Login) -> Result<(), Error> {
    let home = variable_os("HOME").map(PathBuf::from);
    let home = home.ok_or(Error::Missing { what: "your home folder", mend: "set HOME" })?;
    let folder = home.join(".ssh");
    let bastion = match &login.bastion {
        Some(text) => address(text)?,
        None => last(&folder)?,
    };
    let roots =
        login.ca_file.iter().map(|path| fs::read(path).map_err(|source| Error::File { path: path.clone(), source }));
    let settings = client::Settings {
        bastion: bastion.clone(),
        name: login.name.clone(),
        roots: roots.collect::<Result<_, _>>()?,
        clock: Clock::system(),
    };
    let way = match &login.ci {
        Some(text) => Way::Ci(Ci::parse(text, &variable).map_err(Error::Login)?),
        None if login.device => Way::Device { issuer: login.issuer.clone() },
        None => Way::Browser { issuer: login.issuer.clone(), ports: login.ports.clone(), wait: PERSON_TIME },
    };
    let open = !login.no_browser;
    let mut prompt = move |prompt: Prompt<'_>| show(prompt, open);
    let runtime = runtime()?;
    let signed_in = runtime.block_on(client::login(&settings, way, &mut prompt)).map_err(Error::Login)?;
    let kept = runtime.block_on(keep(&login, &signed_in, &folder, settings.clock.now()))?;
    remember(&folder, &bastion)?;
    tell(&login, &signed_in, &kept, settings.clock.now())?;
    if login.setup { set_up(&login, &signed_in, &kept, &folder) } else { Ok(()) }
}

/// What somebody types for a bastion, as an address.
fn address(text: &str) -> Result<Url, Error> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let wrong = |why: &str| Error::Argument { name: "bastion", text: text.to_owned(), why: why.to_owned() };
    let url = Url::parse(&whole).map_err(|_| wrong("is no address"))?;
    let plain = url.has_host() && url.username().is_empty() && url.password().is_none() && url.query().is_none();
    if plain { Ok(url) } else { Err(wrong("is no address of a bastion")) }
}

/// The address of the last sign-in. The name cannot be a bastion's: those have no underscore.
fn last_file(folder: &Path) -> PathBuf {
    folder.join("sallyport").join("_last")
}

fn last(folder: &Path) -> Result<Url, Error> {
    let missing = Error::Missing { what: "the bastion", mend: "sallyport login https://bastion.example.com:8443" };
    fs::read_to_string(last_file(folder)).map_err(|_| missing).and_then(|text| address(text.trim()))
}

fn remember(folder: &Path, bastion: &Url) -> Result<(), Error> {
    let path = last_file(folder);
    fs::write(&path, format!("{bastion}\n")).map_err(|source| Error::File { path, source })
}

fn show(prompt: Prompt<'_>, open: bool) {
    match prompt {
        Prompt::Open { url } => {
            terminal::err(&format!("sallyport: sign in with your browser at\n\n  {url}\n\n"));
            if open {
                browse(url);
            }
        }
        Prompt::Enter { url, complete, code } => {
            let url = complete.unwrap_or(url);
            terminal::err(&format!("sallyport: open {url}\nsallyport: and compare or enter the code {code}\n"));
        }
    }
}

/// Tries to open the browser. The address is printed anyway, and holds no secret.
fn browse(url: &Url) {
    for program in ["xdg-open", "open"] {
        let child = Command::new(program)
            .arg(url.as_str())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        if child.is_ok() {
            return;
        }
    }
}

/// Where key and certificate went.
enum Kept {
    Agent { certificate: PathBuf },
    Files(keys::Files),
}

async fn keep(login: &Login, signed_in: &SignedIn, folder: &Path, now: Timestamp) -> Result<Kept, Error> {
    let socket = variable_os("SSH_AUTH_SOCK").filter(|_| !login.files).map(PathBuf::from);
    if let Some(socket) = socket {
        let destination = Destination {
            names: std::iter::once(signed_in.outcome.bastion.clone()).chain(login.jumps()).collect(),
            host_ca: signed_in.host_ca.clone(),
            host_keys: Vec::new(),
        };
        let destination = Some(&destination).filter(|_| !login.no_constraint);
        match keys::into_agent(signed_in, &socket, destination, now).await {
            Ok(()) => {
                // ssh's config names it to choose this one identity of the agent.
                let certificate = keys::write_certificate(signed_in, folder).map_err(Error::Login)?;
                return Ok(Kept::Agent { certificate });
            }
            Err(client::Error::Agent(agent::Error::Unreachable { .. })) => {
                terminal::err(&format!("sallyport: no ssh-agent answers at {}\n", socket.display()));
            }
            Err(error) => return Err(Error::Login(error)),
        }
    }
    keys::into_files(signed_in, folder).map(Kept::Files).map_err(Error::Login)
}

fn tell(login: &Login, signed_in: &SignedIn, kept: &Kept, now: Timestamp) -> Result<(), Error> {
    let outcome = &signed_in.outcome;
    let line = kept.ssh_line(&outcome.ssh_line);
    if login.json {
        let (key, certificate) = match kept {
            Kept::Agent { certificate } => (None, certificate),
            Kept::Files(files) => (Some(files.key.display().to_string()), &files.certificate),
        };
        let value = json!({
            "principal": outcome.principal,
            "name": outcome.name,
            "until": outcome.until.to_string(),
            "serial": outcome.serial.to_string(),
            "record": outcome.record,
            "bastion": outcome.bastion,
            "ssh": line,
            "key": key,
            "certificate": certificate.display().to_string(),
        });
        return terminal::out(&format!("{value:#}\n"));
    }
    let place = match kept {
        Kept::Agent { .. } => "in your ssh-agent, and it goes from there when it ends".to_owned(),
        Kept::Files(files) => format!("in {}", files.key.display()),
    };
    terminal::out(&format!(
        "You are {name} ({principal}) at {bastion}, until {until}.\nThe key is {place}.\n\n  {line}\n",
        name = terminal::printable(&outcome.name),
        principal = terminal::printable(&outcome.principal),
        bastion = outcome.bastion,
        until = until(outcome.until, now),
    ))
}

impl Kept {
    /// ssh looks for keys where it always does, and nowhere else.
    fn ssh_line(&self, line: &str) -> String {
        match self {
            Self::Agent { .. } => line.to_owned(),
            Self::Files(files) => line.replacen("ssh ", &format!("ssh -i {} ", files.key.display()), 1),
        }
    }
}

fn set_up(login: &Login, signed_in: &SignedIn, kept: &Kept, folder: &Path) -> Result<(), Error> {
    let bastion = &signed_in.outcome.bastion;
    let place = Place::parse(&signed_in.outcome.ssh_line);
    let (certificate, key) = match kept {
        Kept::Agent { certificate } => (certificate.clone(), None),
        Kept::Files(files) => (files.certificate.clone(), Some(files.key.clone())),
    };
    let lines = setup::lines(&setup::Setup {
        bastion: bastion.clone(),
        host_name: place.host.filter(|host| host != bastion),
        port: place.port,
        targets: login.jumps().collect(),
        logins: login.logins().collect(),
        host_ca: signed_in.host_ca.clone(),
        certificate,
        key,
    });
    let lines = lines.map_err(Error::Login)?;
    let (config, known_hosts) = (folder.join("config"), folder.join("known_hosts"));
    for (path, text) in [(&config, &lines.config), (&known_hosts, &lines.known_hosts)] {
        terminal::err(&format!("\nsallyport: for {}:\n\n{text}", path.display()));
    }
    if !login.yes {
        terminal::confirm("\nWrite these lines?", "look at the lines, then say --setup --yes")?;
    }
    for (path, text) in [(&config, &lines.config), (&known_hosts, &lines.known_hosts)] {
        let changed = setup::write(path, bastion, text).map_err(Error::Login)?;
        let what = if changed { "written" } else { "has them already" };
        terminal::err(&format!("sallyport: {}: {what}\n", path.display()));
    }
    Ok(())
}

/// Where SSH is, as the bastion's own `ssh` line says.
struct Place {
    port: u16,
    host: Option<String>,
}

impl Place {
    fn parse(line: &str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        let port = words.windows(2).find(|pair| pair.first() == Some(&"-p")).and_then(|pair| pair.last()?.parse().ok());
        let host = words.iter().rev().find_map(|word| word.rsplit_once('@')).map(|(_, host)| host.to_owned());
        Self { port: port.unwrap_or(22), host }
    }
}

/// `21:19 UTC (in 7 h 59 min)`
fn until(until: Timestamp, now: Timestamp) -> String {
    let minutes = until.since(now).as_secs().div_ceil(60);
    let text = until.to_string();
    let time = text.get(11..16).unwrap_or(&text);
    match minutes / 60 {
        0 => format!("{time} UTC (in {minutes} min)"),
        hours => format!("{time} UTC (in {hours} h {} min)", minutes % 60),
    }
}

const PERSON_TIME: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bastion_is_a_host_or_an_https_address() {
        let shown = |text: &str| address(text).map(|url| url.to_string()).ok();
        assert_eq!(shown("bastion.example.com").as_deref(), Some("https://bastion.example.com/"));
        assert_eq!(shown("bastion.example.com:8443").as_deref(), Some("https://bastion.example.com:8443/"));
        assert_eq!(shown("http://127.0.0.1:1").as_deref(), Some("http://127.0.0.1:1/"));
        for text in ["", "https://", "https://u:secret@h/", "https://h/?x"] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn the_last_bastion_is_the_one_to_sign_in_at() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(last(folder.path()), Err(Error::Missing { .. })));
        fs::create_dir(folder.path().join("sallyport")).unwrap();
        let url = address("bastion.example.com:8443").unwrap();
        remember(folder.path(), &url).unwrap();
        assert_eq!(last(folder.path()).unwrap(), url);
    }

    #[test]
    fn the_port_is_the_one_of_the_bastions_line() {
        let place = Place::parse("ssh -p 2222 deploy+db1@bastion.example.com");
        assert_eq!((place.port, place.host.as_deref()), (2222, Some("bastion.example.com")));
        assert_eq!(Place::parse("ssh deploy+db1@b").port, 22);
    }

    #[test]
    fn a_key_in_files_is_named_in_the_ssh_line() {
        let kept = Kept::Files(keys::Files::of(Path::new("/home/a/.ssh"), "b"));
        assert_eq!(kept.ssh_line("ssh -p 2222 x@b"), "ssh -i /home/a/.ssh/sallyport/b -p 2222 x@b");
    }

    #[test]
    fn an_end_is_said_with_the_time_that_is_left() {
        let now = Timestamp::parse("2026-11-23T13:20:30Z").unwrap();
        assert_eq!(until(Timestamp::parse("2026-11-23T21:19:00Z").unwrap(), now), "21:19 UTC (in 7 h 59 min)");
        assert_eq!(until(now.plus(Duration::from_secs(61)), now), "13:21 UTC (in 2 min)");
    }
}
