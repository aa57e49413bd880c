//! Jump mode: inside a `direct-tcpip` channel the bastion answers in the target's place, as an SSH server of its own.
//!
//! Dials nothing: what arrives here goes the way of every other connection, with the target set by the channel instead of
//! by the user name. Whoever reaches the channel is not yet its person: a client lends its connection to others (`-D`,
//! `ControlMaster`), so the inner connection is signed in to anew, over its own session id.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::server::{ChannelOpenHandle, Msg};
use russh::{ChannelReadHalf, ChannelWriteHalf, MethodKind};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;
use tracing::{Instrument as _, debug, error, info, info_span};

use super::address::{self, Destination};
use super::busy::Busy;
use super::connection::Connection;
use super::piped::Piped;
use super::pump::Waiting;
use super::refuse::prohibited;
use super::sign_in::Patience;
use super::stream::Control;
use super::unauthenticated::Places;
use super::{HostProof, LAST_WORDS, Offers, Rooms, connection_id};
use crate::domain::identity::{Caller, Means};
use crate::domain::session::Jump;
use crate::domain::target::{Target, TargetName};
use crate::domain::{Timestamp, printable};
use crate::identity::Refusal;
use crate::session::budget::Share;
use crate::session::limits::Limit;

/// A host certificate is renewed so long before its end: clients' clocks differ.
const RENEW_BEFORE: Duration = Duration::from_secs(3600);

/// How a client came to a connection.
pub(super) enum Road {
    /// Over the network; from there it may jump.
    Network(Arc<Jumps>),
    /// Through another connection, to one target and no further.
    Jump(Outer),
}

impl Road {
    /// Where the user name leads.
    pub(super) fn leads(&self, user: &str) -> Destination {
        match self {
            Self::Network(_) => address::parse(user),
            Self::Jump(outer) => Destination::Target { login: Some(user.to_owned()), target: outer.target.clone() },
        }
    }

    /// Through what it came.
    pub(super) fn jump(&self) -> Option<Arc<Jump>> {
        match self {
            Self::Network(_) => None,
            Self::Jump(outer) => Some(outer.jump.clone()),
        }
    }

    /// Whether somebody whose certificate is good may come this way: a jump is for the person of the outer connection.
    pub(super) fn allows(&self, caller: Caller) -> Result<Caller, Refusal> {
        let who = |caller: &Caller| (caller.identity.issuer_url.clone(), caller.identity.subject.clone());
        match self {
            Self::Jump(outer) if who(&outer.caller) != who(&caller) => Err(Refusal::OtherIdentity),
            Self::Jump(_) | Self::Network(_) => Ok(caller),
        }
    }
}

/// The connection through which another one comes.
pub(super) struct Outer {
    caller: Arc<Caller>,
    /// `SHA256:` fingerprint of the key that was proved on it.
    pub(super) key: String,
    jump: Arc<Jump>,
    /// The target's name, as the config has it.
    target: String,
}

impl Outer {
    pub(super) fn new(caller: Arc<Caller>, key: &str, connection: &str, (from, port): (&str, u32)) -> Self {
        let originator = format!("{}:{port}", printable(from, 64));
        let jump = Arc::new(Jump { connection: connection.to_owned(), originator });
        Self { caller, key: key.to_owned(), jump, target: String::new() }
    }

    /// The same plain key stands for the same person as on the outer connection, as long as that would be let in now.
    pub(super) fn by_key(&self, rooms: &Rooms, fingerprint: &str) -> Result<Caller, Refusal> {
        if self.key.is_empty() || self.key != fingerprint {
            return Err(Refusal::UnknownKey);
        }
        rooms.identities.check(&self.caller)?;
        let mut caller = Caller::clone(&self.caller);
        caller.certificate.means = Means::OuterKey;
        Ok(caller)
    }
}

/// What all jumps share.
pub(super) struct Jumps {
    /// For those that have not signed in on the inner connection.
    places: Places,
    proofs: Mutex<HashMap<TargetName, Proof>>,
}

/// With what the bastion answers in one target's place.
struct Proof {
    names: Vec<String>,
    renew: Timestamp,
    offers: Offers,
}

impl Jumps {
    pub(super) fn new(places: Places) -> Self {
        Self { places, proofs: Mutex::default() }
    }

