//! One channel's request task: open the session, start what was permitted, resize, signal, end.
//!
//! Owns the token that ends the channel's pumps. Decides nothing: it asks `session` and carries the permit.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use russh::{ChannelReadHalf, ChannelWriteHalf, server};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, debug, info_span, warn};

use super::address::Destination;
use super::again::Again;
use super::asked::{Live, Start, What};
use super::back::Towards;
use super::echo::Typed;
use super::pump::{Down, Ended, First, Quiet, Up, Waiting, say};
use super::request::{self, Environment, Terminal};
use super::sftp::Following;
use super::upstream::{Ahead, Shown, Upstream};
use super::way::{Guarded, Way};
use super::{Rooms, console, guarded, held, lines};
use crate::domain::Disclose as _;
use crate::domain::identity::Caller;
use crate::domain::session::{Action, End, Exit, Jump};
use crate::session::budget::Share;
use crate::session::files::Files;
use crate::session::lending::Lending;
use crate::session::permit::Permit;
use crate::session::tap::{DownTap, UpTap};
use crate::session::{Ask, Governed, Opened, Refused};

mod reached;

/// How often a paused target is told that we are still there, and an unread upload is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Exit status of what policy refuses.
pub(super) const DENIED: u32 = 126;

/// One session channel of a client.
pub(crate) struct Channel {
    pub(crate) rooms: Arc<Rooms>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) destination: Destination,
    /// The SSH connection's id, as hex, for records.
    pub(crate) connection: String,
    /// What that connection came through.
    pub(crate) jump: Option<Arc<Jump>>,
    /// Counted per connection from 0, for records.
    pub(crate) number: u32,
    pub(crate) read: Option<ChannelReadHalf>,
    pub(crate) write: Arc<ChannelWriteHalf<server::Msg>>,
    pub(crate) handle: server::Handle,
    pub(crate) start: oneshot::Receiver<Start>,
    pub(crate) live: mpsc::Receiver<Live>,
    pub(crate) backlog: Waiting,
    /// What it may hold; it tells when the channel must end.
    pub(crate) share: Share,
    /// What was opened towards the client.
    pub(super) towards: Towards,
    /// The client closed the channel or is gone.
    pub(crate) gone: CancellationToken,
    /// A connection to the target that was begun when the client had authenticated.
    pub(crate) ahead: Option<Ahead>,
    /// What an earlier session of the connection has left.
    pub(crate) again: Again,
    /// More will be asked on it after what runs now, so no end of that is the end of the channel.
    pub(crate) lasting: bool,
    /// A forwarded connection: whatever stands in it is data.
    pub(crate) forwarded: bool,
}

/// What goes through a session's two pumps.
type Carried = (UpTap, DownTap, Option<Files>);

impl Channel {
    /// Serves the channel to its end.
    pub(crate) async fn run(mut self) {
        // The library does not tell of the client's answer to our close: this frees the channel's place.
        let _gone = self.gone.clone().drop_guard();
        let start = tokio::select! {
            start = &mut self.start => start.ok(),
            () = self.gone.cancelled() => None,
            () = self.rooms.drain.cutting().cancelled() => None,
        };
        let Some(start) = start else {
            let _ = self.write.close().await;
            return;
        };
        // A channel may have been opened before a revocation, and be asked for something after it.
        if let Err(refusal) = self.rooms.identities.still_good(&self.caller).await {
            return self.refuse(start.terminal.is_some(), &refusal.disclose()).await;
        }
        match self.destination.clone() {
            Destination::Console => Box::pin(console::run(self, start)).await,
            Destination::Target { login, target } => Box::pin(self.visit(start, login.as_deref(), &target)).await,
        }
    }

    async fn visit(&mut self, start: Start, login: Option<&str>, target: &str) {
        let terminal = start.terminal.is_some();
        let action = match start.what {
            What::Shell => Action::Shell,
            What::Subsystem(name) if name == "sftp" && !terminal => Action::Sftp,
            What::Subsystem(name) => return self.no_subsystem(terminal, &name).await,
            What::Exec(bytes) => match request::command(bytes) {
                Ok(command) => Action::Exec(command),
                Err(line) => return self.refuse(terminal, &line).await,
            },
        };
        let wishes = match start.environment.wishes() {
            Ok(wishes) => wishes,
            Err(line) => return self.refuse(terminal, &line).await,
        };
        let way = Way { login, target, environment: &start.environment, wishes: &wishes, profiles: &[], glass: None };
        if let Err(Guarded(max, profiles)) = self.relay(&way, action, &start.terminal).await {
            Box::pin(guarded::run(self, &Way { profiles: &profiles, ..way }, start.terminal, max)).await;
        }
    }

