//! The client's agent for a program at the target: each connection to it a channel of its own, recorded before a byte passes.
//!
//! Bytes pass as they are and are kept nowhere. Who may have it is decided in `session`.

use std::sync::Arc;
use std::time::Duration;

use russh::{Channel as Opened, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, client, server};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::debug;

use super::back::{Came, Towards};
use super::channel::Channel;
use super::pump::Waiting;
use super::upstream::{Backlog, Upstream};
use crate::drain::Drain;
use crate::session::Governed;
use crate::session::budget::Share;
use crate::session::lending::Lending;

/// Uses at once, of one session; more are refused.
const AT_ONCE: usize = 8;
/// A client answers within this, and hears of an end within it.
const WITHIN: Duration = Duration::from_secs(10);
/// What the target still sends on a channel that has ended is waited for so long.
const REST: Duration = Duration::from_secs(1);

/// All that one session's uses need.
struct Lent {
    lending: Lending,
    handle: server::Handle,
    towards: Towards,
    share: Share,
    backlog: Backlog,
}

/// Bytes that one use has moved.
#[derive(Default)]
struct Moved {
    to_agent: u64,
    from_agent: u64,
}

impl Channel {
    /// Carries what the target opens towards the agent, until the guard is dropped. None if nothing is lent.
    pub(super) async fn lend(
        &self,
        governed: &Governed,
        upstream: &Upstream,
        lending: Option<Lending>,
    ) -> Option<DropGuard> {
        let lending = lending?;
        let Some(coming) = upstream.door().coming() else {
            governed.mark("the target does not take a forwarded agent").await;
            return None;
        };
        let lent = Lent {
            lending,
            handle: self.handle.clone(),
            towards: self.towards.clone(),
            share: self.share.clone(),
            backlog: upstream.backlog().clone(),
        };
        let ends = CancellationToken::new();
        let serving = serve(Arc::new(lent), coming, self.rooms.drain.clone(), ends.clone());
        self.rooms.drain.spawn(serving);
        Some(ends.drop_guard())
    }
}

async fn serve(lent: Arc<Lent>, mut coming: mpsc::Receiver<Came>, drain: Drain, ends: CancellationToken) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(Some(came)) = ends.run_until_cancelled(coming.recv()).await {
        // Dropped, it is refused.
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let (lent, ends) = (lent.clone(), ends.clone());
        drain.spawn(async move {
            lent.one(came, &ends).await;
            drop(place);
        });
    }
}

impl Lent {
    async fn one(&self, came: Came, ends: &CancellationToken) {
        let Ok(begun) = self.lending.begins().await else { return };
        let mut moved = Moved::default();
        match timeout(WITHIN, self.handle.channel_open_agent()).await {
            Ok(Ok(client)) => self.carry(client, came, &mut moved, ends).await,
            // The client has no agent, or is gone: the target hears no.
            Ok(Err(error)) => debug!(?error, "the client gives no agent"),
            Err(_) => debug!("the client does not answer for its agent"),
        }
        self.lending.ended(begun, (moved.to_agent, moved.from_agent)).await;
    }

    async fn carry(&self, client: Opened<server::Msg>, came: Came, moved: &mut Moved, ends: &CancellationToken) {
        let id = client.id();
        let waiting = Waiting::default();
        waiting.charge(&self.share);
        self.towards.opened(id, waiting.clone());
        came.reply.accept().await;
        let (mut from_client, to_client) = client.split();
        let (mut from_target, to_target) = came.channel.split();
        let mut is_over = false;
        tokio::select! {
            () = up(&mut from_client, &to_target, &waiting, &mut moved.from_agent) => {}
            () = down(&mut from_target, &to_client, &self.backlog, (&mut moved.to_agent, &mut is_over)) => {}
            () = ends.cancelled() => {}
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

/// From the agent to the target, until the client closes or the target takes no more.
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

/// From the target to the agent, until the target closes or the client takes no more.
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
