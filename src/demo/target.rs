//! A small SSH target for the demonstration and the tests.
//!
//! Listens on loopback only, believes one certificate authority made for this run, and runs what it
//! is asked to run as this user, or as `nobody` where this user is root. It knows no passwords, no
//! plain keys, no forwards and no agent. It is not meant to guard anything real.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{Certificate, PrivateKey, PublicKey};
use russh::server::{Config, run_stream};
use russh::{Disconnect, MethodKind, MethodSet};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::domain::target::Login;
use crate::drain::Drain;

mod admission;
mod connection;
mod process;
mod terminal;
#[cfg(test)]
mod tests;

pub use admission::Refusal;
use connection::{Connection, WINDOW};

/// What one target needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name, for the prompt that its shells show.
    pub name: String,
    /// The one authority whose user certificates it believes.
    pub target_ca: PublicKey,
    /// Signs a host certificate for its name and that of no other host. Absent: it shows its plain key.
    pub host_authority: Option<PrivateKey>,
    /// The accounts that it pretends to have.
    pub logins: Vec<Login>,
    /// Where commands start, and their `HOME`. Must be readable by the user they run as.
    pub home: PathBuf,
    /// Environment variables taken from clients, beyond `LANG`, `LC_*`, `TERM` and `COLORTERM`.
    pub env: Vec<String>,
    /// Tells whether a certificate is valid. The SSH library looks at the system's clock besides.
    pub clock: Clock,
}

/// A running target.
pub struct DemoTarget {
    address: SocketAddr,
    host_key: PublicKey,
    shared: Arc<Shared>,
    stop: CancellationToken,
}

impl DemoTarget {
    /// Listens on a free port of loopback, with a host key of its own, until `drain` stops.
    pub async fn start(settings: Settings, drain: &Drain) -> Result<Self, Error> {
        let key = fresh_key()?;
        let host_key = key.public_key().clone();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::Listen)?;
        let address = listener.local_addr().map_err(Error::Listen)?;
        let config = Arc::new(config(key, &settings)?);
        let shared = Arc::new(Shared {
            settings,
            log: Mutex::default(),
            running: watch::Sender::new(0),
            cut: Mutex::default(),
            drain: drain.clone(),
        });
        let stop = CancellationToken::new();
        drain.spawn(accept(listener, config, Arc::clone(&shared), stop.clone()));
        Ok(Self { address, host_key, shared, stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The key by which it proves itself.
    pub fn host_key(&self) -> &PublicKey {
        &self.host_key
    }

    /// Every sign-in that was tried, oldest first: what an authentication log would hold.
    pub fn attempts(&self) -> Vec<Attempt> {
        locked(&self.shared.log).attempts.clone()
    }

    /// Everything that was run, oldest first.
    pub fn runs(&self) -> Vec<Run> {
        locked(&self.shared.log).runs.clone()
    }

    /// How many processes live.
    pub fn running(&self) -> usize {
        *self.shared.running.borrow()
    }

    /// Waits until no process lives.
    pub async fn idle(&self) {
        // The sender lives in `self`: the wait cannot fail.
        let _ = self.shared.running.subscribe().wait_for(|running| *running == 0).await;
    }

    /// Ends every connection, as a crash of the host would, and goes on listening.
    pub fn cut(&self) {
        std::mem::take(&mut *locked(&self.shared.cut)).cancel();
    }

    /// Stops listening and ends every connection.
    pub fn stop(&self) {
        self.stop.cancel();
        self.cut();
    }
}

/// One try to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The account that was asked for.
    pub login: String,
    /// From where.
    pub source: SocketAddr,
    /// The certificate's key id.
    pub key_id: String,
    /// The certificate's serial.
    pub serial: u64,
    /// The authority's fingerprint.
    pub authority: String,
    /// Whether it was let in, or why not.
    pub outcome: Result<(), Refusal>,
}

/// One command or shell that ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The account.
    pub login: String,
    /// The key id of the certificate behind it.
    pub key_id: String,
    /// What was asked for: a command's exact bytes, `None` for a shell.
    pub asked: Option<Vec<u8>>,
    /// What the certificate forced instead, if it did.
    pub forced: Option<String>,
}

