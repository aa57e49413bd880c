//! The one place that knows every room: builds them, binds, runs, drains.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::approval::{Desk, Glasses, notify};
use crate::clock::Clock;
use crate::console::{self, Console};
use crate::domain::identity::Grouping;
use crate::domain::target::{Address, Target};
use crate::drain::Drain;
use crate::gateway::ssh::{self, breaker::Breaker};
use crate::http::{self, ops};
use crate::identity::{self, Identities};
use crate::ledger::{self, Ledger};
use crate::mask::fingerprint::Fingerprinter;
use crate::recording::{self, Recordings, index::Index};
use crate::session::{self, Recent, Sessions, Standing, failures::Failures, limits::Limits, registry::Registry};
use crate::signer::fingerprints::Fingerprints;
use crate::signer::{self, Signer};
use crate::store::{self, Blobs, Files, Registers, Volume};

pub mod check;
pub mod config;
pub mod copies;
mod disk;
mod error;
pub mod file;
pub mod init;
pub mod mend;
mod metrics;
mod probe;
mod reload;
pub mod replay;
pub mod revoke;
mod rights;
mod rooms;
pub mod rules;
mod serve;
pub mod siem;
pub mod store_check;
pub mod succeed;
mod systemd;
pub mod timestamps;
pub mod witness;
mod witnesses;

use config::Config;
pub use error::StartError;
use metrics::{Metrics, Reloads};
use probe::Probe;
pub use reload::{ReloadError, Reloaded};
use reload::{ReloadFaults, Reloader};
use rooms::{http_settings, identity_settings};
pub use serve::{ServeError, serve};
pub use systemd::System;

/// Where durable bytes are.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Recordings and payloads.
    pub blobs: Blobs,
    /// What answers quickly, and follows the ledger.
    pub registers: Registers,
    /// The log.
    pub files: Files,
    /// How much room there is for all three.
    pub volume: Volume,
}

/// Everything that a bastion is made of.
#[derive(Debug)]
pub struct Parts {
    /// What the operator decided.
    pub config: Config,
    /// The lasting keys.
    pub signer: Signer,
    /// By what a leaked secret is recognised again.
    pub fingerprints: Fingerprints,
    /// Durable bytes.
    pub stores: Stores,
    /// The log's origin, fixed by `init`.
    pub origin: String,
    /// The time.
    pub clock: Clock,
    /// Where clients come in.
    pub ssh: TcpListener,
    /// Where certificates are asked for.
    pub http: Option<TcpListener>,
}

/// What the config's state folder holds, opened.
#[derive(Debug)]
pub struct State {
    signer: Signer,
    fingerprints: Fingerprints,
    origin: String,
    stores: Stores,
}

impl State {
    /// Opens it; nobody else can from then on. Blocks.
    pub fn open(config: &Config) -> Result<Self, ServeError> {
        if succeed::is_under_way(&config.state) {
            return Err(StartError::Succeeded.into());
        }
        let signer = Signer::open(&config.state.join(init::KEYS)).map_err(ServeError::Keys)?;
        let now = Clock::system().now().unix_secs();
        let fingerprints = Fingerprints::open(&config.state.join(init::KEYS), now).map_err(ServeError::Keys)?;
        let origin = init::read_origin(&config.state)?;
        Ok(Self { signer, fingerprints, origin, stores: open_stores(&config.state)? })
    }

    /// With the listeners, which are the caller's.
    pub fn parts(self, config: Config, clock: Clock, ssh: TcpListener, http: Option<TcpListener>) -> Parts {
        let Self { signer, fingerprints, origin, stores } = self;
        Parts { config, signer, fingerprints, stores, origin, clock, ssh, http }
    }
}

/// A bastion that runs.
#[derive(Debug)]
pub struct Bastion {
    /// The address of the SSH listener.
    pub ssh: SocketAddr,
    /// The address of the HTTP listener.
    pub http: Option<SocketAddr>,
    /// The address of metrics and health, where they have one of TCP.
    pub ops: Option<SocketAddr>,
    /// Tasks that go on until the log is closed.
    watched: Drain,
    reloads: Arc<Reloads>,
    /// One reload at a time.
    reloader: Mutex<Reloader>,
    probe: Probe,
    sessions: Sessions,
    identities: Identities,
    key: ledger::checkpoint::Key,
    files: Files,
    drain: Drain,
    grace: Duration,
    stop_ledger: oneshot::Sender<bool>,
    sequencer: JoinHandle<Result<(), ledger::Error>>,
    dead: CancellationToken,
}