    /// Does one thing at the target, from the decision to its end. How it ended, as the client was told.
    pub(super) async fn relay(
        &mut self,
        way: &Way<'_>,
        action: Action,
        asked: &Option<Terminal>,
    ) -> Result<Option<Exit>, Guarded> {
        let terminal = asked.is_some();
        let ask = Ask {
            caller: &self.caller,
            share: self.share.clone(),
            connection: &self.connection,
            jump: self.jump.as_deref(),
            channel: self.number,
            login: way.login,
            target: way.target,
            action,
            terminal: asked.as_ref().map(|terminal| (terminal.term.as_str(), terminal.size)),
            env_passed: &way.environment.passed,
            env_dropped: &way.environment.dropped,
            lends: way.environment.lends(),
            reason: way.wishes.reason.as_deref(),
            wait: way.wishes.wait,
            unmask: way.wishes.unmask,
            profiles: way.profiles,
            glass: way.glass,
        };
        let answer = match Box::pin(self.rooms.sessions.open(ask.clone())).await {
            // A conversation cannot be shown to people before it has begun.
            Err(Refused::Held(hold)) => match self.read.take() {
                Some(mut read) => {
                    let waited = Box::pin(held::wait(self, &mut read, ask, hold)).await;
                    self.read = Some(read);
                    waited.map(|(opened, kept)| (opened, Some(kept)))
                }
                None => return Ok(None),
            },
            answer => answer.map(|opened| (opened, None)).map_err(held::Not::Refused),
        };
        // What people were shown counts until the session has ended.
        let (opened, kept) = match answer {
            Ok(opened) => opened,
            Err(not) => return Box::pin(self.not(terminal, not)).await,
        };
        let Opened { governed, permit, files, lending, up, down, keeper } = opened;
        let span = info_span!(
            "session",
            session = %governed.id(),
            identity = self.caller.identity.principal().as_str(),
            host = governed.target().name.as_str(),
            login = governed.login().as_str(),
        );
        self.rooms.drain.spawn(keeper.run().instrument(span.clone()));
        let early = kept.as_ref().and_then(held::Kept::early);
        let carried = ((up, down, files), lending);
        let governing = Box::pin(self.govern(governed, (asked, early), way.environment, permit, carried));
        Ok(governing.instrument(span).await)
    }

    /// From the permit to the end of the session.
    async fn govern(
        &mut self,
        governed: Governed,
        (asked, early): (&Option<Terminal>, Option<(Bytes, bool)>),
        environment: &Environment,
        permit: Permit,
        (carried, lending): (Carried, Option<Lending>),
    ) -> Option<Exit> {
        let terminal = asked.is_some();
        let first = match (permit.input(), early) {
            (Some(bytes), _) => Some(First { bytes, is_all: true, bound: Some(self.write.clone()) }),
            (None, Some((bytes, is_all))) => Some(First { bytes, is_all, bound: None }),
            (None, None) => None,
        };
        let lent = permit.lent();
        let reached = tokio::select! {
            reached = Box::pin(self.reach(&governed, asked, environment, permit)) => Ok(reached),
            end = governed.cut() => Err(end),
        };
        let end = match reached {
            Err(end) => self.cut(&governed, terminal, end).await,
            Ok(Ok(upstream)) => {
                let _lent = Box::pin(self.lend(&governed, &upstream, (lending, lent))).await;
                self.carry(&governed, upstream, terminal, carried, first).await
            }
            Ok(Err(error)) => {
                let name = governed.target().name.as_str();
                warn!(error = ?error, "target not usable");
                let line = Shown { target: name, error: &error }.to_string();
                governed.mark(&line).await;
                self.say(terminal, &line).await;
                End::Unreachable(error.step())
            }
        };
        self.hang_up().await;
        let exit = match &end {
            End::Finished(exit) => Some(exit.clone()),
            _ => None,
        };
        Box::pin(governed.close(end)).await;
        exit
    }

