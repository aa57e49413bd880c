//! What a client asks of its connection and not of a channel: that the target listens for it (`-R`), and listens no more.
//!
//! The answer is the target's, and answers have one order (RFC 4254 §4): this is the one callback that waits for a target,
//! so that a client hears *yes* only of what is there.

use std::time::Duration;

use russh::server::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{Instrument as _, info};

use super::super::address::Destination;
use super::super::listener::{Listener, PLACES};
use super::Connection;
use crate::domain::Disclose as _;
use crate::domain::listen::Listen;
use crate::session::limits::Limit;

/// From the request to the answer; the connection's other channels wait as long.
const ANSWER: Duration = Duration::from_secs(15);

impl Connection {
    /// Has the target listen there, which the client calls `asked`. On which port it does; none if it does not.
    pub(super) async fn listen(&mut self, listen: Listen, asked: &str, handle: Handle) -> Option<u16> {
        let Destination::Target { login, target } = self.destination.clone() else {
            self.span.in_scope(|| info!(at = %listen, "no listening without a target"));
            return None;
        };
        let caller = self.caller.clone()?;
        if let Err(refusal) = self.rooms.identities.still_good(&caller).await {
            self.span.in_scope(|| info!(reason = %refusal.disclose(), "no listening"));
            return None;
        }
        let limits = self.rooms.sessions.limits();
        let share = match limits.budget.open() {
            _ if self.rooms.drain.stopping().is_cancelled() || self.listeners.has(asked, listen.port()) => return None,
            _ if self.listeners.count() >= PLACES => {
                limits.met.refused(Limit::Channels, self.rooms.clock.now());
                return None;
            }
            None => {
                limits.met.refused(Limit::Memory, self.rooms.clock.now());
                return None;
            }
            Some(share) => share,
        };
        let listener = Listener {
            rooms: self.rooms.clone(),
            caller: self.rooms.sessions.as_of_now(&caller),
            connection: self.id.clone(),
            jump: self.road.jump(),
            number: self.opened,
            place: (login, target),
            listen,
            asked: asked.to_owned(),
            handle,
            towards: self.towards.clone(),
            share,
            ahead: self.ahead.take(),
            busy: self.busy.clone(),
            shared: self.listeners.shared(),
        };
        self.opened = self.opened.saturating_add(1);
        let (granted, is_granted) = oneshot::channel();
        let (no_more, wanted) = oneshot::channel();
        self.rooms.drain.spawn(listener.run(granted, wanted).instrument(self.span.clone()));
        // What is answered too late is told so, by the half that is dropped here, and ends.
        let port = timeout(ANSWER, is_granted).await.ok()?.ok()?;
        self.listeners.granted(asked, port, no_more);
        Some(port)
    }
}
