//! The client's agent for a program at the target: each connection to it a channel of its own, recorded before a byte passes.
//!
//! Bytes pass as they are and are kept nowhere. Who may have it is decided in `session`.

use std::sync::Arc;

use russh::server;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::debug;

use super::back::{Bridge, Came, Moved, Towards, WITHIN};
use super::channel::Channel;
use super::upstream::{Backlog, Upstream};
use crate::drain::Drain;
use crate::session::Governed;
use crate::session::budget::Share;
use crate::session::lending::Lending;

/// Uses at once, of one session; more are refused.
const AT_ONCE: usize = 8;

/// All that one session's uses need.
struct Lent {
    lending: Lending,
    handle: server::Handle,
    towards: Towards,
    share: Share,
    backlog: Backlog,
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
            Ok(Ok(client)) => {
                let Self { towards, share, backlog, .. } = self;
                Bridge { towards, share, backlog, ends }.carry(client, came, &mut moved).await;
            }
            // The client has no agent, or is gone: the target hears no.
            Ok(Err(error)) => debug!(?error, "the client gives no agent"),
            Err(_) => debug!("the client does not answer for its agent"),
        }
        self.lending.ended(begun, (moved.to_client, moved.from_client)).await;
    }
}