    /// Runs both pumps and serves the client's requests until one of them has ended the session.
    pub(super) async fn carry(
        &mut self,
        governed: &Governed,
        mut upstream: Upstream,
        terminal: bool,
        (up, down, files): Carried,
        first: Option<First>,
    ) -> End {
        let ends = CancellationToken::new();
        // Whatever way this function is left, its pumps end.
        let _guard = ends.clone().drop_guard();
        let (Some(client_read), Some(target_read)) = (self.read.take(), upstream.take_read()) else {
            upstream.end().await;
            return End::Fault;
        };
        let exit = Arc::new(OnceLock::new());
        let (following, replies) = files.map(Following::new).map(|(one, replies)| (Arc::new(one), replies)).unzip();
        let typed = terminal.then(Typed::default);
        let up = Up {
            client: client_read,
            target: upstream.write.clone(),
            tap: up,
            backlog: self.backlog.clone(),
            first,
            files: following.clone(),
            typed: typed.clone(),
        };
        let down = Down {
            target: target_read,
            client: self.write.clone(),
            handle: self.handle.clone(),
            tap: down,
            backlog: upstream.backlog().clone(),
            typed,
            quiet: Quiet::default(),
            exit: exit.clone(),
            lasting: self.lasting,
            forwarded: self.forwarded,
            files: following.clone().zip(replies),
        };
        let mut up = self.rooms.drain.spawn(up.run(ends.clone()));
        let mut down = self.rooms.drain.spawn(down.run(ends.clone()));
        let (mut up_open, mut down_open) = (true, true);
        let (mut told, mut by_target) = (false, false);
        let mut warned = None;
        let stopping = self.rooms.drain.stopping().clone();
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = loop {
            tokio::select! {
                ended = &mut down => { down_open = false; by_target = matches!(ended, Ok(Ended::ByTarget)); break match ended {
                    Ok(Ended::ByTarget) if exit.get().is_none() => {
                        self.say(terminal, &format!("{} closed the connection", governed.target().name)).await;
                        End::ByTarget
                    }
                    Ok(Ended::ByTarget | Ended::ByClient | Ended::Cut) => End::ByClient,
                    Ok(Ended::Recording) => self.cut(governed, terminal, governed.why()).await,
                    Ok(Ended::NotSftp(why)) => self.not_sftp(governed, why).await,
                    Err(_) => self.cut(governed, terminal, End::Fault).await,
                } },
                ended = &mut up, if up_open => {
                    up_open = false;
                    match ended.map(|(ended, read)| self.given_back(ended, read)) {
                        Ok(Ended::ByClient) => break End::ByClient,
                        Ok(Ended::Recording) => break self.cut(governed, terminal, governed.why()).await,
                        Ok(Ended::NotSftp(why)) => break self.not_sftp(governed, why).await,
                        // The target's side has the last word on how it ended.
                        Ok(Ended::ByTarget | Ended::Cut) => {}
                        Err(_) => break self.cut(governed, terminal, End::Fault).await,
                    }
                }
                Some(live) = self.live.recv() => match live {
                    Live::Resize(size, (width, height)) => {
                        governed.resize(size).await;
                        let (cols, rows) = (u32::from(size.cols), u32::from(size.rows));
                        let _ = timeout(LOOK_EVERY, upstream.write.window_change(cols, rows, width, height)).await;
                    }
                    Live::Signal(signal) => {
                        let _ = timeout(LOOK_EVERY, upstream.write.signal(signal)).await;
                    }
                },
                end = governed.cut() => break self.cut(governed, terminal, end).await,
                left = governed.nearly_over(warned), if terminal => {
                    warned = Some(left);
                    let line = lines::nearly_over(left);
                    governed.mark(&line).await;
                    self.say(terminal, &line).await;
                }
                () = self.rooms.identities.until_revoked(&self.caller) => break self.cut(governed, terminal, End::Revoked).await,
                () = stopping.cancelled(), if !told => {
                    told = true;
                    self.tell_of_stop(governed, terminal).await;
                }
                () = self.rooms.drain.cutting().cancelled() => break self.cut(governed, terminal, End::Drain).await,
                () = self.backlog.drained(&self.gone) => break End::ByClient,
                _ = look.tick() => upstream.keep_alive_while_paused().await,
            }
        };
        ends.cancel();
        // What their taps held back is on its way: each has a limit of its own.
        if down_open {
            let _ = down.await;
        }
        if up_open && let Ok((ended, read)) = up.await {
            self.given_back(ended, read);
        }
        if let Some(following) = following {
            following.end().await;
        }
        let unasked = upstream.door().take_unasked();
        self.rooms.sessions.refused_unasked((&self.caller, self.number), governed, unasked).await;
        // Before the client hears of the end, and asks for more.
        let upstream = if by_target && exit.get().is_some() { self.keep(governed, upstream) } else { Some(upstream) };
        // Towards the client first: what it sees waits neither for the target's goodbye nor for the seal.
        self.hang_up().await;
        if let Some(upstream) = upstream {
            upstream.end().await;
        }
        // A client that has ended its input closes as soon as it hears of the exit, often before the target does.
        match (end, exit.get()) {
            (End::ByClient, Some(exit)) => End::Finished(exit.clone()),
            (end, _) => end,
        }
    }

