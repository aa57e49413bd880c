//! The config as meant: from the file to typed settings, all faults in one go.
//!
//! Nothing that weakens a check has a default, and no environment variable is read.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use super::file::{self, File, commands};
pub use super::file::{Fault, Faults};
use super::rights::{self, Readers};
use super::siem::sink::Sink;
use super::{copies, timestamps};
use crate::approval::{self, notify::Channel};
use crate::domain::Digest;
use crate::domain::identity::{Group, IssuerName};
use crate::domain::target::{Address, Target};
use crate::http::ops::Place;
use crate::identity::profile::IssuerSettings;
use crate::ledger::trust::Trust;
use crate::policy::{Catalogue, Commands};

mod copy;
mod group;
mod issuer;
mod limit;
mod mask;
mod notify;
mod siem;
mod target;
mod timestamp;
mod witness;

pub use group::{Groups, Person};
pub use limit::{Limits, SignIn};
pub use mask::Mask;

/// Everything that the operator decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// The bastion's public host name: what certificates, audiences and the log's origin say.
    pub name: String,
    /// Folder of everything that the bastion keeps.
    pub state: PathBuf,
    /// Where the last checkpoint is written a second time, outside the state folder.
    pub last_checkpoint_file: Option<PathBuf>,
    /// Who cosigns the log's checkpoints.
    pub witnesses: Option<Trust>,
    /// Who stamps them.
    pub timestamps: Option<timestamps::Settings>,
    /// Where copies of the log are kept.
    pub copies: Vec<copies::Place>,
    /// The SSH listener.
    pub ssh: Ssh,
    /// The HTTPS listener, if there is one.
    pub http: Option<Http>,
    /// Who may vouch for people and pipelines.
    pub issuers: Vec<IssuerSettings>,
    /// Groups and their members.
    pub groups: Groups,
    /// Hosts.
    pub targets: Vec<Target>,
    /// Policy files.
    pub policy: Policy,
    /// Most that one recording may take, as stored.
    pub max_recording_bytes: u64,
    /// How long things last that follow from a sign-in.
    pub sign_in: SignIn,
    /// Which mask rules hold.
    pub mask: Mask,
    /// Limits.
    pub limits: Limits,
    /// Where metrics and health are answered, if anywhere.
    pub ops: Option<Place>,
    /// Who may vote on requests that wait, and how many may.
    pub approval: approval::Settings,
    /// Who is told of requests that wait.
    pub notify: Vec<Channel>,
    /// Who gets every record.
    pub siem: Vec<Sink>,
    /// SHA-256 of the file as read.
    pub digest: Digest,
}

/// The SSH listener.
#[derive(Clone, Debug)]
pub struct Ssh {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Host and port as clients reach it; every printed `ssh` line has them.
    pub address: Address,
}

/// The HTTPS listener.
#[derive(Clone, Debug)]
pub struct Http {
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// Address as clients reach it, without a slash at the end.
    pub url: String,
    /// How it is protected.
    pub transport: Transport,
    /// Whether everybody may see the log's checkpoint and hashes.
    pub serve_log: bool,
}

/// How HTTP is protected on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TLS by ourselves.
    Tls {
        /// Certificate chain, PEM.
        cert_file: PathBuf,
        /// Its private key, PEM.
        key_file: PathBuf,
    },
    /// TLS by a proxy at one of these addresses; nobody else is answered.
    BehindProxy(Vec<IpAddr>),
    /// None: the listener is on loopback.
    Loopback,
}

/// Where policy comes from.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Folder of `*.cedar`.
    pub dir: PathBuf,
    /// Environments that targets may belong to.
    pub environments: BTreeSet<String>,
    /// Files that add to what is known about commands.
    pub commands: Vec<PathBuf>,
    /// Files of cases that it must answer as expected before it counts.
    pub tests: Vec<PathBuf>,
}

/// Environments where the config names none.
pub const ENVIRONMENTS: [&str; 4] = ["production", "staging", "test", "development"];

impl Config {
    /// Reads the file at `path`, and every file that it names except those of policy.
    pub fn load(path: &Path) -> Result<Self, Faults> {
        Self::whole(Self::load_what_is_there(path))
    }

    /// The same, with what could be understood beside its faults: to be looked at further, never to be run.
    pub fn load_what_is_there(path: &Path) -> (Option<Self>, Faults) {
        let mut faults = Faults::default();
        let bytes = match rights::read(path, Readers::Anyone) {
            Ok(bytes) => bytes,
            Err((what, mend)) => {
                faults.add(path.display().to_string(), what, mend);
                return (None, faults);
            }
        };
        match String::from_utf8(bytes) {
            Ok(text) => Self::understood(&text, path.parent().unwrap_or(Path::new("."))),
            Err(_) => {
                faults.add(path.display().to_string(), "is not UTF-8", "save it as UTF-8");
                (None, faults)
            }
        }
    }

