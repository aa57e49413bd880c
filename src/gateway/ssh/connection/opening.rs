//! One more channel on a connection: whether it may be opened at all, and the ones that lead to a target by its name.

use std::sync::Arc;

use russh::server::{ChannelOpenHandle, Handle, Msg};
use russh::{Channel as Opened, ChannelId};
use tracing::{Instrument as _, info};

use super::super::address::Destination;
use super::super::asked::Asked;
use super::super::channel::Channel;
use super::super::jump::{Inner, Outer, Road};
use super::super::limit;
use super::super::refuse::{not_carried, prohibited};
use super::super::request::Environment;
use super::Connection;
use crate::domain::Disclose as _;
use crate::domain::forward::{Endpoint, Forward};
use crate::domain::identity::Caller;
use crate::domain::loan::Loan;
use crate::domain::printable;
use crate::session::budget::Share;

impl Connection {
    /// Whether one more channel may be opened now, for whom, and what it may hold; else the client was told why not.
    pub(super) async fn one_more(
        &mut self,
        destination: &Destination,
        reply: ChannelOpenHandle,
    ) -> Result<Option<(Arc<Caller>, Share, ChannelOpenHandle)>, russh::Error> {
        let Some(caller) = self.caller.clone() else { return Err(russh::Error::Inconsistent) };
        if let Err(refusal) = self.rooms.identities.still_good(&caller).await {
            self.span.in_scope(|| info!(reason = refusal.code(), "no new channel"));
            prohibited(reply, &refusal.disclose()).await?;
            return Ok(None);
        }
        let caller = self.rooms.sessions.as_of_now(&caller);
        self.channels.retain(|_, asked| !asked.gone.is_cancelled());
        let open = (self.channels.len(), self.opened);
        let allowed = limit::channel(&self.rooms, open, destination, reply).await;
        Ok(allowed.map(|(share, reply)| (caller, share, reply)))
    }

    /// A channel on which one thing will run.
    pub(super) async fn session(
        &mut self,
        channel: Opened<Msg>,
        reply: ChannelOpenHandle,
        handle: Handle,
    ) -> Result<(), russh::Error> {
        let destination = self.destination.clone();
        let Some((caller, share, reply)) = self.one_more(&destination, reply).await? else { return Ok(()) };
        let allowed = match &destination {
            Destination::Target { login, target } => self.rooms.sessions.find(login.as_deref(), target),
            Destination::Console => None,
        };
        let allowed = allowed.map(|(target, _)| target.env.clone()).unwrap_or_default();
        let task = self.taken(channel, (caller, share), allowed, handle);
        reply.accept().await;
        self.rooms.drain.spawn(self.busy.during(task.run().instrument(self.span.clone())));
        Ok(())
    }

    /// From the console it is a jump; whoever goes to a target already, by user name or by a jump, goes through it.
    pub(super) async fn towards(
        &mut self,
        channel: Opened<Msg>,
        (host, port): (&str, u32),
        from: (&str, u32),
        reply: ChannelOpenHandle,
        handle: Handle,
    ) -> Result<(), russh::Error> {
        let jumps = match (&self.road, self.destination.clone()) {
            (Road::Network(jumps), Destination::Console) => jumps,
            (Road::Jump(_), Destination::Console) => return not_carried(reply, "forwarding (direct-tcpip)").await,
            (_, Destination::Target { login, target }) => {
                let to = match Endpoint::parse(host, port) {
                    Ok(to) => to,
                    Err(error) => return prohibited(reply, &error.to_string()).await,
                };
                let forward = Forward { to, originator: Some((printable(from.0, 64), from.1)) };
                return self.through(channel, forward, (login, target), reply, handle).await;
            }
        };
        let jumps = jumps.clone();
        let place = Destination::Target { login: None, target: host.to_owned() };
        let Some((caller, share, reply)) = self.one_more(&place, reply).await? else { return Ok(()) };
        let (asked, _, _) = Asked::new(Vec::new(), &share);
        let (backlog, gone) = (asked.backlog.clone(), asked.gone.clone());
        self.channels.insert(channel.id(), asked);
        let task = Inner {
            rooms: self.rooms.clone(),
            jumps,
            outer: Outer::new(caller, &self.key, &self.id, from),
            asked: (host.to_owned(), port),
            number: self.opened,
            channel: channel.split(),
            backlog,
            share,
            gone,
        };
        self.opened = self.opened.saturating_add(1);
        self.rooms.drain.spawn(self.busy.during(task.run(reply).instrument(self.span.clone())));
        Ok(())
    }

    /// The client would lend something to what it starts there. Whether it may, as of now: what counts is decided when
    /// that begins.
    pub(super) fn would_lend(&mut self, channel: ChannelId, loan: Loan, note: impl FnOnce(&mut Environment)) -> bool {
        let (Some(caller), Some(asked)) = (&self.caller, self.channels.get_mut(&channel)) else { return false };
        let Destination::Target { login, target } = &self.destination else { return false };
        if asked.start.is_none() {
            return false;
        }
        note(&mut asked.environment);
        self.rooms.sessions.would_lend(caller, login.as_deref(), target, loan)
    }

    /// A connection to a socket in the target's file system.
    pub(super) async fn socketwards(
        &mut self,
        channel: Opened<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        handle: Handle,
    ) -> Result<(), russh::Error> {
        let Destination::Target { login, target } = self.destination.clone() else {
            return not_carried(reply, "socket forwarding (direct-streamlocal) without a target").await;
        };
        match Endpoint::socket(path) {
            Ok(to) => self.through(channel, Forward { to, originator: None }, (login, target), reply, handle).await,
            Err(error) => prohibited(reply, &error.to_string()).await,
        }
    }

    /// A connection that the target makes.
    async fn through(
        &mut self,
        channel: Opened<Msg>,
        forward: Forward,
        place: (Option<String>, String),
        reply: ChannelOpenHandle,
        handle: Handle,
    ) -> Result<(), russh::Error> {
        let destination = self.destination.clone();
        let Some((caller, share, reply)) = self.one_more(&destination, reply).await? else { return Ok(()) };
        let task = Channel { forwarded: true, ..self.taken(channel, (caller, share), Vec::new(), handle) };
        let serving = task.forward(place, forward, reply).instrument(self.span.clone());
        self.rooms.drain.spawn(self.busy.during(serving));
        Ok(())
    }

    /// A channel that may be opened, with the environment that passes on it: known from here on, and counted.
    fn taken(
        &mut self,
        channel: Opened<Msg>,
        (caller, share): (Arc<Caller>, Share),
        allowed: Vec<String>,
        handle: Handle,
    ) -> Channel {
        let (asked, start, live) = Asked::new(allowed, &share);
        let (backlog, gone) = (asked.backlog.clone(), asked.gone.clone());
        self.channels.insert(channel.id(), asked);
        let (read, write) = channel.split();
        let number = self.opened;
        self.opened = number.saturating_add(1);
        Channel {
            rooms: self.rooms.clone(),
            caller,
            destination: self.destination.clone(),
            connection: self.id.clone(),
            jump: self.road.jump(),
            number,
            read: Some(read),
            write: Arc::new(write),
            handle,
            start,
            live,
            backlog,
            share,
            gone,
            towards: self.towards.clone(),
            ahead: self.ahead.take(),
            again: self.again.clone(),
            lasting: false,
            forwarded: false,
        }
    }
}
