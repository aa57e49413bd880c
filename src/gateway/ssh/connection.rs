//! The library's callbacks for one client connection: authenticate, open channels, nothing else.
//!
//! No callback waits for a target, which would stop every channel of its connection: a channel's own task does.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use russh::keys::ssh_key::{Certificate, HashAlg};
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey};
use russh::{Channel as Opened, ChannelId, Pty, Sig};
use tokio::sync::oneshot;
use tracing::{Span, debug, info};

use super::address::Destination;
use super::again::Again;
use super::asked::{Asked, Live, Start, What};
use super::back::Towards;
use super::busy::Busy;
use super::jump::Road;
use super::listener::Listeners;
use super::pace::{Pace, TRICKLE};
use super::refuse::{not_carried, refuse};
use super::request::{self, Display, Terminal};
use super::sign_in::{Patience, Round, SignIn};
use super::stream::Control;
use super::upstream::Ahead;
use super::{Rooms, unauthenticated};
use crate::domain::identity::Caller;
use crate::domain::listen::Listen;
use crate::domain::loan::Loan;
use crate::domain::printable;
use crate::identity::Refusal;
use crate::session::people::Presence;

mod listening;
mod opening;
mod welcome;

/// The window that the client gets as long as no upload is blocked.
pub(super) const WINDOW: u32 = 2 * 1024 * 1024;

/// One client connection.
pub(crate) struct Connection {
    rooms: Arc<Rooms>,
    source: SocketAddr,
    control: Control,
    id: String,
    span: Span,
    road: Road,
    caller: Option<Arc<Caller>>,
    /// `SHA256:` fingerprint of the key that was proved.
    key: String,
    authority: String,
    destination: Destination,
    sign_in: SignIn,
    authenticated: Option<oneshot::Sender<()>>,
    /// It has tried to sign in.
    tried: bool,
    /// A refusal of it was counted.
    counted: bool,
    /// The target, being connected to while the client's channel request is on its way.
    ahead: Option<Ahead>,
    again: Again,
    channels: HashMap<ChannelId, Asked>,
    towards: Towards,
    listeners: Listeners,
    opened: u32,
    pace: Pace,
    place: unauthenticated::Place,
    busy: Busy,
    /// Counts it among its person's connections.
    presence: Option<Presence>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(ahead) = self.ahead.take() {
            ahead.task.abort();
        }
        self.again.over();
        // The library turns some away before it asks: expired certificates, for one. They count, once a connection.
        if self.tried && !self.counted && self.caller.is_none() {
            self.rooms.sessions.failures().note(self.source, "no-live-certificate", None);
        }
        self.span.in_scope(|| debug!("connection ended"));
    }
}

impl Connection {
    pub(crate) fn new(
        rooms: Arc<Rooms>,
        (source, road): (SocketAddr, Road),
        (place, prompted): (unauthenticated::Place, unauthenticated::Places),
        authenticated: oneshot::Sender<()>,
        (control, busy, patience): (Control, Busy, Patience),
        (id, span): (String, Span),
    ) -> Self {
        Self {
            rooms,
            source,
            control,
            id,
            span,
            road,
            caller: None,
            key: String::new(),
            authority: String::new(),
            destination: Destination::Console,
            sign_in: SignIn::new(patience, prompted),
            authenticated: Some(authenticated),
            tried: false,
            counted: false,
            ahead: None,
            again: Again::default(),
            channels: HashMap::new(),
            towards: Towards::default(),
            listeners: Listeners::default(),
            opened: 0,
            pace: Pace::default(),
            place,
            busy,
            presence: None,
        }
    }

    fn blocked(&self) -> bool {
        self.channels.values().any(Asked::is_blocked) || self.towards.is_blocked()
    }

    /// `key` is what was proved, `authority` what spoke for it.
    fn let_in(&mut self, user: &str, caller: Caller, (key, authority): (String, String)) -> Auth {
        self.destination = self.road.leads(user);
        self.key = key;
        self.authority = authority;
        self.caller = Some(Arc::new(caller));
        Auth::Accept
    }

    fn turn_away(&mut self, refusal: Refusal, key_id: Option<&str>) -> Auth {
        self.counted = true;
        self.span.in_scope(|| info!(reason = refusal.code(), key_id, "not let in"));
        self.rooms.sessions.failures().note(self.source, refusal.code(), key_id);
        Auth::reject()
    }