    /// Reads the text of a config file. Paths in it are relative to `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Faults> {
        Self::whole(Self::understood(text, folder))
    }

    fn understood(text: &str, folder: &Path) -> (Option<Self>, Faults) {
        let mut faults = Faults::default();
        let config = File::parse(text, &mut faults).and_then(|file| {
            let mut reader = Reader { folder, faults: &mut faults };
            reader.config(&file, Digest::of(text.as_bytes()))
        });
        (config, faults)
    }

    fn whole((config, faults): (Option<Self>, Faults)) -> Result<Self, Faults> {
        config.filter(|_| faults.0.is_empty()).ok_or(faults)
    }

    /// The ids that policies may name.
    pub fn catalogue(&self) -> Catalogue {
        Catalogue {
            groups: self.groups.names(),
            environments: self.policy.environments.clone(),
            targets: self.targets.iter().map(|target| target.name.to_string()).collect(),
            issuers: self.issuers.iter().map(|issuer| issuer.name.to_string()).collect(),
            mask_profiles: self.mask.named.keys().cloned().collect(),
        }
    }

    /// Name and text of every policy file, in the order of names.
    pub fn policy_files(&self) -> Result<Vec<(String, String)>, Faults> {
        self.policy.files()
    }

    /// What is known about commands: the shipped lists, and the files that the config names.
    pub fn commands(&self) -> Result<Commands, Faults> {
        commands::commands(&texts(&self.policy.commands)?)
    }

    /// Name and text of every file of cases that the policy must answer as expected.
    pub fn policy_tests(&self) -> Result<Vec<(String, String)>, Faults> {
        texts(&self.policy.tests)
    }

    /// Name and text of every policy file of a config at `path` that has faults of its own; nothing if it does not even say where they are.
    pub fn policy_files_of_faulty(path: &Path) -> Vec<(String, String)> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let text = rights::read(path, Readers::Anyone).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        // What is wrong with the config was told already.
        let mut told = Faults::default();
        let Some(file) = text.and_then(|text| File::parse(&text, &mut told)) else { return Vec::new() };
        let policy = Reader { folder, faults: &mut told }.policy(file.policy.as_ref());
        policy.files().unwrap_or_default()
    }
}

/// Name and text of each file; what cannot be read is a fault of it.
fn texts(paths: &[PathBuf]) -> Result<Vec<(String, String)>, Faults> {
    let mut faults = Faults::default();
    let mut files = Vec::new();
    for path in paths {
        let name = path.display().to_string();
        match rights::read(path, Readers::Anyone).map(String::from_utf8) {
            Ok(Ok(text)) => files.push((name, text)),
            Ok(Err(_)) => faults.add(name, "is not UTF-8", "save it as UTF-8"),
            Err((what, mend)) => faults.add(name, what, mend),
        }
    }
    if faults.0.is_empty() { Ok(files) } else { Err(faults) }
}

impl Policy {
    /// Name and text of every policy file in the folder.
    pub fn files(&self) -> Result<Vec<(String, String)>, Faults> {
        let mut files = texts(&self.paths()?)?;
        for (name, _) in &mut files {
            // The folder is the same for all of them.
            let file = Path::new(name).file_name().unwrap_or_default().to_string_lossy().into_owned();
            *name = file;
        }
        Ok(files)
    }

    fn paths(&self) -> Result<Vec<PathBuf>, Faults> {
        let paths = rights::way(&self.dir).and_then(|real| {
            let refused = |error| (format!("cannot be read: {error}"), "name a folder of *.cedar files".to_owned());
            policies_in(&real).map_err(refused)
        });
        paths.map_err(|(what, mend)| {
            let mut faults = Faults::default();
            faults.add(format!("policy.dir ({})", self.dir.display()), what, mend);
            faults
        })
    }
}

/// The policy files of a folder, sorted. Editors leave hidden files behind: those are none.
pub fn policies_in(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let is_policy = |path: &PathBuf| {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        !hidden && path.extension().is_some_and(|extension| extension == "cedar")
    };
    let entries = std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).filter(is_policy).collect();
    paths.sort();
    Ok(paths)
}

/// Turns what is written into what is meant; notes every fault on the way.
struct Reader<'a> {
    folder: &'a Path,
    faults: &'a mut Faults,
}

