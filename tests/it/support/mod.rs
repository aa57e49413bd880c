//! The only builders: a bastion with issuer and targets, clients that use the stock `ssh` or worse, and readers of evidence.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::ssh_key::{HashAlg, LineEnding, SshSig};
use russh::keys::{Certificate, PrivateKey, PublicKey};
use sallyport::app::config::Config;
use sallyport::app::{self, Parts, Stores};
use sallyport::clock::Clock;
use sallyport::demo::issuer::{DemoIssuer, Person, Realm};
use sallyport::demo::target::DemoTarget;
use sallyport::demo::{issuer, target};
use sallyport::domain::binding;
use sallyport::domain::session::SessionId;
use sallyport::domain::target::Login;
use sallyport::drain::Drain;
use sallyport::identity::proof::Proof;
use sallyport::identity::{Exchange, LoginError};
use sallyport::ledger::check::Report;
use sallyport::recording::index::{Filter, Summary};
use sallyport::signer::Signer;
use sallyport::signer::fingerprints::Fingerprints;
use sallyport::store::memory::Memory;
use tempfile::TempDir;
use tokio::net::TcpListener;
use zeroize::Zeroizing;

pub mod evidence;
pub mod forge;
pub mod library;
pub mod stock;
pub mod tap;

use evidence::{Log, Replay, extent, recording};
use stock::Client;
pub use stock::shown;
use tap::Tap;

pub const NAME: &str = "bastion.test";

/// The lasting keys of a bastion, and the one that tests forge with.
#[derive(Clone)]
pub struct Keys {
    pub signer: Signer,
    pub user_ca: PrivateKey,
}

impl Keys {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("keys");
        let signer = Signer::create(&folder).unwrap();
        let user_ca = PrivateKey::read_openssh_file(folder.join("user_ca")).unwrap();
        Self { signer, user_ca }
    }
}

/// What a world is made of; a test changes what it is about.
pub struct Setup {
    pub memory: Memory,
    pub keys: Keys,
    pub clock: Clock,
    /// One file in place of the starter policies.
    pub policy: Option<&'static str>,
    /// More of the config.
    pub config: &'static str,
    /// What the config takes for the host key of `web1`.
    pub host_key: Option<String>,
    /// The authority that `web1` believes, if it is not ours.
    pub web_believes: Option<PublicKey>,
}

impl Setup {
    pub fn new() -> Self {
        Self {
            memory: Memory::new(),
            keys: Keys::new(),
            clock: Clock::system(),
            policy: None,
            config: "",
            host_key: None,
            web_believes: None,
        }
    }

    /// Over what another bastion has left.
    pub fn over(memory: Memory, keys: &Keys) -> Self {
        Self { memory, keys: keys.clone(), ..Self::new() }
    }

    pub async fn start(self) -> World {
        let drain = Drain::new();
        let Self { memory, keys, clock, policy, config, host_key, web_believes } = self;
        let dir = tempfile::tempdir().unwrap();
        let settings = issuer::Settings {
            client_id: "sallyport".into(),
            device_interval: Duration::from_secs(1),
            clock: clock.clone(),
        };
        let issuer = DemoIssuer::start(settings, &drain).await.unwrap();
        let home = dir.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let ours = keys.signer.target_ca();
        let web = start_target("web1", web_believes.as_ref().unwrap_or(ours), &home, &drain).await;
        let db = start_target("db1", ours, &home, &drain).await;
        let (web_wire, db_wire) = (Tap::before(web.address(), &drain).await, Tap::before(db.address(), &drain).await);
        let policies = dir.path().join("policies");
        std::fs::create_dir(&policies).unwrap();
        for (name, text) in policy.map_or(sallyport::policy::STARTER.to_vec(), |text| vec![("10-test.cedar", text)]) {
            std::fs::write(policies.join(name), text).unwrap();
        }
        let web_key = host_key.unwrap_or_else(|| web.host_key().to_openssh().unwrap());
        let db_key = db.host_key().to_openssh().unwrap();
        let text = config_text(&issuer, (&web_wire, &web_key), (&db_wire, &db_key));
        let text = format!("{text}{config}");
        let config = Config::parse(&text, dir.path()).unwrap();
        let (blobs, registers) = (memory.blobs(), memory.registers());
        let stores = Stores { blobs, registers, files: memory.files(), volume: memory.volume() };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let origin = format!("{NAME}/sallyport/test");
        let signer = keys.signer.clone();
        let fingerprints = Fingerprints::in_memory().unwrap();
        let parts =
            Parts { config, signer, fingerprints, stores, origin, clock: clock.clone(), ssh: listener, http: None };
        let bastion = app::start(parts).await.unwrap();
        World { bastion, issuer, web, web_wire, db, db_wire, memory, keys, clock, drain, dir, config: text }
    }
}

/// A bastion with everything around it.
pub struct World {
    pub bastion: app::Bastion,
    pub issuer: DemoIssuer,
    /// `web1`, environment `test`.
    pub web: DemoTarget,
    pub web_wire: Tap,
    /// `db1`, environment `production`.
    pub db: DemoTarget,
    pub db_wire: Tap,
    pub memory: Memory,
    pub keys: Keys,
    pub clock: Clock,
    pub drain: Drain,
    pub dir: TempDir,
    /// The text of the config.
    pub config: String,
}

