//! One process: its listeners, its signals, its service manager, and the end.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::interval;
use tracing::{error, info, warn};

use super::config::{Config, Faults};
use super::systemd::{Manager, System};
use super::{Bastion, LAST, ReloadError, StartError, State, init, start};
use crate::clock::Clock;
use crate::domain::printable;
use crate::drain::Drain;
use crate::{signer, store};

/// Runs the bastion of this config until SIGTERM or SIGINT, then drains; a second one cuts. SIGHUP reloads.
pub async fn serve(path: &Path, system: System) -> Result<(), ServeError> {
    // No core file, no debugger of the same account: keys and tokens are in memory.
    if !cfg!(debug_assertions) {
        let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    }
    // From the first moment: a reload or stop that comes early must not end the process as it stands.
    let mut signals = Signals::new()?;
    let manager = Manager::at(system.notify.as_deref());
    let config = Config::load(path)?;
    // The folder first: a second process is told of the other one, not of a port.
    let state = State::open(&config)?;
    let (ssh, http) = listeners(&config, system.listeners).await?;
    let grace = config.limits.drain;
    let bastion = start(state.parts(config, Clock::system(), ssh, http)).await?;
    let signs = system.watchdog.map(|within| {
        let signs = signs_of_life(bastion.probe.clone(), Manager::at(system.notify.as_deref()), within);
        Drain::new().spawn(signs)
    });
    manager.ready("serving");
    let failed = loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Stop => break false,
                Asked::Reload => reload(&bastion, path, &manager).await,
            },
            () = bastion.failed() => break true,
        }
    };
    let open = bastion.sessions().open_count();
    let status = format!("stopping: {open} sessions are open, {} s at most", grace.as_secs());
    info!(sessions = open, grace_s = grace.as_secs(), "stopping; a second signal cuts what is open");
    // Twice the last wait: for what is cut, and for the log.
    manager.stopping(grace + 2 * LAST, &status);
    let drain = bastion.drain().clone();
    let mut stopping = std::pin::pin!(bastion.stop());
    let drained = loop {
        tokio::select! {
            drained = &mut stopping => break drained,
            asked = signals.next() => match asked {
                Asked::Stop => {
                    warn!("cutting what is open");
                    drain.cut();
                }
                Asked::Reload => warn!("not reloaded: the bastion is stopping"),
            },
        }
    };
    if let Some(signs) = signs {
        signs.abort();
    }
    info!(drained, "stopped");
    if failed { Err(ServeError::Ledger) } else { Ok(()) }
}

/// The listeners that the config asks for: those that were handed over, by name or by address, and the rest bound here.
async fn listeners(
    config: &Config,
    handed: Vec<(String, std::net::TcpListener)>,
) -> Result<(TcpListener, Option<TcpListener>), ServeError> {
    let (mut ssh, mut http) = (None, None);
    for (name, listener) in handed {
        let fault = |why: String| ServeError::Socket { name: name.clone(), why };
        let address = listener.local_addr().map_err(|error| fault(error.to_string()))?;
        let place = match name.as_str() {
            "ssh" => &mut ssh,
            "http" => &mut http,
            _ if address == config.ssh.listen => &mut ssh,
            _ if config.http.as_ref().is_some_and(|http| http.listen == address) => &mut http,
            _ => {
                let why = "is for nothing here; write FileDescriptorName=ssh or =http into its socket unit";
                return Err(fault(why.to_owned()));
            }
        };
        listener.set_nonblocking(true).map_err(|error| fault(error.to_string()))?;
        let listener = TcpListener::from_std(listener).map_err(|error| fault(error.to_string()))?;
        if place.replace(listener).is_some() {
            return Err(fault("is there twice".to_owned()));
        }
        info!(name, %address, "listens on a socket of the service manager");
    }
    if let (Some(_), None) = (&http, &config.http) {
        let why = "the config has no [http]; add it, or stop the socket unit".to_owned();
        return Err(ServeError::Socket { name: "http".to_owned(), why });
    }
    let bind = |address: SocketAddr| async move {
        TcpListener::bind(address).await.map_err(|source| ServeError::Bind { address, source })
    };
    let ssh = match ssh {
        Some(ssh) => ssh,
        None => bind(config.ssh.listen).await?,
    };
    let http = match (http, &config.http) {
        (None, Some(wanted)) => Some(bind(wanted.listen).await?),
        (http, _) => http,
    };
    Ok((ssh, http))
}

/// Says what came of it, line by line. Whatever is wrong, the bastion serves on.
async fn reload(bastion: &Bastion, path: &Path, manager: &Manager) {
    info!("reloading");
    manager.reloading();
    match bastion.reload_from(path).await {
        Ok(done) => {
            let changed = if done.changed.is_empty() { "nothing".to_owned() } else { done.changed.join(", ") };
            let mut status = format!("serving; reloaded, changed: {changed}");
            if !done.restart.is_empty() {
                status += &format!("; needs a restart: {}", done.restart.join(", "));
                warn!(keys = done.restart.join(", "), "needs a restart");
            }
            info!(changed, sessions_ended = done.ended, "reloaded");
            manager.ready(&status);
        }
        Err(ReloadError::Faults(faults)) => {
            let lines = faults.lines();
            for line in &lines {
                error!("not reloaded: {}", printable(line, 1000));
            }
            let count = lines.len();
            error!(faults = count, "not reloaded: everything stays as it was");
            manager
                .ready(&format!("serving; the last reload was refused, faults: {count}; `sallyport check` lists them"));
        }
        Err(cause @ ReloadError::Ledger(_)) => {
            error!(error = ?cause, "not reloaded: everything stays as it was");
            manager.ready("serving; the last reload was refused: the ledger does not take it");
        }
    }
}

/// Tells the manager that the bastion lives, as long as it does.
async fn signs_of_life(probe: super::Probe, manager: Manager, within: Duration) {
    let mut beat = interval((within / 2).max(Duration::from_millis(10)));
    loop {
        beat.tick().await;
        match probe.silent().await {
            None => manager.alive(),
            Some(what) => error!(what, "does not answer: no sign of life for the service manager"),
        }
    }
}

/// What a signal asks for.
enum Asked {
    Stop,
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reload: Signal,
}

impl Signals {
    fn new() -> Result<Self, ServeError> {
        let of = |kind| signal(kind).map_err(ServeError::Signal);
        Ok(Self {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            reload: of(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        let (asked, name) = tokio::select! {
            _ = self.terminate.recv() => (Asked::Stop, "SIGTERM"),
            _ = self.interrupt.recv() => (Asked::Stop, "SIGINT"),
            _ = self.reload.recv() => (Asked::Reload, "SIGHUP"),
        };
        info!(signal = name, "signal");
        asked
    }
}

/// Why `serve` ended.
#[derive(Debug, Error)]
pub enum ServeError {
    /// Faults of the config.
    #[error("{0}")]
    Config(#[from] Faults),
    /// The lasting keys.
    #[error("keys")]
    Keys(#[source] signer::Error),
    /// What `init` made.
    #[error(transparent)]
    Init(#[from] init::Error),
    /// A folder could not be opened.
    #[error("state folder")]
    Open(#[from] store::OpenError),
    /// An address could not be listened on.
    #[error("listen on {address}")]
    Bind {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A socket that the service manager handed over.
    #[error("socket {name:?} of the service manager: {why}")]
    Socket {
        /// Its name there.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// Signals of the system.
    #[error("signals")]
    Signal(#[source] io::Error),
    /// Starting.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The ledger ended.
    #[error("the ledger takes no entries any more; the log above says why. The next start reads what is on the disk")]
    Ledger,
}
