//! Somebody has signed in: they are counted, recorded, and their target is dialled while their request is on its way.

use std::sync::Arc;

use russh::server::Session;

use super::super::address::Destination;
use super::super::limit;
use super::super::upstream::{self, Ahead};
use super::Connection;
use crate::domain::printable;

impl Connection {
    pub(super) async fn welcome(&mut self, session: &mut Session) -> Result<(), russh::Error> {
        let Some(caller) = self.caller.as_mut() else { return Err(russh::Error::Inconsistent) };
        let client = String::from_utf8_lossy(session.remote_sshid());
        Arc::make_mut(caller).client = printable(client.trim_end(), 255);
        self.span.record("identity", caller.identity.principal().as_str());
        self.presence = limit::enter(&self.rooms, caller, session)?;
        if self.presence.is_none() {
            // Nothing is served on it while it ends.
            self.caller = None;
            return Ok(());
        }
        // Queued, not awaited: the first decision of this connection is behind it in the log, and waits for both.
        if let Err(error) = self.rooms.sessions.signed_in(caller, &self.authority).await {
            self.span.in_scope(|| tracing::error!(?error, "ledger does not take a sign-in"));
            return Err(russh::Error::Disconnect);
        }
        self.place.give_back();
        self.sign_in.over();
        if let Some(authenticated) = self.authenticated.take() {
            let _ = authenticated.send(());
        }
        if let Destination::Target { login, target } = &self.destination
            && let Some((target, login)) = self.rooms.sessions.find(login.as_deref(), target)
            && self.rooms.breaker.rests(&target, &login).is_none()
        {
            let now = self.rooms.clock.now();
            let reached = target.clone();
            let task = self.rooms.drain.spawn(async move { upstream::connect(&reached, now).await });
            self.ahead = Some(Ahead { target, task });
        }
        Ok(())
    }
}
