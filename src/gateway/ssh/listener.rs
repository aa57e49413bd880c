//! A place where a target listens for a client (`-R`): decided, recorded, then asked for over a connection of its own; each
//! connection that the target takes there is recorded before the client hears of it.
//!
//! Ends with the client's connection. Where the target listens, and who may have it, is decided in `session`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use russh::{ChannelOpenFailure, server};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, debug, info, info_span, warn};

use super::Rooms;
use super::back::{Bridge, Came, FORWARDED_STREAMLOCAL, FORWARDED_TCPIP, For, Moved, Towards, WITHIN};
use super::busy::Busy;
use super::toward::Toward;
use super::upstream::{Ahead, Error, SignedIn};
use crate::domain::identity::Caller;
use crate::domain::listen::Listen;
use crate::domain::session::{Action, End, Jump};
use crate::session::budget::Share;
use crate::session::listening::Listening;
use crate::session::permit::{ListenPermit, Permit};
use crate::session::{Ask, Governed, Opened};

/// Places of one client connection; more are refused.
pub(super) const PLACES: usize = 16;
/// Connections at once of one client connection, over all places; more are refused.
const AT_ONCE: usize = 64;
/// How often a paused target is told that we are still there.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A client that wants a place no more waits so long for the target's word: its other channels wait with it.
const NO_MORE: Duration = Duration::from_secs(2);

/// Where the target listens for one client connection, by what the client calls it.
pub(super) struct Listeners {
    open: HashMap<(String, u16), NoMore>,
    at_once: Arc<Semaphore>,
    gone: CancellationToken,
    _gone: DropGuard,
}

/// Tells a listener to listen no more, and hears when the target knows.
type NoMore = oneshot::Sender<oneshot::Sender<()>>;

impl Default for Listeners {
    fn default() -> Self {
        let gone = CancellationToken::new();
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        Self { open: HashMap::new(), at_once, _gone: gone.clone().drop_guard(), gone }
    }
}

impl Listeners {
    /// How many there are.
    pub(super) fn count(&mut self) -> usize {
        self.open.retain(|_, no_more| !no_more.is_closed());
        self.open.len()
    }

    /// Whether one is called that.
    pub(super) fn has(&self, asked: &str, port: u16) -> bool {
        port != 0 && self.open.contains_key(&(asked.to_owned(), port))
    }

    /// One was granted.
    pub(super) fn granted(&mut self, asked: &str, port: u16, no_more: NoMore) {
        self.open.insert((asked.to_owned(), port), no_more);
    }

    /// The client wants it no more. Whether there was one.
    pub(super) async fn cancel(&mut self, asked: &str, port: u32) -> bool {
        let Ok(port) = u16::try_from(port) else { return false };
        let Some(no_more) = self.open.remove(&(asked.to_owned(), port)) else { return false };
        let (done, is_done) = oneshot::channel();
        if no_more.send(done).is_ok() {
            let _ = timeout(NO_MORE, is_done).await;
        }
        true
    }

    /// What ends all of them, and what they share.
    pub(super) fn shared(&self) -> (CancellationToken, Arc<Semaphore>) {
        (self.gone.clone(), self.at_once.clone())
    }
}

/// One of them.
pub(super) struct Listener {
    pub(super) rooms: Arc<Rooms>,
    pub(super) caller: Arc<Caller>,
    /// The client's connection, as hex, for records.
    pub(super) connection: String,
    pub(super) jump: Option<Arc<Jump>>,
    /// Among the channels of the connection, for records.
    pub(super) number: u32,
    /// Login, if one was given, and target.
    pub(super) place: (Option<String>, String),
    pub(super) listen: Listen,
    /// The same in the client's words, by which it knows what comes.
    pub(super) asked: String,
    pub(super) handle: server::Handle,
    pub(super) towards: Towards,
    pub(super) share: Share,
    pub(super) ahead: Option<Ahead>,
    pub(super) busy: Busy,
    /// The client is gone; and the places for connections.
    pub(super) shared: (CancellationToken, Arc<Semaphore>),
}