impl Reader<'_> {
    fn config(&mut self, file: &File, digest: Digest) -> Option<Config> {
        let name = self.faults.required("name", file.name.as_deref(), "write the bastion's public host name");
        let name = name.and_then(|name| {
            let plain = |label: &str| {
                let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                (1..=63).contains(&label.len()) && label.bytes().all(fits) && !label.starts_with('-')
            };
            let fits = name.len() <= 253 && name.split('.').all(plain);
            let checked = if fits { Ok(name) } else { Err("is not a host name") };
            self.faults.check("name", checked, "write it in lower case, without port: bastion.example.com")
        });
        let state = self.faults.required("state", file.state.as_deref(), "name the folder for the bastion's data");
        let state = state.map(|state| self.path(state));
        let ledger = file.ledger.as_ref().and_then(|ledger| ledger.last_checkpoint_file.as_deref());
        let last_checkpoint_file = ledger.map(|path| self.path(path));
        if let (Some(file), Some(state)) = (&last_checkpoint_file, &state)
            && file.starts_with(state)
        {
            let mend = "name a file elsewhere: whoever brings back an old copy of the folder brings it back too";
            self.faults.add("ledger.last_checkpoint_file", "lies in the state folder", mend);
        }
        let witness_file = file.ledger.as_ref().and_then(|ledger| ledger.witness_file.as_deref());
        let witnesses = witness_file.and_then(|path| self.witnesses(path));
        let timestamps = self.timestamps(file.ledger.as_ref());
        let copies = self.copies(file.ledger.as_ref(), state.as_deref());
        let ssh = self.ssh(file.ssh.as_ref(), name.unwrap_or_default());
        let http = file.http.as_ref().map(|http| self.http(http, name.unwrap_or_default()));
        let policy = self.policy(file.policy.as_ref());
        let issuers = self.issuers(file.issuer.as_ref().map_or(&[], |each| each.0.as_slice()));
        let names: BTreeSet<IssuerName> = issuers.iter().map(|issuer| issuer.name.clone()).collect();
        let mut groups = self.groups(file.group.as_ref().map_or(&[], |each| each.0.as_slice()), &names);
        groups.persons = self.persons(file.person.as_ref().map_or(&[], |each| each.0.as_slice()), &names);
        let place = target::Place {
            name: name.unwrap_or_default(),
            listen: ssh.as_ref().map(|ssh| ssh.listen),
            environments: &policy.environments,
        };
        let targets = self.targets(file.target.as_ref().map_or(&[], |each| each.0.as_slice()), &place);
        let most = file.recording.as_ref().and_then(|recording| recording.max_recording.as_deref());
        let max_recording_bytes =
            self.bytes("recording.max_recording", most, 2 * limit::GIB, limit::MIB..=1024 * limit::GIB);
        let sign_in = self.sign_in(file.sign_in.as_ref());
        let limits = self.limits(file.limits.as_ref());
        let mask = self.mask(file.mask.as_ref());
        self.mask_labels(file.target.as_ref().map_or(&[], |each| each.0.as_slice()), &mask);
        let ops = file.ops.as_ref().and_then(|ops| self.ops(ops));
        let approval = self.approval(file.approval.as_ref(), &names);
        let notify = self.channels(file.notify.as_ref().map_or(&[], |each| each.0.as_slice()));
        let siem = self.sinks(file.siem.as_ref().map_or(&[], |each| each.0.as_slice()));
        Some(Config {
            name: name?.to_owned(),
            state: state?,
            last_checkpoint_file,
            witnesses,
            timestamps,
            copies,
            ssh: ssh?,
            http: match http {
                Some(http) => Some(http?),
                None => None,
            },
            issuers,
            groups,
            targets,
            policy,
            max_recording_bytes: max_recording_bytes?,
            sign_in: sign_in?,
            mask,
            limits: limits?,
            ops,
            approval: approval?,
            notify,
            siem,
            digest,
        })
    }

    fn ssh(&mut self, ssh: Option<&file::Ssh>, name: &str) -> Option<Ssh> {
        let mend = "write the address and port for SSH, such as \"[::]:2222\"";
        let listen = ssh.and_then(|ssh| ssh.listen.as_deref());
        let listen = self.faults.required("ssh.listen", listen, mend)?;
        let listen = self.faults.check("ssh.listen", listen.parse::<SocketAddr>(), mend)?;
        let address = match ssh.and_then(|ssh| ssh.address.as_deref()) {
            Some(text) => {
                let address = Address::parse(text).ok_or("is no host and port");
                self.faults.check("ssh.address", address, "write it as clients reach it: bastion.example.com:2222")?
            }
            None => Address { host: name.to_owned(), port: listen.port() },
        };
        Some(Ssh { listen, address })
    }

    fn http(&mut self, http: &file::Http, name: &str) -> Option<Http> {
        let mend = "write the address and port for HTTPS, such as \"[::]:8443\"";
        let listen = self.faults.required("http.listen", http.listen.as_deref(), mend)?;
        let listen = self.faults.check("http.listen", listen.parse::<SocketAddr>(), mend)?;
        let transport = match (&http.tls_cert_file, &http.tls_key_file, &http.behind_proxy) {
            (Some(cert), Some(key), None) => {
                let (cert_file, key_file) = (self.path(cert), self.path(key));
                self.read("http.tls_cert_file", &cert_file, Readers::Anyone);
                self.read("http.tls_key_file", &key_file, Readers::Owner);
                Some(Transport::Tls { cert_file, key_file })
            }
            (None, None, Some(proxies)) => {
                let mut addresses = Vec::new();
                for proxy in proxies {
                    let mend = "write the proxy's own address, without a port: \"10.0.0.5\"";
                    addresses.extend(self.faults.check("http.behind_proxy", proxy.parse::<IpAddr>(), mend));
                }
                if proxies.is_empty() {
                    self.faults.add("http.behind_proxy", "is empty", "name the proxies, or remove it");
                }
                Some(Transport::BehindProxy(addresses))
            }
            (None, None, None) if listen.ip().is_loopback() => Some(Transport::Loopback),
            _ => {
                let mend = "give tls_cert_file and tls_key_file, or behind_proxy, or listen on loopback";
                self.faults.add("http", "has no protection of its own, or two", mend);
                None
            }
        };
        let url = match (&http.url, &transport) {
            (Some(url), _) => {
                let plain = url.starts_with("https://") || (listen.ip().is_loopback() && url.starts_with("http://"));
                let parsed = url::Url::parse(url).ok().filter(|parsed| plain && parsed.path() == "/");
                let whole = parsed.filter(|parsed| parsed.query().is_none() && parsed.fragment().is_none());
                let mend = "write it as clients reach it: https://bastion.example.com:8443";
                self.faults.check("http.url", whole.ok_or("is no https address without a path"), mend)?;
                url.trim_end_matches('/').to_owned()
            }
            (None, Some(Transport::Loopback)) => format!("http://{listen}"),
            (None, _) => match listen.port() {
                443 => format!("https://{name}"),
                port => format!("https://{name}:{port}"),
            },
        };
        Some(Http { listen, url, transport: transport?, serve_log: http.serve_log.unwrap_or(false) })
    }

    /// Never for strangers: numbers say who works when.
    fn ops(&mut self, ops: &file::Ops) -> Option<Place> {
        let mend = "write an address on loopback, such as \"127.0.0.1:9464\", or \"unix:/run/sallyport/ops.sock\"";
        let listen = self.faults.required("ops.listen", ops.listen.as_deref(), mend)?;
        if let Some(path) = listen.strip_prefix("unix:") {
            return Some(Place::Unix(self.path(path)));
        }
        let address = self.faults.check("ops.listen", listen.parse::<SocketAddr>(), mend)?;
        let near = if address.ip().is_loopback() { Ok(address) } else { Err("is not on loopback") };
        self.faults.check("ops.listen", near, mend).map(Place::Tcp)
    }

    fn policy(&mut self, policy: Option<&file::Policy>) -> Policy {
        let dir = policy.and_then(|policy| policy.dir.as_deref()).unwrap_or("policies");
        let written = policy.and_then(|policy| policy.environments.clone());
        let environments = written.unwrap_or_else(|| ENVIRONMENTS.map(str::to_owned).to_vec());
        for environment in &environments {
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b);
            if environment.is_empty() || !environment.bytes().all(fits) {
                let what = format!("has {environment:?}, which is no name");
                self.faults.add("policy.environments", what, "use a-z 0-9 - _ .");
            }
        }
        if !environments.iter().any(|environment| environment == "production") {
            let mend = "add \"production\": what is labelled so is recorded to disk before it is shown";
            self.faults.add("policy.environments", "lacks production", mend);
        }
        let paths = |files: Option<&Vec<String>>| {
            files.map(|files| files.iter().map(|file| self.path(file)).collect()).unwrap_or_default()
        };
        let commands = paths(policy.and_then(|policy| policy.commands.as_ref()));
        let tests = paths(policy.and_then(|policy| policy.tests.as_ref()));
        Policy { dir: self.path(dir), environments: environments.into_iter().collect(), commands, tests }
    }

    /// A path of the file, made absolute or relative to the file's folder.
    fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }

    /// A file that the config names.
    fn read(&mut self, key: &str, path: &Path, readers: Readers) -> Option<Vec<u8>> {
        match rights::read(path, readers) {
            Ok(bytes) => Some(bytes),
            Err((what, mend)) => {
                self.faults.add(format!("{key} ({})", path.display()), what, mend);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
