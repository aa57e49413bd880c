//! The only builders: a bastion with issuer and targets, and clients that use the stock `ssh`.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use russh::keys::ssh_key::{HashAlg, LineEnding, SshSig};
use russh::keys::{Certificate, PrivateKey};
use sallyport::app::config::Config;
use sallyport::app::{self, Parts, Stores};
use sallyport::clock::Clock;
use sallyport::demo::issuer::{DemoIssuer, Person, Realm};
use sallyport::demo::target::DemoTarget;
use sallyport::demo::{issuer, target};
use sallyport::domain::binding;
use sallyport::domain::target::Login;
use sallyport::drain::Drain;
use sallyport::identity::proof::Proof;
use sallyport::identity::{Exchange, LoginError};
use sallyport::signer::Signer;
use sallyport::store::memory::Memory;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::process::Command;
use zeroize::Zeroizing;

pub const NAME: &str = "bastion.test";

/// A bastion with everything around it.
pub struct World {
    pub bastion: app::Bastion,
    pub issuer: DemoIssuer,
    /// `web1`, environment `test`.
    pub web: DemoTarget,
    /// `db1`, environment `production`.
    pub db: DemoTarget,
    pub memory: Memory,
    pub signer: Signer,
    pub clock: Clock,
    pub drain: Drain,
    pub dir: TempDir,
}

impl World {
    /// Alice is an admin, bob a user, carol an auditor.
    pub async fn start() -> Self {
        let (memory, signer) = (Memory::new(), Signer::in_memory().unwrap());
        Self::over(memory, signer).await
    }

    /// A bastion over what another one has left.
    pub async fn over(memory: Memory, signer: Signer) -> Self {
        let (clock, drain) = (Clock::system(), Drain::new());
        let dir = tempfile::tempdir().unwrap();
        let settings =
            issuer::Settings { client_id: "sallyport".into(), device_interval: Duration::from_secs(1), clock: clock.clone() };
        let issuer = DemoIssuer::start(settings, &drain).await.unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let (web, db) = (start_target("web1", &signer, &home, &clock, &drain).await, start_target("db1", &signer, &home, &clock, &drain).await);
        let policies = dir.path().join("policies");
        std::fs::create_dir(&policies).unwrap();
        for (name, text) in sallyport::policy::STARTER {
            std::fs::write(policies.join(name), text).unwrap();
        }
        let config = Config::parse(&config_text(&issuer, &web, &db), dir.path()).unwrap();
        let stores = Stores { blobs: memory.blobs(), registers: memory.registers(), files: memory.files() };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = format!("{NAME}/sallyport/test");
        let parts =
            Parts { config, signer: signer.clone(), stores, origin, clock: clock.clone(), ssh: listener, http: None };
        let bastion = app::start(parts).await.unwrap();
        Self { bastion, issuer, web, db, memory, signer, clock, drain, dir }
    }

    /// A client of a person who has just signed in.
    pub async fn person(&self, person: Person) -> Client {
        let key = new_key();
        let random = [7; 32];
        let nonce = binding::nonce(&key.public_key().to_bytes().unwrap(), &random);
        let claims = self.issuer.person_claims(person, Some(&nonce));
        let token = self.issuer.mint(Realm::Corp, &claims).unwrap();
        let certificate = self.exchange(&key, token, Some(random)).await.unwrap();
        self.client(&key, &certificate)
    }

    /// A client of a pipeline whose token is bound to its key.
    pub async fn pipeline(&self) -> Client {
        let key = new_key();
        let audience = binding::bound_audience(NAME, &key.public_key().fingerprint(HashAlg::Sha256).to_string());
        let token = self.issuer.mint(Realm::Actions, &self.issuer.job_claims(&audience)).unwrap();
        let certificate = self.exchange(&key, token, None).await.unwrap();
        self.client(&key, &certificate)
    }

    pub async fn exchange(&self, key: &PrivateKey, token: String, random: Option<[u8; 32]>) -> Result<Certificate, LoginError> {
        let now = self.clock.now();
        let message = binding::proof_message(NAME, &token, now);
        let signature = SshSig::sign(key, binding::PROOF_NAMESPACE, HashAlg::Sha512, message.as_bytes()).unwrap();
        let exchange = Exchange {
            token: Zeroizing::new(token),
            public_key: key.public_key().clone(),
            proof: Proof { armored: signature.to_pem(LineEnding::LF).unwrap(), time: now },
            nonce_random: random,
            flow: None,
            source: (Ipv4Addr::LOCALHOST, 1).into(),
        };
        Ok(self.bastion.identities().login(&exchange).await?.certificate)
    }

