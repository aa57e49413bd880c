//! Why a bastion does not start.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::config::Faults;
use crate::http::{self, ops};
use crate::ledger::copied;
use crate::{identity, ledger, policy, session, store};

/// Why a bastion did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Faults of config or policy files.
    #[error("{0}")]
    Config(#[from] Faults),
    /// Faults of the policy.
    #[error("{0}")]
    Policy(#[from] policy::Faults),
    /// The store.
    #[error("store")]
    Store(#[from] store::Error),
    /// A folder could not be opened.
    #[error("store")]
    Open(#[from] store::OpenError),
    /// The ledger.
    #[error("ledger")]
    Ledger(#[from] ledger::Error),
    /// Registers know more than the log.
    #[error(
        "the registers follow {follows} entries, and the log has {log}: the log was restored from an older copy. \
         Bring back the newer copy of the state folder"
    )]
    Registers {
        /// What the registers follow.
        follows: u64,
        /// What the log has.
        log: u64,
    },
    /// A witness knows of entries that are not there, or of others.
    #[error(
        "witness {witness} has signed {signed} entries of this log, which are not those that are here: the last checkpoint \
         here is over {found}. The log was restored from an older copy. Nothing was written. Bring back the newer copy of the \
         state folder; if there is none, 'sallyport store succeed --witnessed {signed}' goes on without the rest"
    )]
    Witnessed {
        /// Its name in the trust file.
        witness: String,
        /// How many it has signed.
        signed: u64,
        /// How many the last checkpoint here has.
        found: u64,
    },
    /// A copy of the log is none of what is here.
    #[error("{place}: the copy of the log there {cause}. Nothing was written")]
    Copied {
        /// Which.
        place: String,
        /// What is wrong with it.
        cause: Box<copied::Fault>,
    },
    /// Another log is to take this one's place, and that is not done yet.
    #[error("the log is being succeeded by another: run 'sallyport store succeed' again, which finishes that")]
    Succeeded,
    /// Sessions of before could not be sealed.
    #[error("recordings of before")]
    Recover(#[from] session::recover::Error),
    /// Identities.
    #[error("identities")]
    Identity(#[from] identity::Error),
    /// The HTTP listener.
    #[error("http")]
    Http(#[from] http::Error),
    /// A file of the TLS listener.
    #[error("{path}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Where metrics and health are answered.
    #[error("ops.listen: {place:?}")]
    Ops {
        /// Where.
        place: ops::Place,
        /// What the system said.
        source: io::Error,
    },
    /// A listener's own address.
    #[error("listener")]
    Listen(#[source] io::Error),
    /// Not a file in a folder.
    #[error("ledger.last_checkpoint_file: {0} is not a file in a folder")]
    LastCheckpoint(PathBuf),
}