/// What still runs after it was cut gets this long to seal its recordings.
const LAST: Duration = Duration::from_secs(15);
/// How often the index of sessions notes how far it follows the ledger.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Opens the stores of a state folder. Blocks.
pub fn open_stores(state: &Path) -> Result<Stores, store::OpenError> {
    let (blobs, registers) = mend::open_store(state)?;
    let files = store::disk(&state.join(mend::LOG))?;
    Ok(Stores { blobs, registers, files, volume: Volume::Folder(state.to_owned()) })
}

/// Builds every room and begins to serve.
pub async fn start(parts: Parts) -> Result<Bastion, StartError> {
    let Parts { config, signer, fingerprints, stores, origin, clock, ssh: ssh_listener, http: http_listener } = parts;
    let policy = rules::load(&config, clock.now())?;
    let (policy, policy_now) = watch::channel(Arc::new(policy));
    let (groups, groups_now) = watch::channel(config.groups.clone());
    let (mask, mask_now) = watch::channel(config.mask.profiles());
    let humans_now = groups_now.clone();
    let grouping = Grouping::new(move |issuer, subject, asserted| groups_now.borrow().of(issuer, subject, asserted))
        .with_humans(move |one, other| humans_now.borrow().same_human(one, other));
    let settings = ledger::Settings {
        origin: origin.clone(),
        node: config.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        policy: Some(policy_now.borrow().digest()),
        config: Some(config.digest),
        last_checkpoint: config.last_checkpoint_file.as_deref().map(last_checkpoint).transpose()?,
    };
    let key = ledger::checkpoint::Key::new(&origin, signer.log_key()).map_err(ledger::Error::from)?;
    let (ledger, sequencer) =
        Ledger::open(settings, stores.files.clone(), stores.blobs.clone(), signer.clone(), clock.clone()).await?;
    ledger.mask_by(mask_now.clone());
    let follows = stores.registers.follows().await?;
    if follows > ledger.size() {
        return Err(StartError::Registers { follows, log: ledger.size() });
    }

    if let Some(trust) = &config.witnesses {
        let client = identity::provider::client(true).map_err(identity::Error::from)?;
        witnesses::agree(&ledger, trust, &client).await?;
    }
    copies::agree(&config.copies, &ledger).await?;

    // Before `log.start` names them: only a digest of each stands in the log.
    for text in [policy_now.borrow().clone().text(), crate::policy::SCHEMA] {
        ledger.keep_policy(text).await?;
    }

    // The sequencer outlives every task that appends: it has a drain of its own.
    let evidence = Drain::new();
    let (stop_ledger, stopped) = oneshot::channel();
    let dead = CancellationToken::new();
    let guard = dead.clone().drop_guard();
    let sequencer = evidence.spawn(async move {
        let _guard = guard;
        sequencer.run(stopped).await
    });

    let drain = Drain::new();
    let (notices, notifier) = notify::new(notify_settings(&config)?, ledger.clone(), clock.clone());
    drain.spawn(notifier.run(drain.stopping().clone()));
    let recording_settings =
        recording::Settings { max_stored_bytes: config.max_recording_bytes, ..recording::Settings::default() };
    let targets: Vec<Arc<Target>> = config.targets.iter().cloned().map(Arc::new).collect();
    let sessions = Sessions::new(session::Inner {
        bastion: config.name.clone(),
        ledger: ledger.clone(),
        recordings: Recordings::new(stores.blobs.clone(), recording_settings),
        index: Index::new(stores.registers.clone()),
        clock: clock.clone(),
        policy: policy_now.clone(),
        masks: mask_now,
        prints: {
            let clock = clock.clone();
            Fingerprinter::new(move |value| fingerprints.of_value(value, clock.now().unix_secs()))
        },
        targets: RwLock::new(Arc::new(targets)),
        groups: grouping.clone(),
        standing: Standing::default(),
        failures: Failures::new(clock.clone()),
        registry: Registry::default(),
        limits: Limits::new(&config.limits.shared(), clock.clone()),
        desk: Desk::new(config.approval.clone(), ledger.clone(), clock.clone(), notices),
        glasses: Glasses::new(stores.registers.clone()),
        recent: Recent::default(),
    });
    mend::finish(&config.state, &ledger, sessions.recordings(), clock.now()).await?;
    sessions.catch_up().await?;
    let recovered = sessions.recover().await?;
    if recovered > 0 {
        info!(recovered, "recordings that a crash left open are sealed");
    }
    sessions.recall_recorded().await.map_err(session::recover::Error::from)?;
    disk::look(&sessions, &stores.volume).await;
    let identities = Identities::open(
        identity_settings(&config, grouping),
        ledger.clone(),
        stores.registers.clone(),
        signer.clone(),
        clock.clone(),
        policy_now,
    )
    .await?;
    let standing = identities.clone();
    sessions.standing().is_told_by(move |caller| standing.is_revoked(caller));

    let address = &config.ssh.address;
    let names = vec![config.name.clone()];
    let certificate = identities.bastion_certificate(names, Duration::from_secs(signer::BASTION_HOST_LIFE_S)).await?;
    let breaker = Breaker::new(clock.clone());
    let console = Console::new(
        console::Settings {
            bastion: config.name.clone(),
            host: address.host.clone(),
            port: address.port,
            user_ca: line(signer.user_ca()),
            target_ca: line(signer.target_ca()),
            host_ca: line(signer.host_ca()),
        },
        sessions.clone(),
        identities.clone(),
        Arc::new(ssh::reach::Hand {
            sessions: sessions.clone(),
            identities: identities.clone(),
            clock: clock.clone(),
            drain: drain.clone(),
            breaker: breaker.clone(),
        }),
        clock.clone(),
    );
    let limits = &config.limits;
    let rooms = Arc::new(ssh::Rooms {
        sessions: sessions.clone(),
        identities: identities.clone(),
        console,
        clock: clock.clone(),
        drain: drain.clone(),
        breaker,
        settings: ssh::Settings {
            login_grace: limits.login_grace,
            keep_alive: limits.keepalive,
            unauthenticated: (limits.unauthenticated as usize, (limits.unauthenticated as usize / 4).max(1)),
            connections: limits.connections as usize,
            channels: limits.channels_per_connection as usize,
            grace: limits.drain,
            sign_in: match &config.http {
                Some(http) => format!("get one with: sallyport login {}", http.url),
                None => "this bastion has no HTTP side to get one from: ask its operator".to_owned(),
            },
        },
    });
    let proof = ssh::HostProof { key: signer.host_key().clone(), certificate: Some(certificate) };
    let ssh_address = ssh_listener.local_addr().map_err(StartError::Listen)?;
    let (ask, asked) = mpsc::channel(1);
    drain.spawn(ssh::serve(ssh_listener, rooms, proof, asked));
    drain.spawn(sessions.clone().write_failures(drain.stopping().clone()));
    drain.spawn(disk::watch(sessions.clone(), stores.volume.clone(), drain.stopping().clone()));
    drain.spawn(sessions.clone().note_progress(NOTE_EVERY, drain.stopping().clone()));

    let mut http_address = None;
    let mut tls = None;
    if let (Some(listener), Some(settings)) = (http_listener, &config.http) {
        http_address = Some(listener.local_addr().map_err(StartError::Listen)?);
        let (settings, reloads) = http_settings(settings, &config, &ledger)?;
        tls = reloads;
        let serving = http::serve(settings, listener, identities.clone(), drain.clone());
        drain.spawn(async move {
            if let Err(cause) = serving.await {
                error!(error = ?cause, "http: nobody can sign in until the next start");
            }
        });
    }
    if let Some(trust) = config.witnesses.clone() {
        let client = identity::provider::client(true).map_err(identity::Error::from)?;
        ledger.witnessed_by(trust.clone());
        drain.spawn(witnesses::run(ledger.clone(), trust, client, drain.stopping().clone()));
    }
    info!(ssh = %ssh_address, http = ?http_address, targets = config.targets.len(), "serving");
    if let Some(settings) = config.timestamps.clone() {
        let client = identity::provider::client(true).map_err(identity::Error::from)?;
        drain.spawn(timestamps::run(settings, ledger.clone(), client, clock.clone(), drain.stopping().clone()));
    }
    let siem = siem::Progress::of(&config.siem);
    for sink in &config.siem {
        let (ledger, registers) = (ledger.clone(), stores.registers.clone());
        drain.spawn(siem::run(sink.clone(), ledger, registers, siem.clone(), drain.stopping().clone()));
    }
    let watched = Drain::new();
    let copies = copies::Progress::of(&config.copies);
    for place in &config.copies {
        watched.spawn(copies::run(place.clone(), ledger.clone(), copies.clone(), watched.stopping().clone()));
    }
    let probe = Probe { ledger, ssh: ask, drain: drain.clone() };
    let reloads = Arc::new(Reloads::default());
    let mut ops_address = None;
    if let Some(place) = &config.ops {
        let listener =
            ops::Listener::bind(place).await.map_err(|source| StartError::Ops { place: place.clone(), source })?;
        ops_address = listener.address();
        info!(?place, "metrics and health");
        let metrics = Metrics {
            sessions: sessions.clone(),
            identities: identities.clone(),
            probe: probe.clone(),
            clock: clock.clone(),
            started: clock.now(),
            reloads: reloads.clone(),
            siem,
            copies,
            memory_limit_bytes: limits.memory_bytes,
        };
        watched.spawn(ops::serve(listener, metrics, watched.clone()));
    }
    let grace = limits.drain;
    let reloader = Reloader {
        sessions: sessions.clone(),
        clock,
        started: config.clone(),
        read: config,
        policy,
        groups,
        mask,
        tls,
    };
    Ok(Bastion {
        ssh: ssh_address,
        http: http_address,
        reloader: Mutex::new(reloader),
        ops: ops_address,
        watched,
        reloads,
        probe,
        sessions,
        identities,
        key,
        files: stores.files,
        drain,
        grace,
        stop_ledger,
        sequencer,
        dead,
    })
}

