//! From the decision to a sign-in at the target, for one session.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Rooms;
use super::upstream::{self, Ahead, Connected, Error, SignedIn};
use crate::domain::identity::Caller;
use crate::identity::TargetAsk;
use crate::session::Governed;
use crate::session::permit::Permit;

/// Whose session it is, and which.
pub(super) struct Toward<'a> {
    pub(super) rooms: &'a Rooms,
    pub(super) caller: &'a Caller,
    /// Its channel, counted per connection.
    pub(super) number: u32,
    pub(super) governed: &'a Governed,
}

impl<'a> Toward<'a> {
    /// Connects (unless begun) and signs in.
    pub(super) async fn signed_in(
        &self,
        ahead: Option<Ahead>,
        pty: bool,
        permit: &'a Permit,
    ) -> Result<SignedIn, Error> {
        let (target, login) = (self.governed.target(), self.governed.login());
        let begun = match ahead {
            Some(ahead) if Arc::ptr_eq(&ahead.target, target) => ahead.task.await.ok(),
            // The config has changed since: what was reached then may be another host.
            Some(ahead) => {
                ahead.task.abort();
                None
            }
            None => None,
        };
        if let Some(left) = self.rooms.breaker.rests(target, login) {
            return Err(Error::Resting(left));
        }
        let begun = begun.and_then(Result::ok).filter(Connected::is_open);
        let is_old = begun.is_some();
        let connected = match begun {
            Some(connected) => connected,
            // What failed before the decision is tried once more: it may have been a passing fault.
            None => self.connected().await?,
        };
        self.governed.saw_host_key(&connected.host_key);
        let asked = TargetAsk { pty, ..self.ask(&connected.local, Some(permit)) };
        let credential = match self.rooms.identities.target_credential(asked).await {
            Ok(issued) => issued,
            Err(error) => {
                connected.end().await;
                return Err(Error::Certificate(error));
            }
        };
        let local = connected.local.ip();
        let mut signed_in = connected.authenticate(login, credential.clone()).await;
        if is_old && matches!(signed_in, Err(Error::Ssh(_))) {
            // It had gone away, and nobody had noticed yet.
            let connected = self.connected().await?;
            self.governed.saw_host_key(&connected.host_key);
            // The certificate is for that address.
            if connected.local.ip() == local {
                signed_in = connected.authenticate(login, credential).await;
            } else {
                connected.end().await;
            }
        }
        match &signed_in {
            Ok(_) => self.rooms.breaker.took(target, login),
            Err(Error::Refused) => self.rooms.breaker.refused(target, login),
            Err(_) => {}
        }
        signed_in
    }

    /// Connects. What a busy target turns away it takes a little later: its `sshd` lets so many sign in at once.
    async fn connected(&self) -> Result<Connected, Error> {
        let connect = || upstream::connect(self.governed.target(), self.rooms.clock.now());
        for pause in PAUSES {
            match connect().await {
                Err(Error::TurnedAway(_)) => sleep(Duration::from_millis(pause)).await,
                answer => return answer,
            }
        }
        connect().await
    }

    /// What a certificate is asked for with.
    pub(super) fn ask(&self, local: &SocketAddr, permit: Option<&'a Permit>) -> TargetAsk<'a> {
        let target = self.governed.target();
        TargetAsk {
            caller: self.caller,
            session: self.governed.id(),
            channel: self.number,
            place: self.governed.place(),
            login: self.governed.login(),
            source: target.seen_as.unwrap_or(local.ip()),
            pty: false,
            forward: permit.is_some_and(Permit::is_forwarding),
            lent: permit.map(Permit::lent).unwrap_or_default(),
            key_file: target.key_file.as_deref(),
            force_command: permit.and_then(Permit::forced),
        }
    }
}

/// Between further dials of a target that hangs up at once, in milliseconds.
const PAUSES: [u64; 3] = [100, 300, 900];