    /// Hands what starts something to the channel's task. Whether there is one that waits for it.
    fn start(&mut self, channel: ChannelId, what: What) -> bool {
        let Some(asked) = self.channels.get_mut(&channel) else { return false };
        let Some(start) = asked.start.take() else { return false };
        let terminal = asked.terminal.clone();
        let environment = std::mem::take(&mut asked.environment);
        start.send(Start { what, terminal, environment }).is_ok()
    }
}

/// The library keeps room for the largest of these in each connection, for as long as it lives: what is large is boxed.
impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_none(&mut self, _: &str) -> Result<Auth, russh::Error> {
        self.tried = true;
        Ok(Auth::reject())
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, russh::Error> {
        self.tried = true;
        // A touch or a yes is asked for only where something may follow: a live certificate, a remembered key, a sign-in.
        let fingerprint = offer.public_key.fingerprint(HashAlg::Sha256).to_string();
        let wanted = self.rooms.identities.knows(&fingerprint)
            || match &self.road {
                Road::Network(_) => self.sign_in.wants_key(&self.rooms, user, offer.public_key),
                Road::Jump(outer) => outer.key == fingerprint,
            };
        Ok(if wanted { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let fingerprint = key.public_key.fingerprint(HashAlg::Sha256).to_string();
        if let Road::Jump(outer) = &self.road {
            return Ok(match outer.by_key(&self.rooms, &fingerprint) {
                Ok(caller) => self.let_in(user, caller, (fingerprint.clone(), fingerprint)),
                Err(refusal) => self.turn_away(refusal, None),
            });
        }
        match self.rooms.identities.remembered(key.public_key, self.source) {
            Ok(caller) => Ok(self.let_in(user, caller, (fingerprint.clone(), fingerprint))),
            Err(Refusal::UnknownKey) => Ok(self.sign_in.proved(&self.rooms, user, key.public_key)),
            Err(refusal) => Ok(self.turn_away(refusal, None)),
        }
    }

    async fn auth_openssh_certificate(&mut self, user: &str, certificate: &Certificate) -> Result<Auth, russh::Error> {
        let admitted = Box::pin(self.rooms.identities.admit(certificate, self.source)).await;
        match admitted.and_then(|caller| self.road.allows(caller)) {
            Ok(caller) => {
                let keys = [certificate.public_key(), certificate.signature_key()];
                let [key, authority] = keys.map(|key| key.fingerprint(HashAlg::Sha256).to_string());
                Ok(self.let_in(user, caller, (key, authority)))
            }
            Err(refusal) => Ok(self.turn_away(refusal, Some(&printable(certificate.key_id(), 128)))),
        }
    }

    /// A client comes here once its keys have let nobody in.
    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        if matches!(self.road, Road::Jump(_)) {
            return Ok(Auth::reject());
        }
        let answer = response.map(|mut answers| answers.next().unwrap_or_default());
        let answer = answer.map(|answer| String::from_utf8_lossy(&answer).into_owned());
        let client = self.control.version();
        match Box::pin(self.sign_in.round(&self.rooms, user, (self.source, &client), answer)).await {
            Round::Answer(auth) => {
                // Who was shown a prompt has a place among those; this one is for the next stranger.
                if self.sign_in.is_at_prompt() {
                    self.place.give_back();
                }
                Ok(auth)
            }
            Round::In(caller) => {
                let key = self.sign_in.fingerprint();
                Ok(self.let_in(user, *caller, (key.clone(), key)))
            }
        }
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), russh::Error> {
        Box::pin(self.welcome(session)).await
    }

    async fn channel_open_session(
        &mut self,
        channel: Opened<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        Box::pin(self.session(channel, reply, session.handle())).await
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Opened<Msg>,
        host: &str,
        port: u32,
        from: &str,
        from_port: u32,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        Box::pin(self.towards(channel, (host, port), (from, from_port), reply, session.handle())).await
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        channel: Opened<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        Box::pin(self.socketwards(channel, path, reply, session.handle())).await
    }

    async fn channel_open_x11(
        &mut self,
        _: Opened<Msg>,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        not_carried(reply, "an X11 channel").await
    }

    async fn channel_open_forwarded_tcpip(
        &mut self,
        _: Opened<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        not_carried(reply, "a forwarded channel").await
    }

    async fn tcpip_forward(
        &mut self,
        address: &str,
        port: &mut u32,
        session: &mut Session,
    ) -> Result<bool, russh::Error> {
        let Ok(listen) = Listen::parse(address, *port) else { return Ok(false) };
        let granted = Box::pin(self.listen(listen, address, session.handle())).await;
        *port = granted.map_or(*port, u32::from);
        Ok(granted.is_some())
    }

    async fn cancel_tcpip_forward(&mut self, address: &str, port: u32, _: &mut Session) -> Result<bool, russh::Error> {
        Ok(self.listeners.cancel(address, port).await)
    }

    async fn streamlocal_forward(&mut self, path: &str, session: &mut Session) -> Result<bool, russh::Error> {
        let Ok(listen) = Listen::socket(path) else { return Ok(false) };
        Ok(Box::pin(self.listen(listen, path, session.handle())).await.is_some())
    }

    async fn cancel_streamlocal_forward(&mut self, path: &str, _: &mut Session) -> Result<bool, russh::Error> {
        Ok(self.listeners.cancel(path, 0).await)
    }

    async fn channel_close(&mut self, channel: ChannelId, _: &mut Session) -> Result<(), russh::Error> {
        self.channels.remove(&channel);
        Ok(())
    }

    async fn data(&mut self, channel: ChannelId, data: &[u8], _: &mut Session) -> Result<(), russh::Error> {
        if let Some(asked) = self.channels.get(&channel) {
            asked.backlog.add(data.len());
        } else {
            self.towards.add(channel, data.len());
        }
        let blocked = (self.blocked(), self.channels.get(&channel).is_some_and(Asked::is_blocked));
        self.pace.packet(&self.control, blocked, data.len());
        Ok(())
    }

    async fn extended_data(
        &mut self,
        channel: ChannelId,
        _: u32,
        data: &[u8],
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        if let Some(asked) = self.channels.get(&channel) {
            asked.backlog.add(data.len());
        } else {
            self.towards.add(channel, data.len());
        }
        Ok(())
    }

    fn adjust_window(&mut self, _: ChannelId, _: u32) -> u32 {
        if self.blocked() { TRICKLE } else { WINDOW }
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        term: &str,
        cols: u32,
        rows: u32,
        width: u32,
        height: u32,
        modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let terminal = Terminal::parse(term, cols, rows, (width, height), modes);
        match (self.channels.get_mut(&channel), terminal) {
            (Some(asked), Some(terminal)) if asked.start.is_some() && asked.terminal.is_none() => {
                asked.terminal = Some(terminal);
                session.channel_success(channel)
            }
            _ => session.channel_failure(channel),
        }
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        if let Some(asked) = self.channels.get_mut(&channel)
            && asked.start.is_some()
        {
            asked.environment.add(name, value, &asked.allowed);
        }
        // A variable that is dropped is no failure: clients that ask for a reply take one for the end.
        session.channel_success(channel)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        if self.start(channel, What::Shell) {
            session.channel_success(channel)
        } else {
            session.channel_failure(channel)
        }
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let what = What::Exec(bytes::Bytes::copy_from_slice(command));
        if self.start(channel, what) { session.channel_success(channel) } else { session.channel_failure(channel) }
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        // Answered like a denial, by its task: a client that hears of a failure ends before it shows why.
        let what = What::Subsystem(printable(name, 32));
        if self.start(channel, what) { session.channel_success(channel) } else { session.channel_failure(channel) }
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        single: bool,
        protocol: &str,
        cookie: &str,
        screen: u32,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        let Some(display) = Display::parse(single, protocol, cookie, screen) else {
            return refuse(session, channel, "x11-req: the name of the protocol or its cookie is none");
        };
        let lends = self.would_lend(channel, Loan::Display, |environment| environment.display = Some(display));
        if lends { session.channel_success(channel) } else { session.channel_failure(channel) }
    }

    async fn agent_request(&mut self, channel: ChannelId, _: &mut Session) -> Result<bool, russh::Error> {
        Ok(self.would_lend(channel, Loan::Agent, |environment| environment.agent = true))
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        cols: u32,
        rows: u32,
        width: u32,
        height: u32,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        if let Some(asked) = self.channels.get_mut(&channel) {
            let size = request::size(cols, rows);
            if let Some(terminal) = asked.terminal.as_mut().filter(|_| asked.start.is_some()) {
                (terminal.size, terminal.pixels) = (size, (width, height));
            } else {
                let _ = asked.live.try_send(Live::Resize(size, (width, height)));
            }
        }
        Ok(())
    }

    async fn signal(&mut self, channel: ChannelId, signal: Sig, _: &mut Session) -> Result<(), russh::Error> {
        if let Some(asked) = self.channels.get(&channel) {
            let _ = asked.live.try_send(Live::Signal(signal));
        }
        Ok(())
    }
}