impl Bastion {
    /// Governed sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Who somebody is.
    pub fn identities(&self) -> &Identities {
        &self.identities
    }

    /// The public key of the log, as `name+id+key`.
    pub fn log_key(&self) -> String {
        self.key.to_string()
    }

    /// Waits until the ledger takes nothing any more, for a reason of its own. Nothing can be allowed from then on.
    pub async fn failed(&self) {
        self.dead.cancelled().await;
    }

    /// Puts `next` into force, all of it or nothing. What cannot change while the bastion runs is named in the answer.
    pub async fn reload(&self, next: Config) -> Result<Reloaded, ReloadError> {
        let mut reloader = self.reloader.lock().await;
        let done = reloader.reload(next).await;
        self.reloads.note(done.is_ok(), reloader.clock.now());
        done
    }

    /// Reads the config file again, and everything that it names, and puts it into force.
    pub async fn reload_from(&self, path: &Path) -> Result<Reloaded, ReloadError> {
        match Config::load(path) {
            Ok(next) => self.reload(next).await,
            Err(faults) => {
                self.reloads.note(false, self.sessions.ledger().clock().now());
                Err(ReloadError::Faults(ReloadFaults::of_file(path, faults)))
            }
        }
    }

    /// How to stop, for somebody who cannot hold it.
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Stops accepting, lets sessions finish within the grace, cuts the rest, seals recordings, closes the log.
    /// Whether all had finished in time. The log can be read back then: see [`Bastion::stop_and_verify`].
    pub async fn stop(self) -> bool {
        let drained = self.drain.finish(self.grace, LAST).await;
        self.sessions.write_failures_now().await;
        let _ = self.stop_ledger.send(drained);
        match self.sequencer.await {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => error!(error = ?cause, "the log was not closed"),
            Err(cause) => error!(error = ?cause, "the sequencer"),
        }
        self.watched.finish(copies::AT_END, Duration::ZERO).await;
        drained
    }