    /// The inner server's side of a key exchange: a key of its own for each target, and a host certificate that names
    /// this target and no other.
    async fn offers(&self, rooms: &Rooms, target: &Target) -> Result<Offers, crate::identity::Error> {
        let names = std::iter::once(&target.name).chain(&target.aliases).map(TargetName::to_string).collect::<Vec<_>>();
        let kept =
            self.proofs.lock().unwrap_or_else(PoisonError::into_inner).get(&target.name).and_then(|proof| {
                (proof.names == names && rooms.clock.now() < proof.renew).then(|| proof.offers.clone())
            });
        if let Some(offers) = kept {
            return Ok(offers);
        }
        let (key, certificate) = rooms.identities.stand_in(names.clone()).await?;
        let end = i64::try_from(certificate.valid_before()).unwrap_or(0);
        let renew = Timestamp::from_secs(end).minus(RENEW_BEFORE);
        let proof = HostProof { key, certificate: Some(certificate) };
        let offers = Offers::new(&rooms.settings, &proof, &[MethodKind::PublicKey]);
        let proof = Proof { names, renew, offers: offers.clone() };
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner).insert(target.name.clone(), proof);
        Ok(offers)
    }
}

/// One `direct-tcpip` channel, on its way to being a connection.
pub(super) struct Inner {
    pub(super) rooms: Arc<Rooms>,
    pub(super) jumps: Arc<Jumps>,
    pub(super) outer: Outer,
    /// Host and port, as asked for.
    pub(super) asked: (String, u32),
    /// Among the channels of the outer connection.
    pub(super) number: u32,
    pub(super) channel: (ChannelReadHalf, ChannelWriteHalf<Msg>),
    pub(super) backlog: Waiting,
    pub(super) share: Share,
    pub(super) gone: CancellationToken,
}

impl Inner {
    /// Finds the target, says yes or why not, and serves the connection inside the channel to its end.
    pub(super) async fn run(mut self, reply: ChannelOpenHandle) {
        // The library does not tell of the client's answer to our close: this frees the channel's place.
        let _gone = self.gone.clone().drop_guard();
        let source = self.outer.caller.source;
        let (name, port) = (self.asked.0.as_str(), self.asked.1);
        let target = match self.rooms.sessions.jump(&self.outer.caller, self.number, (name, port)).await {
            Ok(target) => target,
            Err(refused) => {
                info!(host = %printable(name, 64), port, "no jump there");
                let _ = prohibited(reply, &refused.to_string()).await;
                return;
            }
        };
        let offers = match self.jumps.offers(&self.rooms, &target).await {
            Ok(offers) => offers,
            Err(error) => {
                error!(?error, host = %target.name, "no host certificate for a jump");
                let _ = prohibited(reply, "the bastion cannot answer for this target; tell the operator").await;
                return;
            }
        };
        let control = Control::default();
        let Some(place) = self.jumps.places.take(source.ip(), Some(&control)) else {
            self.rooms.sessions.limits().met.refused(Limit::Unauthenticated, self.rooms.clock.now());
            let _ = prohibited(reply, "too many jumps have not signed in yet; try again in a minute").await;
            return;
        };
        reply.accept().await;
        self.outer.target = target.name.to_string();
        let (authenticated, has_authenticated) = oneshot::channel();
        let (busy, patience, id) = (Busy::default(), Patience::default(), connection_id());
        let span = info_span!("jump", connection = %id, host = %target.name, identity = Empty);
        let about = (id, span.clone());
        let parts = (control.clone(), busy.clone(), patience.clone());
        // Nobody is asked anything inside a jump.
        let places = (place, Places::new(0, 0));
        let road = (source, Road::Jump(self.outer));
        let connection = Connection::new(self.rooms.clone(), road, places, authenticated, parts, about);
        let (read, write) = self.channel;
        let write = Arc::new(write);
        let stream = Piped::new(read, write.clone(), self.backlog);
        let serving =
            super::run(offers, stream, connection, (control.clone(), busy, patience), has_authenticated, &self.rooms);
        let cut = async {
            tokio::select! {
                // What the client had sent before it went is still read.
                () = self.gone.cancelled() => sleep(LAST_WORDS).await,
                _ = self.share.cut().told() => {}
            }
            control.kill();
            std::future::pending::<()>().await;
        };
        let ended = tokio::select! {
            ended = serving.instrument(span.clone()) => ended,
            () = cut => return,
        };
        if let Err(error) = ended {
            span.in_scope(|| debug!(?error, "connection"));
        }
        // What it said last is with the channel already.
        let close = async {
            let _ = write.eof().await;
            let _ = write.close().await;
        };
        let _ = timeout(LAST_WORDS, close).await;
    }
}
