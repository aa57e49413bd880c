//! Channels that go the other way: what a target opens towards a client, from its knock to its end.
//!
//! A target opens nothing unasked: what comes is refused and counted unless this connection was made to take that very thing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client, server};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::asked::BLOCKED_AT;
use super::pump::Waiting;
use super::upstream::Backlog;
use crate::domain::loan::Loan;
use crate::session::budget::Share;

/// What a target has opened and nobody has answered yet: as many as may be open at once, since they can come in one packet.
const QUEUE: usize = 64;
/// A client answers within this, and hears of an end within it.
pub(super) const WITHIN: Duration = Duration::from_secs(10);
/// What the target still sends on a channel that has ended is waited for so long.
const REST: Duration = Duration::from_secs(1);

/// What a channel is for, in the target's words.
pub(super) enum For {
    /// The client's agent.
    Agent,
    /// The client's display: from where, at the target, a program came to it.
    Display(String, u32),
    /// A port that the target listens on: which, and from where the connection came.
    Port(u32, String, u32),
    /// A socket that it listens on: its path.
    Socket(String),
}

/// One of them.
pub(super) struct Came {
    pub(super) what: For,
    pub(super) channel: Channel<client::Msg>,
    /// Dropped, it is refused.
    pub(super) reply: client::ChannelOpenHandle,
}

/// What may come in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Open {
    Lent(Loan),
    /// Connections to where the target listens.
    Arrivals,
}

/// Where one connection to a target puts what the target opens.
#[derive(Clone)]
pub(super) struct Door(Arc<Inside>);

struct Inside {
    state: Mutex<State>,
    queue: mpsc::Sender<Came>,
    /// The connection is over.
    over: CancellationToken,
}

struct State {
    open: Vec<Open>,
    came: Option<mpsc::Receiver<Came>>,
    /// How often something was refused that nobody had asked for, by the name of the channel.
    unasked: BTreeMap<&'static str, u64>,
}

impl Door {
    /// Shut.
    pub(super) fn new() -> Self {
        let (queue, came) = mpsc::channel(QUEUE);
        let state = Mutex::new(State { open: Vec::new(), came: Some(came), unasked: BTreeMap::new() });
        Self(Arc::new(Inside { state, queue, over: CancellationToken::new() }))
    }

    /// From now on the target may come in with this too.
    pub(super) fn open(&self, what: Open) {
        self.state().open.push(what);
    }

    /// Lets one in, or refuses it.
    pub(super) fn knock(&self, came: Came) {
        let (wanted, name) = match came.what {
            For::Agent => (Open::Lent(Loan::Agent), AGENT),
            For::Display(..) => (Open::Lent(Loan::Display), X11),
            For::Port(..) => (Open::Arrivals, FORWARDED_TCPIP),
            For::Socket(_) => (Open::Arrivals, FORWARDED_STREAMLOCAL),
        };
        if !self.is_open(wanted) {
            return self.unasked(name);
        }
        // Over the bound it is dropped, which refuses it.
        let _ = self.0.queue.try_send(came);
    }

    /// One was refused that nobody had asked for.
    pub(super) fn unasked(&self, name: &'static str) {
        *self.state().unasked.entry(name).or_default() += 1;
    }