    fn client(&self, key: &PrivateKey, certificate: &Certificate) -> Client {
        let dir = tempfile::tempdir_in(self.dir.path()).unwrap();
        let path = dir.path().join("key");
        key.write_openssh_file(&path, LineEnding::LF).unwrap();
        certificate.write_file(&dir.path().join("key-cert.pub")).unwrap();
        let known = dir.path().join("known_hosts");
        let line = format!("@cert-authority {NAME} {}\n", self.signer.host_ca().to_openssh().unwrap());
        std::fs::write(&known, line).unwrap();
        let port = self.bastion.ssh.port();
        Client { key: path, known, port, _dir: dir }
    }

    /// Stops the bastion; the log must verify.
    pub async fn stop(self) -> Memory {
        let report = self.bastion.stop_and_verify().await.unwrap();
        assert!(report.is_good(), "{:?}", report.faults);
        assert!(report.signed > 0 && report.unsigned == 0, "{report:?}");
        self.drain.finish(Duration::from_secs(5), Duration::from_secs(5)).await;
        self.memory
    }
}

async fn start_target(name: &str, signer: &Signer, home: &std::path::Path, clock: &Clock, drain: &Drain) -> DemoTarget {
    let settings = target::Settings {
        name: name.into(),
        target_ca: signer.target_ca().clone(),
        host_authority: None,
        logins: vec![Login::parse("deploy").unwrap(), Login::parse("root").unwrap()],
        home: home.to_owned(),
        env: vec!["LANG".into(), "LC_*".into(), "COLORTERM".into(), "EDITOR".into()],
        clock: clock.clone(),
    };
    DemoTarget::start(settings, drain).await.unwrap()
}

fn config_text(issuer: &DemoIssuer, web: &DemoTarget, db: &DemoTarget) -> String {
    let target = |name: &str, env: &str, target: &DemoTarget, more: &str| {
        format!(
            "[[target]]\nname = \"{name}\"\naddress = \"{}\"\nlogins = [\"deploy\", \"root\"]\ndefault_login = \"deploy\"\n\
             labels = {{ env = \"{env}\"{more} }}\nshell = \"posix\"\nallow_loopback = true\nhost_key = \"{}\"\nenv = [\"EDITOR\"]\n\n",
            target.address(),
            target.host_key().to_openssh().unwrap()
        )
    };
    let pipeline = ", ci_issuer = \"actions\", ci_repository = \"REPOSITORY\", ci_environment = \"production\", ci_login = \"deploy\"";
    let claims = issuer.job_claims("x");
    let repository = claims["repository_id"].as_str().unwrap();
    let pipeline = pipeline.replace("REPOSITORY", repository);
    format!(
        "name = \"{NAME}\"\nstate = \"state\"\n[ssh]\nlisten = \"127.0.0.1:2222\"\n\
         [[issuer]]\nname = \"corp\"\nprofile = \"generic\"\nurl = \"{}\"\nclient_id = \"sallyport\"\nsingle_tenant = true\ninternal = true\n\
         [[issuer]]\nname = \"actions\"\nprofile = \"github\"\nurl = \"{}\"\nrequire = {{ repository_owner_id = \"1234\" }}\ninternal = true\n\
         [[group]]\nname = \"admins\"\nmembers = [\"corp:{}\"]\n\
         [[group]]\nname = \"users\"\nmembers = [\"corp/engineering\"]\n\
         [[group]]\nname = \"auditors\"\nmembers = [\"corp/auditors\"]\n\n{}{}",
        issuer.url(Realm::Corp),
        issuer.url(Realm::Actions),
        Person::Alice.subject(),
        target("web1", "test", web, ""),
        target("db1", "production", db, &pipeline),
    )
}

fn new_key() -> PrivateKey {
    sallyport::client::keys::new_key("test").unwrap()
}

/// The stock `ssh`, with one identity.
pub struct Client {
    key: PathBuf,
    known: PathBuf,
    port: u16,
    _dir: TempDir,
}

impl Client {
    pub fn command(&self, user: &str, options: &[&str], command: &[&str]) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-p", &self.port.to_string(), "-i"]).arg(&self.key);
        ssh.args(["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=yes"]);
        ssh.args(["-o", &format!("HostKeyAlias={NAME}"), "-o", &format!("UserKnownHostsFile={}", self.known.display())]);
        ssh.args(options).args(["-l", user, "127.0.0.1"]).args(command);
        ssh.env_clear().env("PATH", "/usr/bin:/bin").kill_on_drop(true);
        ssh
    }

    /// Runs a command and waits for its end; at most a minute.
    pub async fn run(&self, user: &str, command: &str) -> Output {
        self.feed(user, command, b"").await
    }

    pub async fn feed(&self, user: &str, command: &str, input: &[u8]) -> Output {
        let mut ssh = self.command(user, &[], &[command]);
        ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = ssh.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let feeding = async move {
            // A command that reads nothing closes its end first.
            let _ = stdin.write_all(&input).await;
            drop(stdin);
        };
        let waiting = child.wait_with_output();
        let (output, ()) = tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(waiting, feeding) }).await.unwrap();
        output.unwrap()
    }
}

/// What a command gave, readable in a failed assertion.
pub fn shown(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}
