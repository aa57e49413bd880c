//! Revocation while the bastion is stopped: the same records and registers, without a listener.
//!
//! Opens the stores as `serve` does, so that only one of the two runs. Asks no policy: whoever can write the state
//! folder is past that.

use std::sync::Arc;

use thiserror::Error;
use tokio::sync::{oneshot, watch};

use super::config::Config;
use super::{ServeError, State};
use crate::clock::Clock;
use crate::domain::Text;
use crate::domain::identity::Grouping;
use crate::drain::Drain;
use crate::identity::{self, Identities, Revocation, Unnamed, Void};
use crate::ledger::{self, Ledger};
use crate::policy::{self, Policy};
use crate::store;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Put somebody out.
    Revoke {
        /// As a person writes it, see [`Identities::named`].
        whom: String,
        /// Why.
        reason: String,
    },
    /// Let an identity in again.
    Reinstate {
        /// Likewise.
        whom: String,
        /// Why.
        reason: String,
    },
    /// Say what is revoked.
    List,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// These are out: the identity, if it was one, and the serials that are void now.
    Revoked(Option<String>, Vec<u64>),
    /// This identity may sign in again.
    Reinstated(String),
    /// These identities are out, and these certificates are void before their end.
    Listed(Vec<String>, Vec<Void>),
}

/// Does it, in the state folder of this config.
pub async fn run(config: &Config, clock: Clock, ask: Ask) -> Result<Done, Error> {
    let State { signer, origin, stores, .. } = State::open(config)?;
    let settings = ledger::Settings {
        origin,
        node: config.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        policy: None,
        config: Some(config.digest),
        last_checkpoint: config.last_checkpoint_file.as_deref().map(super::last_checkpoint).transpose()?,
    };
    let (ledger, sequencer) = Ledger::open(settings, stores.files, stores.blobs, signer.clone(), clock.clone()).await?;
    let tasks = Drain::new();
    let (stop, stopped) = oneshot::channel();
    let running = tasks.spawn(sequencer.run(stopped));
    // None is in force, and nobody is let in from here.
    let (_, policy) = watch::channel(Arc::new(Policy::load(&[], &config.catalogue())?));
    let identities = super::identity_settings(config, Grouping::new(|_, _, _| Vec::new()));
    let identities = Identities::open(identities, ledger, stores.registers, signer, clock, policy).await;
    let done = match identities {
        Ok(identities) => act(&identities, ask).await,
        Err(error) => Err(error.into()),
    };
    // Closed in any case: what was recorded is signed before the answer.
    let _ = stop.send(true);
    match running.await {
        Ok(Ok(())) => done,
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(Error::Sequencer),
    }
}

async fn act(identities: &Identities, ask: Ask) -> Result<Done, Error> {
    match ask {
        Ask::Revoke { whom, reason } => {
            let what = identities.named(&whom)?;
            let member = match &what {
                Revocation::Identity { issuer, subject } => Some(identities.member(issuer, subject)),
                Revocation::Serial(_) | Revocation::KeyId(_) => None,
            };
            let serials = identities.revoke(what, Text::new(reason), None).await?;
            Ok(Done::Revoked(member, serials))
        }
        Ask::Reinstate { whom, reason } => {
            let Revocation::Identity { issuer, subject } = identities.named(&whom)? else {
                return Err(Error::VoidStays);
            };
            identities.reinstate(&issuer, &subject, Text::new(reason), None).await?;
            Ok(Done::Reinstated(identities.member(&issuer, &subject)))
        }
        Ask::List => {
            let (barred, void) = identities.revoked();
            let members = barred.iter().map(|(issuer, subject)| identities.member(issuer, subject)).collect();
            Ok(Done::Listed(members, void))
        }
    }
}

/// Why nothing was revoked.
#[derive(Debug, Error)]
pub enum Error {
    /// The state folder.
    #[error(transparent)]
    Open(#[from] ServeError),
    /// What the config names.
    #[error(transparent)]
    Start(#[from] super::StartError),
    /// The empty policy; it has no faults.
    #[error("{0}")]
    Policy(#[from] policy::Faults),
    /// The ledger.
    #[error("ledger")]
    Ledger(#[from] ledger::Error),
    /// The task that writes the ledger has ended.
    #[error("the ledger was not closed; the next start reads what is on the disk")]
    Sequencer,
    /// Nobody, or not one, is meant.
    #[error(transparent)]
    Unnamed(#[from] Unnamed),
    /// A void certificate is not brought back.
    #[error("only an identity is reinstated: what was void stays void, its holder signs in anew")]
    VoidStays,
    /// The record or the register of it.
    #[error(transparent)]
    Identity(#[from] identity::Error),
}

impl Error {
    /// Whether another process has the state folder: the bastion, most likely.
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::Open(ServeError::Open(store::OpenError::InUse(_))))
    }
}
