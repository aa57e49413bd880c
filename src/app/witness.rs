//! The witness role: a key, a folder with what was signed last of each log, and a listener. Nothing else of a bastion.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};

use crate::clock::Clock;
use crate::drain::Drain;
use crate::ledger::checkpoint::{self, Key};
use crate::ledger::witness;
use crate::signer::{self, witness::WitnessSigner};
use crate::{http, store};

/// What it is.
#[derive(Debug)]
pub struct Settings {
    /// Name of its key.
    pub name: String,
    /// Holds its key and its state.
    pub folder: PathBuf,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Logs whose checkpoints it signs.
    pub logs: Vec<Key>,
}

/// For requests that are under way at the end.
const GRACE: Duration = Duration::from_secs(2);

/// Makes the key, if there is none, and the line of a trust file that names it.
pub fn key_line(settings: &Settings) -> Result<String, WitnessError> {
    let signer = WitnessSigner::open_or_create(&settings.folder.join("keys"))?;
    let key = crate::ledger::cosign::Witness::new(&settings.name, signer.public())?;
    Ok(format!("witness {} {key}\n", settings.name))
}

/// Serves until SIGTERM or SIGINT. Blocks no second process: two with one folder would forget what the other has signed, so
/// the folder is locked.
pub async fn serve(settings: Settings) -> Result<(), WitnessError> {
    let signer = WitnessSigner::open_or_create(&settings.folder.join("keys"))?;
    let files = store::disk(&settings.folder.join("state"))?;
    let (desk, keeper) = witness::new(&settings.name, settings.logs, signer, files, Clock::system())?;
    let listener = TcpListener::bind(settings.listen).await.map_err(WitnessError::Listen)?;
    let address = listener.local_addr().map_err(WitnessError::Listen)?;
    info!(%address, key = %keeper.key(), "witness");
    let mut terminate = signal(SignalKind::terminate()).map_err(WitnessError::Listen)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(WitnessError::Listen)?;
    let drain = Drain::new();
    drain.spawn(http::witness::serve(listener, desk, drain.clone()));
    let failed = tokio::select! {
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
        kept = keeper.run() => kept.err(),
    };
    drain.finish(GRACE, GRACE).await;
    match failed {
        None => Ok(()),
        Some(cause) => {
            error!(error = &cause as &dyn std::error::Error, "the witness stops: what is on the disk counts");
            Err(WitnessError::State(cause))
        }
    }
}

/// Why there is no witness.
#[derive(Debug, Error)]
pub enum WitnessError {
    /// Its key.
    #[error("the witness's key")]
    Key(#[from] signer::Error),
    /// Its name.
    #[error(transparent)]
    Name(#[from] checkpoint::Error),
    /// Its folder.
    #[error("the witness's folder")]
    Folder(#[from] store::OpenError),
    /// What it signed last.
    #[error("the witness's state")]
    State(#[source] store::Error),
    /// It cannot listen.
    #[error("listen")]
    Listen(#[source] std::io::Error),
}