/// Why a target did not start.
#[derive(Debug, Error)]
pub enum Error {
    /// No port of loopback could be had.
    #[error("listen on loopback")]
    Listen(#[source] std::io::Error),
    /// It cannot have a host certificate.
    #[error("sign a host certificate")]
    HostCertificate(#[from] russh::keys::ssh_key::Error),
    /// The system gave no random bytes.
    #[error("draw a host key")]
    Random,
}

/// As OpenSSH's server would write it.
impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.outcome.is_ok() { "Accepted" } else { "Failed" };
        write!(
            f,
            "{verb} publickey for {} from {} port {} ssh2: ED25519-CERT ID {} (serial {}) CA {}",
            self.login.escape_default(),
            self.source.ip(),
            self.source.port(),
            self.key_id.escape_default(),
            self.serial,
            self.authority
        )?;
        match self.outcome {
            Ok(()) => Ok(()),
            Err(reason) => write!(f, ": {reason}"),
        }
    }
}

struct Shared {
    settings: Settings,
    log: Mutex<Log>,
    running: watch::Sender<usize>,
    /// Ends the connections of now; replaced when used.
    cut: Mutex<CancellationToken>,
    drain: Drain,
}

#[derive(Default)]
struct Log {
    attempts: Vec<Attempt>,
    runs: Vec<Run>,
}

async fn accept(listener: TcpListener, config: Arc<Config>, shared: Arc<Shared>, stop: CancellationToken) {
    let stopping = shared.drain.stopping().clone();
    loop {
        let (stream, source) = tokio::select! {
            () = stop.cancelled() => return,
            () = stopping.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                // Out of descriptors for a moment: those that live give theirs back.
                Err(_) => {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        shared.drain.spawn(connection(stream, source, Arc::clone(&config), Arc::clone(&shared)));
    }
}

async fn connection(stream: TcpStream, source: SocketAddr, config: Arc<Config>, shared: Arc<Shared>) {
    let cut = locked(&shared.cut).clone();
    let cutting = shared.drain.cutting().clone();
    let _ = stream.set_nodelay(true);
    let handler = Connection::new(shared, source);
    let Ok(Ok(session)) = timeout(GREETING_TIME, run_stream(config, stream, handler)).await else { return };
    let handle = session.handle();
    tokio::select! {
        ended = session => {
            if let Err(error) = ended {
                tracing::debug!(%source, %error, "connection to the demo target ended");
            }
        }
        () = async { tokio::select! { () = cut.cancelled() => {}, () = cutting.cancelled() => {} } } => {
            let bye = handle.disconnect(Disconnect::ByApplication, "going down".to_owned(), String::new());
            let _ = timeout(GOODBYE_TIME, bye).await;
        }
    }
}

fn config(key: PrivateKey, settings: &Settings) -> Result<Config, Error> {
    let certificate = settings.host_authority.as_ref().map(|authority| host_certificate(&key, authority, settings));
    Ok(Config {
        certificates: certificate.transpose()?.into_iter().collect(),
        methods: MethodSet::from([MethodKind::PublicKey].as_slice()),
        auth_rejection_time: Duration::ZERO,
        keys: vec![key],
        window_size: WINDOW,
        // The queue must never stop the library's only reader of the connection: `adjust_window`
        // bounds it in bytes.
        channel_buffer_size: 1 << 20,
        inactivity_timeout: None,
        nodelay: true,
        ..Config::default()
    })
}

/// For a day: longer than any demonstration.
fn host_certificate(key: &PrivateKey, authority: &PrivateKey, settings: &Settings) -> Result<Certificate, Error> {
    let mut nonce = vec![0; 32];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| Error::Random)?;
    let now = settings.clock.now().unix_secs();
    let mut draft = Builder::new(nonce, key.public_key(), now.saturating_sub(60), now + 24 * 3600)?;
    draft.cert_type(CertType::Host)?.key_id(&settings.name)?.valid_principal(&settings.name)?;
    Ok(draft.sign(authority)?)
}

fn fresh_key() -> Result<PrivateKey, Error> {
    let mut seed = zeroize::Zeroizing::new([0; 32]);
    aws_lc_rs::rand::fill(seed.as_mut_slice()).map_err(|_| Error::Random)?;
    Ok(PrivateKey::from(Ed25519Keypair::from_seed(&seed)))
}

/// A panic elsewhere must not silence the log of a test.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const GREETING_TIME: Duration = Duration::from_secs(10);
const GOODBYE_TIME: Duration = Duration::from_secs(1);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