impl Listener {
    /// From the decision to the end. The port is told once the target listens there; dropped, nothing is.
    pub(super) async fn run(mut self, granted: oneshot::Sender<u16>, no_more: oneshot::Receiver<oneshot::Sender<()>>) {
        let (login, target) = self.place.clone();
        let plain = Ask::plain(
            &self.caller,
            self.share.clone(),
            &self.connection,
            &target,
            Action::Listen(self.listen.clone()),
        );
        let ask = Ask { jump: self.jump.as_deref(), channel: self.number, login: login.as_deref(), ..plain };
        let Opened { governed, permit, files: _, lending: _, up, down: _down, keeper } =
            match Box::pin(self.rooms.sessions.open(ask)).await {
                Ok(opened) => opened,
                Err(refused) => {
                    info!(at = %self.listen, %refused, "no listening there");
                    return;
                }
            };
        let span = info_span!(
            "listen",
            session = %governed.id(),
            identity = self.caller.identity.principal().as_str(),
            host = governed.target().name.as_str(),
            login = governed.login().as_str(),
        );
        self.rooms.drain.spawn(keeper.run().instrument(span.clone()));
        async {
            let listening = self.rooms.sessions.listening(&self.caller, self.number, &governed, &up);
            let gone = self.shared.0.clone();
            let reached = tokio::select! {
                reached = Box::pin(self.reach(&governed, permit)) => reached.map_err(|error| {
                    warn!(?error, "the target does not listen");
                    End::Unreachable(error.step())
                }),
                end = governed.cut() => Err(end),
                () = gone.cancelled() => Err(End::ByClient),
            };
            let end = match reached {
                Ok((on, permit, port)) => self.serve(&governed, listening, (on, permit, port), granted, no_more).await,
                Err(end) => end,
            };
            governed.close(end).await;
        }
        .instrument(span)
        .await;
    }

    /// Signs in, and has the target listen.
    async fn reach(&mut self, governed: &Governed, permit: Permit) -> Result<(SignedIn, ListenPermit, u16), Error> {
        let ahead = self.ahead.take();
        let toward = Toward { rooms: &self.rooms, caller: &self.caller, number: self.number, governed };
        let on = toward.signed_in(ahead, false, &permit).await?;
        let Permit::Listen(permit) = permit else {
            on.end().await;
            return Err(Error::NotGranted("what was not asked for"));
        };
        match on.listen(&permit, &self.share).await {
            Ok(port) => Ok((on, permit, port)),
            Err(error) => {
                on.end().await;
                Err(error)
            }
        }
    }

