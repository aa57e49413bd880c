//! Whether the bastion lives: its sequencer and its accept loop are asked, and must answer in time.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::drain::Drain;
use crate::gateway::ssh;
use crate::ledger::Ledger;

/// Asks. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub(super) ledger: Ledger,
    pub(super) ssh: mpsc::Sender<ssh::Asked>,
    pub(super) drain: Drain,
}

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(5);

impl Probe {
    /// What does not answer, if anything. A bastion that stops accepts nothing, and lives.
    pub(super) async fn silent(&self) -> Option<&'static str> {
        if !matches!(timeout(PATIENCE, self.ledger.answers()).await, Ok(Ok(()))) {
            return Some("the log");
        }
        let accepts = async {
            let (ask, answer) = oneshot::channel();
            self.ssh.send(ask).await.ok()?;
            answer.await.ok()
        };
        let answered = matches!(timeout(PATIENCE, accepts).await, Ok(Some(())));
        (!answered && !self.is_stopping()).then_some("the SSH listener")
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.drain.stopping().is_cancelled()
    }
}
