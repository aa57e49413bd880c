//! Channels that go the other way: what a target opens towards a client.
//!
//! A target opens nothing unasked: what comes is refused unless this session lends that very thing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use russh::{Channel, ChannelId, client};
use tokio::sync::mpsc;

use super::asked::BLOCKED_AT;
use super::pump::Waiting;

/// What a target has opened and nobody has answered yet.
const QUEUE: usize = 16;

/// One of them.
pub(super) struct Came {
    pub(super) channel: Channel<client::Msg>,
    /// Dropped, it is refused.
    pub(super) reply: client::ChannelOpenHandle,
}

/// Where one connection to a target puts what the target opens.
#[derive(Clone)]
pub(super) struct Door(Arc<Inside>);

struct Inside {
    is_open: AtomicBool,
    queue: mpsc::Sender<Came>,
    came: Mutex<Option<mpsc::Receiver<Came>>>,
}

impl Door {
    /// Shut.
    pub(super) fn new() -> Self {
        let (queue, came) = mpsc::channel(QUEUE);
        Self(Arc::new(Inside { is_open: AtomicBool::new(false), queue, came: Mutex::new(Some(came)) }))
    }

    /// From now on the target may come in.
    pub(super) fn open(&self) {
        self.0.is_open.store(true, Ordering::SeqCst);
    }

    /// Lets one in, or refuses it.
    pub(super) fn knock(&self, came: Came) {
        if self.0.is_open.load(Ordering::SeqCst) {
            // Over the bound it is dropped, which refuses it.
            let _ = self.0.queue.try_send(came);
        }
    }

    /// What comes in, if it is open. Once.
    pub(super) fn coming(&self) -> Option<mpsc::Receiver<Came>> {
        let is_open = self.0.is_open.load(Ordering::SeqCst);
        is_open.then(|| self.0.came.lock().unwrap_or_else(PoisonError::into_inner).take()).flatten()
    }
}

/// The channels that were opened towards one client, and what has come on each and waits.
#[derive(Clone, Default)]
pub(super) struct Towards(Arc<Mutex<HashMap<ChannelId, Waiting>>>);

impl Towards {
    /// One was opened: what waits on it counts here.
    pub(super) fn opened(&self, channel: ChannelId, waiting: Waiting) {
        self.all().insert(channel, waiting);
    }

    /// It has ended; what is left goes nowhere and blocks nobody.
    pub(super) fn ended(&self, channel: ChannelId) {
        self.all().remove(&channel);
    }

    /// A packet of this length has come.
    pub(super) fn add(&self, channel: ChannelId, len: usize) {
        if let Some(waiting) = self.all().get(&channel) {
            waiting.add(len);
        }
    }

    /// Whether more has come on any of them than its target takes.
    pub(super) fn is_blocked(&self) -> bool {
        self.all().values().any(|waiting| waiting.bytes() > BLOCKED_AT)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<ChannelId, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
