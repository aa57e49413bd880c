//! One client of the demo target: who it is, and what its channels ask for.
//!
//! Refuses whatever is not a shell, a command or a subsystem in a session channel.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use russh::keys::{Certificate, HashAlg};
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session};
use russh::{Channel, ChannelId, ChannelOpenFailure, Pty, Sig};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::admission::{self, Admitted};
use super::process::{self, Controls, Order, Program};
use super::terminal::{self, Terminal};
use super::{Attempt, Run, Shared, locked};

/// One client. Its channels end with it.
pub(super) struct Connection {
    shared: Arc<Shared>,
    source: SocketAddr,
    admitted: Option<Admitted>,
    slots: HashMap<ChannelId, Slot>,
}

/// One channel, from its opening to its end.
struct Slot {
    /// Here until something runs in it.
    idle: Option<Channel<Msg>>,
    env: Vec<(String, String)>,
    terminal: Option<Terminal>,
    controls: Option<Controls>,
    /// Bytes taken from the client and not yet given to the process. The library queues a packet before it says that
    /// it came, so a fast process takes off what was not added yet.
    backlog: Arc<AtomicI64>,
    /// Cancelled by the channel's task when it ended, and by us to end it.
    cut: CancellationToken,
    _ends_with_the_connection: DropGuard,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, source: SocketAddr) -> Self {
        Self { shared, source, admitted: None, slots: HashMap::new() }
    }

    fn run(&mut self, id: ChannelId, program: Program, session: &mut Session) -> Result<(), russh::Error> {
        let (Some(slot), Some(admitted)) = (self.slots.get_mut(&id), &self.admitted) else {
            return session.channel_failure(id);
        };
        let Some(channel) = slot.idle.take() else {
            return session.channel_failure(id);
        };
        locked(&self.shared.log).runs.push(Run {
            login: admitted.login.clone(),
            key_id: admitted.key_id.clone(),
            asked: program.asked().map(<[u8]>::to_vec),
            forced: admitted.force_command.clone(),
        });
        let order = Order {
            program,
            forced: admitted.force_command.clone(),
            login: admitted.login.clone(),
            target: self.shared.settings.name.clone(),
            home: self.shared.settings.home.clone(),
            env: std::mem::take(&mut slot.env),
            terminal: slot.terminal.take(),
            source: self.source,
        };
        let process = match process::start(order) {
            Ok(process) => process,
            Err(error) => {
                tracing::warn!(%error, "the demo target could not start a process");
                return session.channel_failure(id);
            }
        };
        slot.controls = Some(process.controls());
        session.channel_success(id)?;
        let (shared, handle) = (Arc::clone(&self.shared), session.handle());
        let (cut, backlog) = (slot.cut.clone(), Arc::clone(&slot.backlog));
        shared.running.send_modify(|running| *running += 1);
        self.shared.drain.spawn(async move {
            let cutting = shared.drain.cutting().clone();
            let end = async {
                tokio::select! { () = cut.cancelled() => {}, () = cutting.cancelled() => {} }
            };
            process::serve(process, channel, handle, end, &backlog).await;
            cut.cancel();
            shared.running.send_modify(|running| *running -= 1);
        });
        Ok(())
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, _: &str, _: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        // The library asks this for certificates too and shows only the bare key. A plain key is
        // turned away after its signature: `auth_publickey` keeps its default.
        Ok(Auth::Accept)
    }

    async fn auth_openssh_certificate(&mut self, user: &str, certificate: &Certificate) -> Result<Auth, Self::Error> {
        let verdict = admission::admit(certificate, user, self.source.ip(), &self.shared.settings);
        let attempt = Attempt {
            login: user.to_owned(),
            source: self.source,
            key_id: certificate.key_id().to_owned(),
            serial: certificate.serial(),
            authority: certificate.signature_key().fingerprint(HashAlg::Sha256).to_string(),
            outcome: verdict.as_ref().map(|_| ()).map_err(|refusal| *refusal),
        };
        tracing::info!(target: "demo_target", "{attempt}");
        locked(&self.shared.log).attempts.push(attempt);
        self.admitted = verdict.ok();
        Ok(if self.admitted.is_some() { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        // A channel that we closed first is never announced as closed: sweep here.
        self.slots.retain(|_, slot| !slot.cut.is_cancelled());
        if self.slots.len() >= MAX_CHANNELS {
            reply.reject(ChannelOpenFailure::ResourceShortage).await;
            return Ok(());
        }
        let cut = CancellationToken::new();
        let slot = Slot {
            env: Vec::new(),
            terminal: None,
            controls: None,
            backlog: Arc::default(),
            _ends_with_the_connection: cut.clone().drop_guard(),
            cut,
            idle: None,
        };
        let id = channel.id();
        self.slots.insert(id, Slot { idle: Some(channel), ..slot });
        reply.accept().await;
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        term: &str,
        columns: u32,
        rows: u32,
        width: u32,
        height: u32,
        modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let permitted = self.admitted.as_ref().is_some_and(|admitted| admitted.may_have_terminal);
        match self.slots.get_mut(&id) {
            Some(slot) if permitted && slot.idle.is_some() => {
                let size = terminal::size(columns, rows, width, height);
                slot.terminal = Some(Terminal { term: term.to_owned(), size, modes: modes.to_vec() });
                session.channel_success(id)
            }
            _ => session.channel_failure(id),
        }
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let known = ["LANG", "TERM", "COLORTERM"].contains(&name) || name.starts_with("LC_");
        let wanted = known || self.shared.settings.env.iter().any(|wanted| wanted == name);
        // The operating system can pass neither.
        let fits = !name.contains(['=', '\0']) && !value.contains('\0');
        match self.slots.get_mut(&id) {
            Some(slot) if wanted && fits && slot.env.len() < MAX_ENV => {
                slot.env.push((name.to_owned(), value.to_owned()));
                session.channel_success(id)
            }
            _ => session.channel_failure(id),
        }
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        self.run(id, Program::Shell, session)
    }

    async fn exec_request(&mut self, id: ChannelId, data: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        self.run(id, Program::Command(data.to_vec()), session)
    }

    async fn subsystem_request(&mut self, id: ChannelId, name: &str, session: &mut Session) -> Result<(), Self::Error> {
        match process::subsystem(name) {
            Some(path) => self.run(id, Program::Command(path.as_bytes().to_vec()), session),
            None => session.channel_failure(id),
        }
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        _: bool,
        _: &str,
        _: &str,
        _: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn window_change_request(
        &mut self,
        id: ChannelId,
        columns: u32,
        rows: u32,
        width: u32,
        height: u32,
        _: &mut Session,
    ) -> Result<(), Self::Error> {
        if let Some(controls) = self.slots.get(&id).and_then(|slot| slot.controls.as_ref()) {
            controls.resize(terminal::size(columns, rows, width, height));
        }
        Ok(())
    }

    async fn signal(&mut self, id: ChannelId, signal: Sig, _: &mut Session) -> Result<(), Self::Error> {
        if let Some(controls) = self.slots.get(&id).and_then(|slot| slot.controls.as_ref()) {
            controls.signal(&signal);
        }
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], _: &mut Session) -> Result<(), Self::Error> {
        if let Some(slot) = self.slots.get(&id) {
            let before = slot.backlog.fetch_add(cost(data.len()), Ordering::SeqCst);
            if before > MAX_BACKLOG && data.len() <= TRICKLE as usize {
                tokio::time::sleep(PACE).await;
            }
        }
        Ok(())
    }

    /// The library grants window on receipt, not on use: while a process does not read, the grants
    /// shrink to a trickle. It must never be 1: then no grant would ever be made again.
    fn adjust_window(&mut self, _: ChannelId, _: u32) -> u32 {
        let waiting = |slot: &Slot| !slot.cut.is_cancelled() && slot.backlog.load(Ordering::SeqCst) > MAX_BACKLOG;
        if self.slots.values().any(waiting) { TRICKLE } else { WINDOW }
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Self::Error> {
        // Dropping the slot ends what runs in it.
        self.slots.remove(&id);
        Ok(())
    }
}

const MAX_CHANNELS: usize = 64;
const MAX_ENV: usize = 64;
pub(super) const WINDOW: u32 = 2 << 20;
const MAX_BACKLOG: i64 = 512 << 10;
/// Granted while a process does not read.
const TRICKLE: u32 = 64;
/// Each packet of a trickle waits so long: unpaced, it would take megabytes a second.
const PACE: Duration = Duration::from_millis(10);

/// How a packet counts in a backlog: many small ones count too.
pub(super) fn cost(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX).saturating_add(256)
}