    /// How often that was, by name, since this was last asked.
    pub(super) fn take_unasked(&self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut self.state().unasked)
    }

    /// Whether the target may come in with this.
    pub(super) fn is_open(&self, what: Open) -> bool {
        self.state().open.contains(&what)
    }

    /// What comes in, if it is open. Once.
    pub(super) fn coming(&self) -> Option<mpsc::Receiver<Came>> {
        let mut state = self.state();
        if state.open.is_empty() { None } else { state.came.take() }
    }

    /// The connection to the target is over.
    pub(super) async fn over(&self) {
        self.0.over.cancelled().await;
    }

    /// Dropped when it is.
    pub(super) fn until_over(&self) -> DropGuard {
        self.0.over.clone().drop_guard()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The names of channels, for records.
pub(super) const AGENT: &str = "auth-agent@openssh.com";
pub(super) const X11: &str = "x11";
pub(super) const FORWARDED_TCPIP: &str = "forwarded-tcpip";
pub(super) const FORWARDED_STREAMLOCAL: &str = "forwarded-streamlocal@openssh.com";

/// The channels that were opened towards one client, and what has come on each and waits.
#[derive(Clone, Default)]
pub(super) struct Towards(Arc<Mutex<HashMap<ChannelId, Waiting>>>);

impl Towards {
    /// One was opened: what waits on it counts here.
    fn opened(&self, channel: ChannelId, waiting: Waiting) {
        self.all().insert(channel, waiting);
    }

    /// It has ended; what is left goes nowhere and blocks nobody.
    fn ended(&self, channel: ChannelId) {
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

/// Bytes that one of them has moved.
#[derive(Default)]
pub(super) struct Moved {
    pub(super) to_client: u64,
    pub(super) from_client: u64,
}

/// What carries a channel from a target to a client and back.
pub(super) struct Bridge<'a> {
    pub(super) towards: &'a Towards,
    /// What waits on it counts there.
    pub(super) share: &'a Share,
    pub(super) backlog: &'a Backlog,
    pub(super) ends: &'a CancellationToken,
}

impl Bridge<'_> {
    /// Says yes to the target, and carries bytes as they are until one side closes.
    pub(super) async fn carry(&self, client: Channel<server::Msg>, came: Came, moved: &mut Moved) {
        let id = client.id();
        let waiting = Waiting::default();
        waiting.charge(self.share);
        self.towards.opened(id, waiting.clone());
        came.reply.accept().await;
        let (mut from_client, to_client) = client.split();
        let (mut from_target, to_target) = came.channel.split();
        let mut is_over = false;
        tokio::select! {
            () = up(&mut from_client, &to_target, &waiting, &mut moved.from_client) => {}
            () = down(&mut from_target, &to_client, self.backlog, (&mut moved.to_client, &mut is_over)) => {}
            () = self.ends.cancelled() => {}
            _ = self.share.cut().told() => {}
        }
        let _ = timeout(WITHIN, to_client.close()).await;
        let _ = timeout(WITHIN, to_target.close()).await;
        self.towards.ended(id);
        if is_over {
            return;
        }
        // What was on its way from the target counts until it is taken off.
        while let Ok(Some(message)) = timeout(REST, from_target.wait()).await {
            match message {
                ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => self.backlog.written(data.len()),
                ChannelMsg::Close => break,
                _ => {}
            }
        }
    }
}

/// From the client to the target, until the client closes or the target takes no more.
async fn up(client: &mut ChannelReadHalf, target: &ChannelWriteHalf<client::Msg>, waiting: &Waiting, moved: &mut u64) {
    while let Some(message) = client.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let len = data.len();
                let passed = target.data_bytes(data).await;
                waiting.taken(len);
                if passed.is_err() {
                    return;
                }
                *moved += len as u64;
            }
            ChannelMsg::ExtendedData { data, .. } => waiting.taken(data.len()),
            ChannelMsg::Eof => {
                let _ = target.eof().await;
            }
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

/// From the target to the client, until the target closes or the client takes no more.
async fn down(
    target: &mut ChannelReadHalf,
    client: &ChannelWriteHalf<server::Msg>,
    backlog: &Backlog,
    (moved, is_over): (&mut u64, &mut bool),
) {
    while let Some(message) = target.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                let len = data.len();
                let passed = client.data_bytes(data).await;
                backlog.written(len);
                if passed.is_err() {
                    return;
                }
                *moved += len as u64;
            }
            ChannelMsg::ExtendedData { data, .. } => backlog.written(data.len()),
            ChannelMsg::Eof => {
                *is_over = true;
                let _ = client.eof().await;
            }
            ChannelMsg::Close => {
                *is_over = true;
                return;
            }
            _ => {}
        }
    }
}
