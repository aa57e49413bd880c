//! What is known of a channel before and while its task serves it.

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::channel::{Live, Start};
use super::pump::Waiting;
use super::request::{Environment, Terminal};

/// Uploads stop growing over this backlog of one channel.
const BLOCKED_AT: usize = 512 * 1024;

/// One channel, as its connection sees it.
pub(super) struct Asked {
    pub(super) environment: Environment,
    pub(super) allowed: Vec<String>,
    pub(super) terminal: Option<Terminal>,
    pub(super) start: Option<oneshot::Sender<Start>>,
    pub(super) live: mpsc::Sender<Live>,
    pub(super) backlog: Waiting,
    pub(super) gone: CancellationToken,
}

impl Asked {
    /// Whether more has come than its target takes. What a channel that has ended left behind goes nowhere, and blocks nobody.
    pub(super) fn is_blocked(&self) -> bool {
        !self.gone.is_cancelled() && self.backlog.bytes() > BLOCKED_AT
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.gone.cancel();
    }
}
