//! The world of one run: a folder, an issuer, two targets, the bastion.
//!
//! Everything is made anew and is removed at the end. What is written is what `init` writes, and three additions.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use russh::keys::PublicKey;
use tokio::net::TcpListener;
use url::Url;

use super::Error;
use super::issuer::{self, DemoIssuer, Person, Realm};
use super::secrets;
use super::stage::Stage;
use super::target::{self, DemoTarget};
use crate::app::config::Config;
use crate::app::{self, Bastion};
use crate::client::token::{Ci, Prompt, Way};
use crate::client::{self, Secret, SignedIn, keys, setup};
use crate::clock::Clock;
use crate::domain::RecordId;
use crate::domain::target::Login;
use crate::drain::Drain;

/// The bastion's name in this run.
pub(super) const NAME: &str = "demo";
/// The one account of each target.
pub(super) const LOGIN: &str = "deploy";

/// Everything of one run.
pub(super) struct World {
    pub(super) bastion: Bastion,
    pub(super) issuer: DemoIssuer,
    /// In the environment `test`.
    pub(super) web: DemoTarget,
    /// In the environment `production`.
    pub(super) db: DemoTarget,
    pub(super) clock: Clock,
    /// The bastion's HTTP side.
    pub(super) url: Url,
    drain: Drain,
    folder: Folder,
}

/// Somebody who can reach the bastion now.
pub(super) struct Visitor {
    /// Of the stock client.
    pub(super) config: PathBuf,
    pub(super) signed_in: SignedIn,
}

impl World {
    /// Builds it all in a new folder below `parent`.
    pub(super) async fn start(parent: &Path) -> Result<Self, Error> {
        let (clock, drain) = (Clock::system(), Drain::new());
        let folder = Folder::make(parent, &clock)?;
        let settings = issuer::Settings {
            client_id: "sallyport".to_owned(),
            device_interval: Duration::from_secs(1),
            clock: clock.clone(),
        };
        let issuer = DemoIssuer::start(settings, &drain).await?;
        let (ssh, ssh_address) = listen().await?;
        let (http, http_address) = listen().await?;
        let made = app::init::init(&app::init::Ask {
            dir: folder.make_within("bastion", 0o700)?,
            name: NAME.to_owned(),
            issuer_name: "corp".to_owned(),
            profile: "generic".to_owned(),
            issuer_url: issuer.url(Realm::Corp),
            client_ids: vec![issuer.client_id().to_owned()],
            require: Vec::new(),
            single_tenant: true,
            internal: true,
            ssh_listen: ssh_address,
            http_listen: Some(http_address),
            admins: vec![Person::Alice.subject().to_owned()],
        })?;
        // The account that runs commands must get there.
        let home = folder.make_within("home", 0o755)?;
        folder.write_open(&home.join("settings"), &secrets::settings())?;
        folder.program(
            &home,
            "sudo",
            "#!/bin/sh\n# Stands in for sudo, which nobody may use here.\necho \"done: $*\"\n",
        )?;
        let authority = PublicKey::from_openssh(&made.target_ca).map_err(|_| Error::Unknown { what: "target CA" })?;
        let target = |name: &str| target::Settings {
            name: name.to_owned(),
            target_ca: authority.clone(),
            host_authority: None,
            logins: Login::parse(LOGIN).into_iter().collect(),
            home: home.clone(),
            env: Vec::new(),
            clock: clock.clone(),
        };
        let web = DemoTarget::start(target("web1"), &drain).await?;
        let db = DemoTarget::start(target("db1"), &drain).await?;
        let failed = |source| Error::Folder { path: made.config.clone(), source };
        let text = fs::read_to_string(&made.config).map_err(failed)?;
        fs::write(&made.config, added(&text, ssh_address, &issuer, &web, &db)?).map_err(failed)?;
        let config = Config::load(&made.config)?;
        let parts = app::State::open(&config)?.parts(config, clock.clone(), ssh, Some(http));
        let bastion = app::start(parts).await.map_err(app::ServeError::from)?;
        let url = Url::parse(&format!("http://{http_address}/")).map_err(|_| Error::Unknown { what: "address" })?;
        Ok(Self { bastion, issuer, web, db, clock, url, drain, folder })
    }

