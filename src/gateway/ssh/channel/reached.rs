//! From the decision to a running request at the target, and what is left of it.

use std::net::SocketAddr;
use std::sync::Arc;

use super::super::request::{Environment, Terminal};
use super::super::upstream::{self, Error, SignedIn, Upstream};
use super::Channel;
use crate::identity::TargetAsk;
use crate::session::Governed;
use crate::session::permit::Permit;

impl Channel {
    /// From the decision to a running request: sign in with a certificate of this moment, or go over a connection on which
    /// an earlier session has, and start.
    pub(in super::super) async fn reach(
        &mut self,
        governed: &Governed,
        terminal: &Option<Terminal>,
        environment: &Environment,
        permit: Permit,
    ) -> Result<Upstream, Error> {
        // What people agreed to has a sign-in of its own, whose certificate permits that and nothing else. What has the
        // client's agent has one too: no other session is to be reached by it.
        let is_alone = permit.forward().is_some() || permit.forced().is_some() || permit.agent();
        let is_plain = !self.lasting && terminal.is_none() && !is_alone;
        let again = if is_plain {
            self.again.take((governed.target(), governed.login()), self.rooms.clock.now())
        } else {
            None
        };
        let over = match again {
            Some(on) => self.over(governed, on).await?,
            None => None,
        };
        let mut upstream = match over {
            Some(upstream) => upstream,
            None => self.anew(governed, terminal.is_some(), &permit).await?,
        };
        upstream.is_kept = is_plain;
        upstream.backlog().charge(&self.share);
        match upstream.start(terminal.as_ref(), environment, permit).await {
            Ok(()) => Ok(upstream),
            Err(error) => {
                upstream.end().await;
                Err(error)
            }
        }
    }

    /// The next channel on a connection that an earlier session has left; none if the target does not give one any more.
    async fn over(&self, governed: &Governed, on: SignedIn) -> Result<Option<Upstream>, Error> {
        let Some((serial, key_id)) = on.by.clone() else { return Ok(None) };
        governed.saw_host_key(&on.host_key);
        let asked = self.ask(governed, &on.local, None);
        // A channel with nothing in it has no effect: it may open while its record is on the way to the disk.
        let recorded = self.rooms.identities.goes_over_again(&asked, serial, &key_id);
        let (recorded, opened) = tokio::join!(recorded, on.open(None));
        match (recorded, opened) {
            (Ok(()), opened) => Ok(opened.ok()),
            (Err(error), opened) => {
                if let Ok(upstream) = opened {
                    upstream.end().await;
                }
                Err(Error::Certificate(error))
            }
        }
    }

    /// Connects (unless begun) and signs in.
    async fn anew(&mut self, governed: &Governed, pty: bool, permit: &Permit) -> Result<Upstream, Error> {
        let (target, login) = (governed.target(), governed.login());
        let begun = match self.ahead.take() {
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
        let connected = match begun {
            Some(Ok(connected)) if connected.is_open() => connected,
            // What failed before the decision is tried once more: it may have been a passing fault.
            Some(Ok(_) | Err(_)) | None => upstream::connect(target, self.rooms.clock.now()).await?,
        };
        governed.saw_host_key(&connected.host_key);
        let asked = TargetAsk { pty, ..self.ask(governed, &connected.local, Some(permit)) };
        let credential = match self.rooms.identities.target_credential(asked).await {
            Ok(issued) => issued,
            Err(error) => {
                connected.end().await;
                return Err(Error::Certificate(error));
            }
        };
        let signed_in = connected.sign_in(login, credential, permit.forward()).await;
        match &signed_in {
            Ok(_) => self.rooms.breaker.took(target, login),
            Err(Error::Refused) => self.rooms.breaker.refused(target, login),
            Err(_) => {}
        }
        signed_in
    }

    fn ask<'a>(&'a self, governed: &'a Governed, local: &SocketAddr, permit: Option<&'a Permit>) -> TargetAsk<'a> {
        let target = governed.target();
        TargetAsk {
            caller: &self.caller,
            session: governed.id(),
            channel: self.number,
            place: governed.place(),
            login: governed.login(),
            source: target.seen_as.unwrap_or(local.ip()),
            pty: false,
            forward: permit.is_some_and(|permit| permit.forward().is_some()),
            agent: permit.is_some_and(Permit::agent),
            key_file: target.key_file.as_deref(),
            force_command: permit.and_then(Permit::forced),
        }
    }

    /// Leaves the connection to the next session, or gives it back to be ended.
    pub(super) fn keep(&self, governed: &Governed, upstream: Upstream) -> Option<Upstream> {
        if !upstream.is_free() {
            return Some(upstream);
        }
        let place = (governed.target().clone(), governed.login().clone());
        self.again.keep(&self.rooms, self.caller.clone(), upstream.leave(), place);
        None
    }
}
