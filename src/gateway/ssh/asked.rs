//! What is known of a channel before and while its task serves it.

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::channel::{Live, Start};
use super::pump::Waiting;
use super::request::{Environment, Terminal};
use crate::session::budget::Share;

/// Resizes and signals that may wait for a channel's task; more are dropped.
const LIVE_QUEUE: usize = 64;
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
    /// One that was just opened, and what its task listens to. What waits on it counts in `share`.
    pub(super) fn new(allowed: Vec<String>, share: &Share) -> (Self, oneshot::Receiver<Start>, mpsc::Receiver<Live>) {
        let (start, started) = oneshot::channel();
        let (live, living) = mpsc::channel(LIVE_QUEUE);
        let backlog = Waiting::default();
        backlog.charge(share);
        let (environment, gone) = (Environment::default(), CancellationToken::new());
        let asked = Self { environment, allowed, terminal: None, start: Some(start), live, backlog, gone };
        (asked, started, living)
    }

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