    /// Says what there is.
    pub(super) fn introduce(&self, stage: &Stage, ssh: &str) -> Result<(), Error> {
        stage.say(&format!(
            "A bastion, an OIDC issuer and two targets on loopback, with keys of this run only.\n\n\
             \x20 bastion  ssh 127.0.0.1:{ssh_port}, certificates at {url}\n\
             \x20 issuer   {issuer}: alice (admin), bob (user), carol (auditor), and a pipeline\n\
             \x20 targets  web1 (test), db1 (production), which let in whom the bastion sends\n\
             \x20 files    {folder}: config, policies, keys, log, recordings\n\
             \x20 client   {ssh}\n",
            ssh_port = self.bastion.ssh.port(),
            url = self.url,
            issuer = self.issuer.url(Realm::Corp),
            folder = self.folder.path.display(),
        ))
    }

    /// A person signs in with a browser that answers by itself.
    pub(super) async fn person(&self, person: Person) -> Result<Visitor, Error> {
        let drain = self.drain.clone();
        let mut browser = move |prompt: Prompt<'_>| {
            let Prompt::Open { url } = prompt else { return };
            let mut url = url.clone();
            url.query_pairs_mut().append_pair("prompt", "none").append_pair("login_hint", person.name());
            drain.spawn(async move {
                // The client says what went wrong if nobody comes back to it.
                if let Ok(client) = reqwest::Client::builder().no_proxy().build() {
                    let _ = client.get(url).send().await;
                }
            });
        };
        let way = Way::Browser { issuer: Some("corp".to_owned()), ports: Vec::new(), wait: SIGN_IN_TIME };
        let signed_in = client::login(&self.client(), way, &mut browser).await?;
        self.visitor(person.name(), signed_in)
    }

    /// A job of the pipeline, as on GitHub: its token is asked for this key.
    pub(super) async fn pipeline(&self) -> Result<Visitor, Error> {
        let what = "address of the pipeline's tokens";
        let ci = Ci::Github {
            request_url: Url::parse(&self.issuer.job_request_url()).map_err(|_| Error::Unknown { what })?,
            request_token: Secret::new(self.issuer.job_request_token().to_owned()),
        };
        let signed_in = client::login(&self.client(), Way::Ci(ci), &mut |_| {}).await?;
        self.visitor("pipeline", signed_in)
    }

    fn client(&self) -> client::Settings {
        client::Settings { bastion: self.url.clone(), name: None, roots: Vec::new(), clock: self.clock.clone() }
    }

    /// Writes key, certificate and the lines that `login --setup` writes, into files of this run.
    fn visitor(&self, name: &str, signed_in: SignedIn) -> Result<Visitor, Error> {
        let files = keys::into_files(&signed_in, &self.folder.make_within(&format!("{name}.d"), 0o700)?)?;
        let lines = setup::lines(&setup::Setup {
            bastion: NAME.to_owned(),
            host_name: Some(self.bastion.ssh.ip().to_string()),
            port: self.bastion.ssh.port(),
            targets: Vec::new(),
            logins: Vec::new(),
            host_ca: signed_in.host_ca.clone(),
            certificate: files.certificate,
            key: Some(files.key),
        })?;
        let known_hosts = self.folder.path.join("known_hosts");
        let strict = format!(
            "    UserKnownHostsFile \"{}\"\n    GlobalKnownHostsFile /dev/null\n    StrictHostKeyChecking yes\n\
             \x20   IdentityAgent none\n    LogLevel ERROR\n",
            known_hosts.display()
        );
        self.folder.write(&known_hosts, &lines.known_hosts)?;
        let config = self.folder.path.join(name);
        // The bastion's own words name it by address.
        let host = format!("Host {NAME}");
        let lines = lines.config.replacen(&host, &format!("{host} {}", self.bastion.ssh.ip()), 1);
        self.folder.write(&config, &format!("{lines}{strict}"))?;
        Ok(Visitor { config, signed_in })
    }

    /// A file of this run.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path.join(name)
    }

    /// Says what can be tried by hand.
    pub(super) fn invite(&self, stage: &Stage) -> Result<(), Error> {
        let ssh = |who: &str, rest: &str| format!("ssh -F {} {rest}", self.file(who).display());
        let until = self.clock.now().plus(super::STAY).to_string();
        stage.say(&format!(
            "\nNow you, from another terminal (until {until} UTC, or Ctrl-C here):\n\n\
             \x20 {alice_web}\n      alice, a shell on web1, recorded; Ctrl-D leaves it\n\
             \x20 {alice_db}\n      production: what you see is on disk before you see it\n\
             \x20 {bob_db}\n      bob may not\n\
             \x20 {pipeline}\n  {approve}\n      the pipeline waits, alice answers with one key\n\
             \x20 {carol}\n      the console: try sessions, sessions show ID, play ID, exit\n\
             \x20 {carol_list}\n      and the same for a machine\n\
             \x20 {url}\n      is the bastion for `sallyport login`: nobody asks for a password there\n\n",
            until = until.get(11..16).unwrap_or(&until),
            alice_web = ssh("alice", &format!("{LOGIN}+web1@{NAME}")),
            alice_db = ssh("alice", &format!("{LOGIN}+db1@{NAME} 'id; date'")),
            bob_db = ssh("bob", &format!("{LOGIN}+db1@{NAME}")),
            pipeline = ssh("pipeline", &format!("{LOGIN}+db1@{NAME} 'sudo systemctl restart cache'")),
            approve = ssh("alice", &format!("-t {NAME} approvals watch")),
            carol = ssh("carol", &format!("-t {NAME}")),
            carol_list = ssh("carol", &format!("{NAME} sessions list --json")),
            url = self.url,
        ))
    }

    /// Ends everything. What the log says is left to judge.
    pub(super) async fn end(self) -> Result<Ended, Error> {
        let Self { bastion, drain, folder, web, db, .. } = self;
        let verified = bastion.stop_and_verify().await;
        web.stop();
        db.stop();
        drain.finish(END_TIME, END_TIME).await;
        drop(folder);
        Ok(match verified {
            Ok(report) => Ended { entries: report.signed, unsigned: report.unsigned, faults: report.faults },
            Err(error) => Ended { entries: 0, unsigned: 0, faults: vec![error.to_string()] },
        })
    }
}