    /// Stops, then checks the whole log: every entry, tile and the signed checkpoint.
    pub async fn stop_and_verify(self) -> Result<ledger::check::Report, ledger::Error> {
        let (files, key) = (self.files.clone(), self.key.clone());
        self.stop().await;
        ledger::check::verify_log(&files, &key).await
    }
}

fn notify_settings(config: &Config) -> Result<notify::Settings, StartError> {
    let Address { host, port } = &config.ssh.address;
    let client = |internal| identity::provider::client(internal).map_err(identity::Error::from);
    Ok(notify::Settings {
        bastion: config.name.clone(),
        line: format!("ssh -p {port} {host}"),
        channels: config.notify.clone(),
        clients: notify::Clients { public: client(false)?, internal: client(true)? },
    })
}

/// The folder and the name of the checkpoint that lies outside.
fn last_checkpoint(path: &Path) -> Result<(Files, String), StartError> {
    let name =
        path.file_name().and_then(|name| name.to_str()).ok_or_else(|| StartError::LastCheckpoint(path.to_owned()))?;
    let folder = path.parent().ok_or_else(|| StartError::LastCheckpoint(path.to_owned()))?;
    Ok((store::disk(folder)?, name.to_owned()))
}

fn line(key: &russh::keys::PublicKey) -> String {
    key.to_openssh().unwrap_or_default()
}
