//! The client's agent or display for a program at the target: each connection to it a channel of its own, recorded before a
//! byte passes.
//!
//! Bytes pass as they are and are kept nowhere. Who may have it is decided in `session`.

use std::sync::Arc;

use russh::server;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::debug;

use super::back::{Bridge, Came, For, Moved, Open, Towards, WITHIN};
use super::channel::Channel;
use super::upstream::{Backlog, Upstream};
use crate::domain::loan::{Loan, Loans};
use crate::drain::Drain;
use crate::session::Governed;
use crate::session::budget::Share;
use crate::session::lending::{Lending, word};

/// Uses at once, of one session; more are refused. A desktop's worth of programs holds a connection to its display each.
const AGENT_AT_ONCE: usize = 8;
const DISPLAY_AT_ONCE: usize = 64;

/// All that one session's uses need.
struct Lent {
    lending: Lending,
    handle: server::Handle,
    towards: Towards,
    share: Share,
    backlog: Backlog,
}

impl Channel {
    /// Carries what the target opens towards what is lent, until the guard is dropped. None if nothing is.
    pub(super) async fn lend(
        &self,
        governed: &Governed,
        upstream: &Upstream,
        (lending, lent): (Option<Lending>, Loans),
    ) -> Option<DropGuard> {
        let lending = lending?;
        for loan in lent.each().filter(|loan| !upstream.door().is_open(Open::Lent(*loan))) {
            governed.mark(&format!("the target does not take a forwarded {}", word(loan))).await;
        }
        let coming = upstream.door().coming()?;
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
    let agent = Arc::new(Semaphore::new(AGENT_AT_ONCE));
    let display = Arc::new(Semaphore::new(DISPLAY_AT_ONCE));
    while let Some(Some(came)) = ends.run_until_cancelled(coming.recv()).await {
        let (loan, places) = match &came.what {
            For::Agent => (Loan::Agent, &agent),
            For::Display(..) => (Loan::Display, &display),
            For::Port(..) | For::Socket(_) => continue,
        };
        // Dropped, it is refused.
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let (lent, ends) = (lent.clone(), ends.clone());
        drain.spawn(async move {
            lent.one(loan, came, &ends).await;
            drop(place);
        });
    }
}

impl Lent {
    async fn one(&self, loan: Loan, came: Came, ends: &CancellationToken) {
        let Ok(begun) = self.lending.begins(loan).await else { return };
        let mut moved = Moved::default();
        let opening = async {
            match &came.what {
                For::Display(from, port) => self.handle.channel_open_x11(from.clone(), *port).await,
                For::Agent | For::Port(..) | For::Socket(_) => self.handle.channel_open_agent().await,
            }
        };
        match timeout(WITHIN, opening).await {
            Ok(Ok(client)) => {
                let Self { towards, share, backlog, .. } = self;
                Bridge { towards, share, backlog, ends }.carry(client, came, &mut moved).await;
            }
            // The client has none, or is gone: the target hears no.
            Ok(Err(error)) => debug!(?error, ?loan, "the client does not give what it lends"),
            Err(_) => debug!(?loan, "the client does not answer for what it lends"),
        }
        self.lending.ended(begun, (moved.to_client, moved.from_client)).await;
    }
}