/// What a bastion has left.
pub struct Left {
    pub log: Log,
    pub report: Report,
}

impl World {
    /// Alice is an admin and a user, bob a user, carol an auditor.
    pub async fn start() -> Self {
        Setup::new().start().await
    }

    /// A client of a person who has just signed in.
    pub async fn person(&self, person: Person) -> Client {
        let key = new_key();
        let random = [7; 32];
        let nonce = binding::nonce(&key.public_key().to_bytes().unwrap(), &random);
        let claims = self.issuer.person_claims(person, Some(&nonce));
        let token = self.issuer.mint(Realm::Corp, &claims).unwrap();
        let certificate = self.exchange(&key, token, Some(random)).await.unwrap();
        Client::new(self, key, certificate)
    }

    /// A client of a pipeline whose token is bound to its key.
    pub async fn pipeline(&self) -> Client {
        let key = new_key();
        let audience = binding::bound_audience(NAME, &key.public_key().fingerprint(HashAlg::Sha256).to_string());
        let token = self.issuer.mint(Realm::Actions, &self.issuer.job_claims(&audience)).unwrap();
        let certificate = self.exchange(&key, token, None).await.unwrap();
        Client::new(self, key, certificate)
    }

    pub async fn exchange(
        &self,
        key: &PrivateKey,
        token: String,
        random: Option<[u8; 32]>,
    ) -> Result<Certificate, LoginError> {
        let now = self.clock.now();
        let message = binding::proof_message(NAME, &token, now);
        let signature = SshSig::sign(key, binding::PROOF_NAMESPACE, HashAlg::Sha512, message.as_bytes()).unwrap();
        let exchange = Exchange {
            token: Zeroizing::new(token),
            public_key: key.public_key().clone(),
            proof: Proof::Signed { armored: signature.to_pem(LineEnding::LF).unwrap(), time: now },
            nonce_random: random,
            flow: None,
            source: (Ipv4Addr::LOCALHOST, 1).into(),
        };
        Ok(self.bastion.identities().login(&exchange).await?.certificate)
    }

    /// All of the log so far.
    pub async fn log(&self) -> Log {
        Log::read(self.bastion.sessions().ledger()).await
    }

    /// Waits until so many sessions have ended, evidence and all; the oldest first.
    pub async fn ended(&self, count: usize) -> Vec<Summary> {
        let index = self.bastion.sessions().index();
        let ended = async || {
            let found = index.list(&Filter::default(), 1000).await.unwrap();
            let mut ended: Vec<_> = found.into_iter().filter(|summary| summary.ended.is_some()).collect();
            ended.reverse();
            (ended.len() >= count).then_some(ended)
        };
        until("the end of sessions", ended).await
    }

    /// The one session that has ended, its recording checked against the log.
    pub async fn replay(&self) -> Replay {
        let ended = self.ended(1).await;
        assert_eq!(ended.len(), 1);
        self.replay_of(ended[0].session).await
    }

    /// A session that has ended, its recording checked against the log.
    pub async fn replay_of(&self, session: SessionId) -> Replay {
        let log = self.log().await;
        let close = log.one(session, "recording.close");
        let reader = self.bastion.sessions().recordings().reader(recording(close));
        Replay::of(reader.expecting(extent(close))).await
    }

    /// Stops the bastion; the log must verify.
    pub async fn stop(self) -> Left {
        let left = self.stop_anyhow().await;
        assert!(left.report.is_good(), "{:?}", left.report.faults);
        assert!(left.report.signed > 0 && left.report.unsigned == 0, "{:?}", left.report);
        left
    }

    /// Stops the bastion, however well that goes.
    pub async fn stop_anyhow(self) -> Left {
        let ledger = self.bastion.sessions().ledger().clone();
        let report = self.bastion.stop_and_verify().await.unwrap();
        self.drain.finish(Duration::from_secs(5), Duration::from_secs(5)).await;
        Left { log: Log::read(&ledger).await, report }
    }
}

/// Waits for something that tells nobody when it happens.
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            match look().await {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

async fn start_target(name: &str, believes: &PublicKey, home: &Path, drain: &Drain) -> DemoTarget {
    let settings = target::Settings {
        name: name.into(),
        target_ca: believes.clone(),
        host_authority: None,
        logins: vec![Login::parse("deploy").unwrap(), Login::parse("root").unwrap()],
        home: home.to_owned(),
        env: vec!["EDITOR".into(), "LD_PRELOAD".into(), "SALLYPORT_REASON".into()],
        clock: Clock::system(),
    };
    DemoTarget::start(settings, drain).await.unwrap()
}

fn config_text(issuer: &DemoIssuer, web: (&Tap, &str), db: (&Tap, &str)) -> String {
    let target = |name: &str, env: &str, (wire, key): (&Tap, &str), more: &str| {
        format!(
            "[[target]]\nname = \"{name}\"\naliases = [\"{name}.internal\"]\naddress = \"{}\"\nlogins = [\"deploy\", \"root\"]\n\
             default_login = \"deploy\"\nlabels = {{ env = \"{env}\"{more} }}\nshell = \"posix\"\nallow_loopback = true\n\
             host_key = \"{key}\"\nenv = [\"EDITOR\"]\n\n",
            wire.address(),
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

fn new_key() -> Arc<PrivateKey> {
    Arc::new(sallyport::client::keys::new_key("test").unwrap())
}