/// What the log is, after its end.
pub(super) struct Ended {
    /// Under the signed checkpoint.
    pub(super) entries: u64,
    /// Behind it: none, after an orderly end.
    pub(super) unsigned: u64,
    pub(super) faults: Vec<String>,
}

/// What `init` wrote, with an address that clients reach, the pipeline's issuer, members of groups and the two targets.
fn added(text: &str, ssh: SocketAddr, issuer: &DemoIssuer, web: &DemoTarget, db: &DemoTarget) -> Result<String, Error> {
    // The bastion's name is in no DNS.
    let text = text.replacen("[ssh]\n", &format!("[ssh]\naddress = \"{ssh}\"\n"), 1);
    let member = |text: String, group: &str, person: Person| {
        let empty = format!("name = \"{group}\"\nmembers = []\n");
        let filled = format!("name = \"{group}\"\nmembers = [\"corp:{}\"]\n", person.subject());
        let found = text.contains(&empty);
        if found { Ok(text.replace(&empty, &filled)) } else { Err(Error::Unknown { what: "groups of a new config" }) }
    };
    let text = member(text, "users", Person::Bob)?;
    let text = member(text, "auditors", Person::Carol)?;
    let target = |name: &str, at: &DemoTarget, labels: &str| {
        let key = at.host_key().to_openssh().unwrap_or_default();
        format!(
            "\n[[target]]\nname = \"{name}\"\naddress = \"{}\"\nlogins = [\"{LOGIN}\"]\ndefault_login = \"{LOGIN}\"\n\
             labels = {{ {labels} }}\nshell = \"posix\"\nhost_key = \"{key}\"\nallow_loopback = true\n",
            at.address()
        )
    };
    Ok(format!(
        "{text}\n[[issuer]]\nname = \"actions\"\nprofile = \"github\"\nurl = \"{actions}\"\n\
         require = {{ repository_owner_id = \"1234\" }}\ninternal = true\n\n\
         [[person]]\ncorp = \"{bob}\"\nactions_actor_id = \"583231\"\n{web}{db}\n[limits]\ndrain = \"2s\"\n",
        bob = Person::Bob.subject(),
        actions = issuer.url(Realm::Actions),
        web = target("web1", web, "env = \"test\""),
        db = target(
            "db1",
            db,
            &format!(
                "env = \"production\", ci_issuer = \"actions\", ci_repository = \"4711\", \
                 ci_environment = \"production\", ci_login = \"{LOGIN}\""
            ),
        ),
    ))
}

