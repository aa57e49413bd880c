//! From the decision to a running request at the target, and what is left of it.

use super::super::request::{Environment, Terminal};
use super::super::toward::Toward;
use super::super::upstream::{Error, SignedIn, Upstream};
use super::Channel;
use crate::identity::Submitted;
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
        // client's agent or display has one too: no other session is to be reached by it.
        let is_alone = permit.forward().is_some() || permit.forced().is_some() || permit.lent().any();
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
        let (mut upstream, recorded) = match over {
            Some((upstream, recorded)) => (upstream, Some(recorded)),
            None => {
                let ahead = self.ahead.take();
                let on = self.toward(governed).signed_in(ahead, terminal.is_some(), &permit).await?;
                (on.open(permit.forward()).await?, None)
            }
        };
        upstream.is_kept = is_plain;
        upstream.backlog().charge(&self.share);
        let recorded = async {
            match recorded {
                Some(recorded) => recorded.durable().await.map_err(Error::Certificate),
                None => Ok(()),
            }
        };
        // What begins is in the ledger already, and by which certificate; that it goes over it again may come beside it,
        // but before anybody hears of it.
        let (started, recorded) = tokio::join!(upstream.start(terminal.as_ref(), environment, permit), recorded);
        match started.and(recorded) {
            Ok(()) => Ok(upstream),
            Err(error) => {
                upstream.end().await;
                Err(error)
            }
        }
    }

    /// The next channel on a connection that an earlier session has left; none if the target does not give one any more.
    async fn over(&self, governed: &Governed, on: SignedIn) -> Result<Option<(Upstream, Submitted)>, Error> {
        let Some((serial, key_id)) = on.by.clone() else { return Ok(None) };
        governed.saw_host_key(&on.host_key);
        let asked = self.toward(governed).ask(&on.local, None);
        match self.rooms.identities.goes_over_again(&asked, serial, &key_id).await {
            Ok(recorded) => Ok(on.open(None).await.ok().map(|upstream| (upstream, recorded))),
            Err(error) => {
                on.end().await;
                Err(Error::Certificate(error))
            }
        }
    }

    fn toward<'a>(&'a self, governed: &'a Governed) -> Toward<'a> {
        Toward { rooms: &self.rooms, caller: &self.caller, number: self.number, governed }
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