    /// The client's side, after a pump has used it.
    fn given_back(&mut self, ended: Ended, read: ChannelReadHalf) -> Ended {
        self.read = Some(read);
        ended
    }

    /// The bastion stops: a session may still come to its own end.
    async fn tell_of_stop(&self, governed: &Governed, terminal: bool) {
        let Some(line) = lines::stopping(self.rooms.settings.grace) else { return };
        governed.mark(&line).await;
        self.say(terminal, &line).await;
    }

    /// Ends a running session from our side: says why, sends no exit status.
    async fn cut(&self, governed: &Governed, terminal: bool, end: End) -> End {
        let why = lines::cut(&end);
        debug!(?end, "cut");
        governed.mark(why).await;
        self.say(terminal, why).await;
        end
    }

    /// Refused before anything began: the line, exit status 126, close.
    pub(crate) async fn refuse(&self, terminal: bool, line: &str) {
        self.say(terminal, line).await;
        self.finish(Exit::Status(DENIED)).await;
    }

    /// Something of ours failed before anything began: the line, no status, close.
    pub(super) async fn break_off(&self, terminal: bool, line: String) {
        self.say(terminal, &line).await;
        if !self.lasting {
            let _ = self.write.close().await;
        }
    }

    /// Exit status, end of output, close.
    pub(crate) async fn finish(&self, exit: Exit) {
        if let (Exit::Status(code), false) = (exit, self.lasting) {
            let _ = self.write.exit_status(code).await;
        }
        self.hang_up().await;
    }

    /// A line of the bastion's own.
    pub(super) async fn say(&self, terminal: bool, line: &str) {
        if self.forwarded {
            return;
        }
        if self.lasting {
            // In one stream with the prompt that comes next: on two, a client may show that first.
            let text = format!("\r\nsallyport: {line}\r\n");
            let _ = timeout(LOOK_EVERY, self.write.data_bytes(Bytes::from(text))).await;
        } else {
            say(&self.write, terminal, line).await;
        }
    }

    /// End of output, close. On a channel that is closed already it does nothing.
    pub(crate) async fn hang_up(&self) {
        if self.lasting {
            return;
        }
        let _ = self.write.eof().await;
        let _ = self.write.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of what it makes, without making it.
    fn size<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    #[test]
    fn what_a_channel_keeps_while_it_carries_is_a_few_kilobytes() {
        let task = size(Channel::run);
        let visit = size(|(channel, start): (&'static mut Channel, Start)| channel.visit(start, None, ""));
        let carry = size(
            |(channel, governed, upstream, carried): (&'static mut Channel, &'static Governed, Upstream, Carried)| {
                channel.carry(governed, upstream, true, carried, None)
            },
        );
        let [up, down] = [size(|(up, cut): (Up, _)| up.run(cut)), size(|(down, cut): (Down, _)| down.run(cut))];
        let sizes = format!("task {task}, visit {visit}, of which carry {carry}, pumps {up} and {down}");
        assert!(task < 4 * 1024 && visit + up + down < 48 * 1024, "{sizes}");
    }
}