async fn listen() -> Result<(TcpListener, SocketAddr), Error> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::Listen)?;
    let address = listener.local_addr().map_err(Error::Listen)?;
    Ok((listener, address))
}

/// The folder of this run. Goes when dropped.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn make(parent: &Path, clock: &Clock) -> Result<Self, Error> {
        let failed = |path: &Path, source| Error::Folder { path: path.to_owned(), source };
        let parent = parent.canonicalize().map_err(|source| failed(parent, source))?;
        let id = RecordId::new(clock.now()).to_string().to_ascii_lowercase();
        // The end of an id is its random part.
        let path = parent.join(format!("sallyport-{}", id.get(18..).unwrap_or(&id)));
        // Others may pass through to the home of the targets, and see nothing else.
        DirBuilder::new().mode(0o711).create(&path).map_err(|source| failed(&path, source))?;
        let folder = Self { path };
        folder.set_mode(&folder.path, 0o711)?;
        Ok(folder)
    }

    fn make_within(&self, name: &str, mode: u32) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        let made = DirBuilder::new().recursive(true).mode(mode).create(&path);
        made.map_err(|source| Error::Folder { path: path.clone(), source })?;
        self.set_mode(&path, mode)?;
        Ok(path)
    }

    /// Whatever the umask is.
    fn set_mode(&self, path: &Path, mode: u32) -> Result<(), Error> {
        let set = fs::set_permissions(path, Permissions::from_mode(mode));
        set.map_err(|source| Error::Folder { path: path.to_owned(), source })
    }

    /// A program of the targets' own.
    fn program(&self, home: &Path, name: &str, text: &str) -> Result<(), Error> {
        let path = home.join("bin");
        DirBuilder::new().mode(0o755).create(&path).map_err(|source| Error::Folder { path: path.clone(), source })?;
        self.set_mode(&path, 0o755)?;
        let path = path.join(name);
        fs::write(&path, text).map_err(|source| Error::Folder { path: path.clone(), source })?;
        self.set_mode(&path, 0o755)
    }

    /// A file that everybody may read.
    fn write_open(&self, path: &Path, text: &str) -> Result<(), Error> {
        let written = fs::write(path, text).and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o644)));
        written.map_err(|source| Error::Folder { path: path.to_owned(), source })
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), Error> {
        let written = fs::write(path, text).and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o600)));
        written.map_err(|source| Error::Folder { path: path.to_owned(), source })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(path = %self.path.display(), %error, "the folder of this run stays behind");
            }
            _ => {}
        }
    }
}

const SIGN_IN_TIME: Duration = Duration::from_secs(30);
const END_TIME: Duration = Duration::from_secs(5);