    /// Gives the client what comes, until one side has gone or it must end.
    async fn serve(
        &self,
        governed: &Governed,
        listening: Listening,
        (on, permit, port): (SignedIn, ListenPermit, u16),
        granted: oneshot::Sender<u16>,
        mut no_more: oneshot::Receiver<oneshot::Sender<()>>,
    ) -> End {
        let at = self.listen.on(port);
        let coming = on.door().coming();
        let (Ok(()), Some(mut coming)) = (listening.granted(&at).await, coming) else {
            on.end().await;
            return governed.why();
        };
        governed.mark(&format!("listening on {at}")).await;
        // The client hears of it behind its record.
        if granted.send(port).is_err() {
            on.end().await;
            return End::ByClient;
        }
        let ends = CancellationToken::new();
        // Whatever way this function is left, what it carries ends.
        let _ends = ends.clone().drop_guard();
        let here = Arc::new(Here { listening, at, asked: self.asked.clone(), handle: self.handle.clone() });
        let arrivals = TaskTracker::new();
        let (gone, at_once) = &self.shared;
        let cutting = self.rooms.drain.cutting();
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_wanted = true;
        let end = loop {
            tokio::select! {
                Some(came) = coming.recv(), if is_wanted => {
                    if let Some((came, place, share)) = self.may_come(&here, &on, came, at_once) {
                        let one = here.clone().one(came, (self.towards.clone(), share, on.backlog().clone()), ends.clone());
                        let one = self.busy.during(async move {
                            one.await;
                            drop(place);
                        });
                        self.rooms.drain.spawn(arrivals.track_future(one));
                    }
                }
                told = &mut no_more, if is_wanted => {
                    is_wanted = false;
                    arrivals.close();
                    // The client's half is dropped with its connection.
                    let Ok(done) = told else { break End::ByClient };
                    on.listen_no_more(&permit, port).await;
                    let _ = done.send(());
                }
                () = arrivals.wait(), if !is_wanted => break End::ByClient,
                () = gone.cancelled() => break End::ByClient,
                () = on.door().over() => break End::ByTarget,
                end = governed.cut() => break end,
                () = self.rooms.identities.until_revoked(&self.caller) => break End::Revoked,
                () = cutting.cancelled() => break End::Drain,
                _ = look.tick() => on.keep_alive_while_paused().await,
            }
        };
        debug!(?end, "listens no more");
        ends.cancel();
        arrivals.close();
        arrivals.wait().await;
        let unasked = on.door().take_unasked();
        self.rooms.sessions.refused_unasked((&self.caller, self.number), governed, unasked).await;
        on.end().await;
        end
    }

    /// Whether it came to where the target was asked to listen, and there is room for it. Else it is refused.
    fn may_come(
        &self,
        here: &Here,
        on: &SignedIn,
        came: Came,
        at_once: &Arc<Semaphore>,
    ) -> Option<(Came, OwnedSemaphorePermit, Share)> {
        match &came.what {
            For::Port(port, ..) if !here.at.is_socket() && *port == u32::from(here.at.port()) => {}
            For::Socket(path) if here.at.is_socket() && path == here.at.host() => {}
            For::Port(..) => {
                on.door().unasked(FORWARDED_TCPIP);
                return None;
            }
            For::Socket(_) | For::Agent | For::Display(..) => {
                on.door().unasked(FORWARDED_STREAMLOCAL);
                return None;
            }
        }
        let place = at_once.clone().try_acquire_owned().ok()?;
        Some((came, place, self.rooms.sessions.limits().budget.open()?))
    }
}

/// What all connections of one place need.
struct Here {
    listening: Listening,
    at: Listen,
    asked: String,
    handle: server::Handle,
}

impl Here {
    async fn one(
        self: Arc<Self>,
        came: Came,
        (towards, share, backlog): (Towards, Share, super::upstream::Backlog),
        ends: CancellationToken,
    ) {
        let originator = match &came.what {
            For::Port(_, from, port) => Some((from.clone(), *port)),
            For::Socket(_) | For::Agent | For::Display(..) => None,
        };
        let said = originator.as_ref().map(|(from, port)| format!("{from}:{port}"));
        let Ok(begun) = self.listening.begins(said).await else { return };
        let mut moved = Moved::default();
        let opening = async {
            match originator {
                Some((from, from_port)) => {
                    let port = u32::from(self.at.port());
                    self.handle.channel_open_forwarded_tcpip(self.asked.as_str(), port, from, from_port).await
                }
                None => self.handle.channel_open_forwarded_streamlocal(self.asked.as_str()).await,
            }
        };
        match ends.run_until_cancelled(timeout(WITHIN, opening)).await {
            Some(Ok(Ok(client))) => {
                let bridge = Bridge { towards: &towards, share: &share, backlog: &backlog, ends: &ends };
                bridge.carry(client, came, &mut moved).await;
            }
            Some(answer) => {
                debug!(is_late = answer.is_err(), "the client does not take a connection");
                came.reply.reject(ChannelOpenFailure::ConnectFailed).await;
            }
            None => {}
        }
        self.listening.ended(begun, (moved.to_client, moved.from_client)).await;
    }
}
