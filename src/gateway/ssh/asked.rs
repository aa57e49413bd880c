//! What is known of a channel before and while its task serves it.

use bytes::Bytes;
use russh::Sig;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::pump::Waiting;
use super::request::{Environment, Terminal};
use crate::domain::session::TerminalSize;
use crate::session::budget::Share;

/// Resizes and signals that may wait for a channel's task; more are dropped.
const LIVE_QUEUE: usize = 64;
/// Uploads stop growing over this backlog of one channel.
pub(super) const BLOCKED_AT: usize = 512 * 1024;

/// What a client asks to start, with all it said before.
pub(crate) struct Start {
    pub(crate) what: What,
    pub(crate) terminal: Option<Terminal>,
    pub(crate) environment: Environment,
}

/// The request that starts something.
pub(crate) enum What {
    Shell,
    Exec(Bytes),
    /// Its name.
    Subsystem(String),
}

/// What a client may say once something runs.
pub(crate) enum Live {
    Resize(TerminalSize, (u32, u32)),
    Signal(Sig),
}

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
